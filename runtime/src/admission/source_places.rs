//! Places for requests that run, of each source by itself.

use std::sync::Arc;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;

use super::source::Source;

/// How many requests each source has running. A source is forgotten with its last one.
pub(super) struct SourcePlaces {
    most: u32,
    taken: DashMap<Source, u32>,
}

/// One place of a source, given back when it is dropped.
pub(super) struct SourcePlace {
    places: Arc<SourcePlaces>,
    source: Source,
}

impl SourcePlaces {
    /// `most`: of one source, at least 1.
    pub(super) fn new(most: u32) -> Self {
        Self {
            most,
            taken: DashMap::new(),
        }
    }

    pub(super) fn take(self: &Arc<Self>, source: Source) -> Option<SourcePlace> {
        let mut taken = self.taken.entry(source).or_insert(0);
        if *taken >= self.most {
            return None;
        }
        *taken += 1;
        Some(SourcePlace {
            places: Arc::clone(self),
            source,
        })
    }
}

impl Drop for SourcePlace {
    fn drop(&mut self) {
        if let Entry::Occupied(mut taken) = self.places.taken.entry(self.source) {
            match taken.get() {
                0 | 1 => drop(taken.remove()),
                _ => *taken.get_mut() -= 1,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Take(u32),
        /// The one at this place among those that are held, counted round and round.
        GiveBack(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0_u32..4).prop_map(Step::Take),
            (0_usize..100).prop_map(Step::GiveBack),
        ]
    }

    proptest! {
        #[test]
        fn it_counts_as_one_counts_by_hand(most in 1_u32..4, steps in vec(step(), 1..100)) {
            let places = Arc::new(SourcePlaces::new(most));
            let mut held: Vec<(u32, SourcePlace)> = Vec::new();
            for step in steps {
                match step {
                    Step::Take(user) => {
                        let running = held.iter().filter(|(other, _)| *other == user).count();
                        let place = places.take(Source::User(user));
                        prop_assert_eq!(place.is_some(), running < most as usize);
                        held.extend(place.map(|place| (user, place)));
                    }
                    Step::GiveBack(_) if held.is_empty() => {}
                    Step::GiveBack(which) => drop(held.swap_remove(which % held.len())),
                }
                let mut by_hand: HashMap<u32, u32> = HashMap::new();
                for (user, _) in &held {
                    *by_hand.entry(*user).or_default() += 1;
                }
                prop_assert_eq!(places.taken.len(), by_hand.len());
                for (user, running) in by_hand {
                    let counted = places.taken.get(&Source::User(user)).map(|count| *count);
                    prop_assert_eq!(counted, Some(running));
                }
            }
        }
    }
}
