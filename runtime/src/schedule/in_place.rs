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

use crate::meter::Stopwatch;

/// Whether requests are begun where they were received.
pub(super) struct InPlace {
    origin: Instant,
    /// Requests that took too long of late.
    strikes: AtomicU32,
    /// Milliseconds after `origin` at which the first of them did.
    since: AtomicU64,
    /// Milliseconds after `origin` from which it is tried again.
    again: AtomicU64,
}

impl Default for InPlace {
    fn default() -> Self {
        Self {
            origin: Instant::now(),
            strikes: AtomicU32::new(0),
            since: AtomicU64::new(0),
            again: AtomicU64::new(0),
        }
    }
}

impl InPlace {
    /// What a request may compute where it was received, and be no burden on the next one.
    const SLICE: Duration = Duration::from_millis(1);
    /// Requests that may compute longer within a `PAUSE` before it is given up.
    const STRIKES: u32 = 3;
    /// For how many milliseconds it is given up.
    const PAUSE: u64 = 1000;

    /// Polls a request once, unless too many took too long of late. Returns it if it has not finished.
    pub(super) fn begin<F: Future<Output = ()>>(
        &self,
        mut request: Pin<Box<F>>,
    ) -> Option<Pin<Box<F>>> {
        if self.is_given_up() {
            return Some(request);
        }
        let computed = Stopwatch::start();
        // Nobody is woken by this poll: who has to wait is polled again, as a task.
        let mut cx = Context::from_waker(Waker::noop());
        let polled = catch_unwind(AssertUnwindSafe(|| {
            Pin::new(&mut unconstrained(request.as_mut())).poll(&mut cx)
        }));
        if computed.elapsed() > Self::SLICE {
            self.strike();
        }
        match polled {
            Ok(Poll::Pending) => Some(request),
            // A panic is said on standard error, and the request has been reported when it was dropped.
            Ok(Poll::Ready(())) | Err(_) => None,
        }
    }

    fn is_given_up(&self) -> bool {
        let again = self.again.load(Relaxed);
        again > 0 && self.now() < again
    }

    fn strike(&self) {
        let now = self.now();
        if now.saturating_sub(self.since.load(Relaxed)) > Self::PAUSE {
            self.since.store(now, Relaxed);
            self.strikes.store(0, Relaxed);
        }
        if self.strikes.fetch_add(1, Relaxed) + 1 >= Self::STRIKES {
            self.strikes.store(0, Relaxed);
            self.again.store(now + Self::PAUSE, Relaxed);
        }
    }

    /// Milliseconds since `origin`.
    fn now(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;
    use std::thread::sleep;

    use tokio::sync::oneshot;

    use super::*;

    /// True if a request that takes no time is begun where it was received.
    fn begins(in_place: &InPlace) -> bool {
        in_place.begin(Box::pin(ready(()))).is_none()
    }

    /// Requests that keep whoever received them too long.
    fn strike(in_place: &InPlace, times: u32) {
        for _ in 0..times {
            let slow = Box::pin(async { compute(2 * InPlace::SLICE) });
            assert!(in_place.begin(slow).is_none(), "it was given up too early");
        }
    }

    fn compute(time: Duration) {
        let computed = Stopwatch::start();
        while computed.elapsed() < time {}
    }

    #[test]
    fn those_that_only_had_to_wait_for_the_processor_are_borne() {
        let in_place = InPlace::default();
        for _ in 0..=InPlace::STRIKES {
            let preempted = Box::pin(async { sleep(2 * InPlace::SLICE) });
            assert!(in_place.begin(preempted).is_none());
        }
        assert!(begins(&in_place));
    }

    #[test]
    fn old_strikes_are_forgotten() {
        let mut in_place = InPlace::default();
        for _ in 0..=InPlace::STRIKES {
            strike(&in_place, 1);
            in_place.origin -= Duration::from_millis(2 * InPlace::PAUSE);
        }
        assert!(begins(&in_place));
    }

    #[test]
    fn quick_requests_are_begun_one_after_the_other() {
        let in_place = InPlace::default();
        for _ in 0..=InPlace::STRIKES {
            assert!(begins(&in_place));
        }
    }

    #[test]
    fn a_few_that_took_too_long_are_borne_and_one_more_is_not() {
        let in_place = InPlace::default();
        strike(&in_place, InPlace::STRIKES - 1);
        assert!(begins(&in_place));
        strike(&in_place, 1);
        assert!(!begins(&in_place));
    }

    #[test]
    fn it_is_tried_again_after_the_pause_and_all_strikes_are_forgiven() {
        let mut in_place = InPlace::default();
        strike(&in_place, InPlace::STRIKES);
        // As if the server had begun earlier by a pause.
        in_place.origin -= Duration::from_millis(InPlace::PAUSE);
        strike(&in_place, InPlace::STRIKES);
        assert!(!begins(&in_place));
    }

    #[test]
    fn a_panic_is_the_end_of_its_request_only() {
        let in_place = InPlace::default();
        let clumsy = Box::pin(async { panic!("in a request") });
        assert!(in_place.begin(clumsy).is_none());
        assert!(begins(&in_place));
    }

    #[tokio::test]
    async fn a_request_that_waits_is_returned_and_goes_on_where_it_was() {
        let in_place = InPlace::default();
        let (first, waited) = oneshot::channel();
        let (finished, end) = oneshot::channel();
        let request = in_place.begin(Box::pin(async move {
            let answer: u32 = waited.await.unwrap_or_default();
            finished.send(answer).unwrap_or_default();
        }));
        let task = tokio::spawn(request.expect("it waits"));
        // Here it begins to wait a second time, for who wakes it.
        tokio::task::yield_now().await;
        first.send(42).expect("somebody waits");
        assert_eq!(end.await, Ok(42));
        task.await.expect("no panic");
    }
}
