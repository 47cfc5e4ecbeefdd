//! How far a run is, for those who watch it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::Tally;

/// How often the threads tell how far they are.
pub(crate) const PROGRESS: Duration = Duration::from_millis(100);

/// Counted requests, served and failed, of all threads: as they were a moment ago.
#[derive(Debug, Default, Clone)]
pub(crate) struct Progress(Arc<[AtomicU64; 2]>);

impl Progress {
    /// Requests served and failed so far.
    pub(crate) fn now(&self) -> (u64, u64) {
        let [requests, errors] = &*self.0;
        (
            requests.load(Ordering::Relaxed),
            errors.load(Ordering::Relaxed),
        )
    }

    /// Adds what a thread has done since it told the last time.
    pub(super) fn add(&self, told: &mut (u64, u64), tally: &Tally) {
        let [requests, errors] = &*self.0;
        let done = (tally.requests, tally.errors());
        requests.fetch_add(done.0 - told.0, Ordering::Relaxed);
        errors.fetch_add(done.1 - told.1, Ordering::Relaxed);
        *told = done;
    }
}
