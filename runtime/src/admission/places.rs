//! Places for requests that run, of all clients together.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use tokio::sync::Notify;

/// How many more requests may run. Most servers refuse when there is no place, so that taking one and giving
/// it back is one step for the processor, and no lock that all requests share.
pub(super) struct Places {
    free: AtomicU32,
    freed: Notify,
    /// Somebody may be waiting for one.
    pub(super) wait: bool,
}

/// One of them, given back when it is dropped.
pub(super) struct Place(Arc<Places>);

impl Places {
    pub(super) fn new(places: u32, wait: bool) -> Self {
        Self {
            free: AtomicU32::new(places),
            freed: Notify::new(),
            wait,
        }
    }

    pub(super) fn take(self: &Arc<Self>) -> Option<Place> {
        self.free
            .fetch_update(SeqCst, SeqCst, |free| free.checked_sub(1))
            .is_ok()
            .then(|| Place(Arc::clone(self)))
    }

    /// Waits for a place. Safe to cancel.
    pub(super) async fn wait(self: &Arc<Self>) -> Place {
        loop {
            let mut freed = pin!(self.freed.notified());
            // From here on no place is given back unnoticed.
            freed.as_mut().enable();
            if let Some(place) = self.take() {
                return place;
            }
            freed.await;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.free.fetch_add(1, SeqCst);
        if self.0.wait {
            self.0.freed.notify_one();
        }
    }
}
