//! What a rate remembers of each source, within bounds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::ShrinkableKeyedStateStore;

use super::source::Source;

/// A store for governor that takes no more than so many sources. For one that it has no room for it says
/// each time that it is new, so that this source is not limited.
pub(super) struct Sources {
    states: DashMap<Source, Nanos>,
    /// How many there are.
    count: AtomicUsize,
    most: usize,
    /// How often there was no room.
    left_out: Arc<AtomicU64>,
}

impl Sources {
    pub(super) fn new(most: u32, left_out: Arc<AtomicU64>) -> Self {
        Self {
            states: DashMap::new(),
            count: AtomicUsize::new(0),
            most: usize::try_from(most).unwrap_or(usize::MAX),
            left_out,
        }
    }

    /// Takes room for one more, if there is.
    fn take_room(&self) -> bool {
        let more = |count| (count < self.most).then_some(count + 1);
        self.count.fetch_update(Relaxed, Relaxed, more).is_ok()
    }
}

impl StateStore for Sources {
    type Key = Source;

    fn measure_and_replace<T, F, E>(&self, source: &Source, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        match self.states.entry(*source) {
            Entry::Occupied(mut state) => {
                let (decided, next) = decide(Some(*state.get()))?;
                state.insert(next);
                Ok(decided)
            }
            Entry::Vacant(state) => {
                let (decided, next) = decide(None)?;
                if self.take_room() {
                    drop(state.insert(next));
                } else {
                    self.left_out.fetch_add(1, Relaxed);
                }
                Ok(decided)
            }
        }
    }
}

impl ShrinkableKeyedStateStore<Source> for Sources {
    fn retain_recent(&self, drop_below: Nanos) {
        self.states.retain(|_, state| {
            let stays = *state > drop_below;
            if !stays {
                self.count.fetch_sub(1, Relaxed);
            }
            stays
        });
    }

    fn len(&self) -> usize {
        self.count.load(Relaxed)
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
