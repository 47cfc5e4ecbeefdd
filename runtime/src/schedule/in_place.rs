//! The first poll of a request, on the thread that received it.
//!
//! Most requests do not wait: their first poll is their last, and a task for them would cost more than it
//! gives. But whoever polls a request cannot receive the next one meanwhile. A guest is interrupted after a
//! millisecond or two; and after a few that took so long, requests become tasks at once for a while.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::task::unconstrained;
use tokio::time::Instant;

/// Whether requests are begun where they were received.
pub(super) struct InPlace {
    origin: Instant,
    /// Requests that took too long since it was last given up.
    strikes: AtomicU32,
    /// Milliseconds after `origin` from which it is tried again.
    again: AtomicU64,
}

impl Default for InPlace {
    fn default() -> Self {
        Self {
            origin: Instant::now(),
            strikes: AtomicU32::new(0),
            again: AtomicU64::new(0),
        }
    }
}

impl InPlace {
    /// What a request may take where it was received, and be no burden on the next one.
    const SLICE: Duration = Duration::from_millis(1);
    /// Requests that may take longer before it is given up.
    const STRIKES: u32 = 3;
    /// For how long it is given up.
    const PAUSE: Duration = Duration::from_secs(1);

    /// Polls a request once, unless too many took too long of late. Returns it if it has not finished.
    pub(super) fn begin<F: Future<Output = ()>>(
        &self,
        mut request: Pin<Box<F>>,
    ) -> Option<Pin<Box<F>>> {
        let start = Instant::now();
        if self.millis(start) < self.again.load(Relaxed) {
            return Some(request);
        }
        // Nobody is woken by this poll: who has to wait is polled again, as a task.
        let mut cx = Context::from_waker(Waker::noop());
        let polled = catch_unwind(AssertUnwindSafe(|| {
            Pin::new(&mut unconstrained(request.as_mut())).poll(&mut cx)
        }));
        if start.elapsed() > Self::SLICE {
            self.strike();
        }
        match polled {
            Ok(Poll::Pending) => Some(request),
            // A panic is said on standard error, and the request has been reported when it was dropped.
            Ok(Poll::Ready(())) | Err(_) => None,
        }
    }

    fn strike(&self) {
        if self.strikes.fetch_add(1, Relaxed) + 1 >= Self::STRIKES {
            self.strikes.store(0, Relaxed);
            self.again
                .store(self.millis(Instant::now() + Self::PAUSE), Relaxed);
        }
    }

    fn millis(&self, time: Instant) -> u64 {
        let since = time.saturating_duration_since(self.origin);
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}
