//! How long one guest has computed.
//!
//! Counted is the CPU time of the thread that polls the guest's future, so that neither waiting in the host
//! nor being preempted counts. A stream's meter starts again when a client that the guest had to wait for
//! delivers.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The CPU time of one guest. Its counters are only touched by the thread that polls the guest.
#[derive(Debug)]
pub(crate) struct CpuMeter {
    /// Nanoseconds that the guest may compute; `u64::MAX` for no limit.
    limit: u64,
    /// Nanoseconds of the polls that are over.
    spent: AtomicU64,
    /// The thread's clock when the present poll began.
    entered: AtomicU64,
    exceeded: AtomicBool,
}

impl CpuMeter {
    pub(crate) fn new(limit: Option<Duration>) -> Self {
        let nanoseconds = |limit: Duration| u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
        Self {
            limit: limit.map_or(u64::MAX, nanoseconds),
            spent: AtomicU64::new(0),
            entered: AtomicU64::new(0),
            exceeded: AtomicBool::new(false),
        }
    }

    /// The guest is about to be polled.
    pub(crate) fn enter(&self) {
        self.entered.store(thread_time(), Relaxed);
    }

    /// The guest has been polled.
    pub(crate) fn leave(&self) {
        let now = thread_time();
        let poll = now.saturating_sub(self.entered.swap(now, Relaxed));
        self.spent.fetch_add(poll, Relaxed);
    }

    /// The client delivered what the guest had waited for: counting starts again.
    pub(crate) fn restart(&self) {
        self.spent.store(0, Relaxed);
        self.entered.store(thread_time(), Relaxed);
    }

    /// True if the guest, which is being polled, has used up its time; from then on for good.
    pub(crate) fn is_used_up(&self) -> bool {
        let poll = thread_time().saturating_sub(self.entered.load(Relaxed));
        if self.spent.load(Relaxed).saturating_add(poll) > self.limit {
            self.exceeded.store(true, Relaxed);
        }
        self.has_exceeded()
    }

    /// True if [`CpuMeter::is_used_up`] ever was.
    pub(crate) fn has_exceeded(&self) -> bool {
        self.exceeded.load(Relaxed)
    }
}

fn thread_time() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let part = |number: i64| u64::try_from(number).unwrap_or(0);
    part(time.tv_sec) * 1_000_000_000 + part(time.tv_nsec)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compute_for(meter: &CpuMeter, time: Duration) {
        let start = thread_time();
        while u128::from(thread_time() - start) < time.as_nanos() {
            std::hint::black_box(meter.limit);
        }
    }

    #[test]
    fn time_between_polls_does_not_count_and_polls_add_up() {
        let limit = Duration::from_millis(3);
        let meter = CpuMeter::new(Some(limit));
        meter.enter();
        compute_for(&meter, limit / 2);
        meter.leave();
        compute_for(&meter, limit * 2);
        meter.enter();
        assert!(
            !meter.is_used_up(),
            "what happens between two polls is not the guest's"
        );
        compute_for(&meter, limit);
        assert!(meter.is_used_up());
    }

    #[test]
    fn a_client_that_delivers_gives_the_time_back() {
        let limit = Duration::from_millis(2);
        let meter = CpuMeter::new(Some(limit));
        meter.enter();
        compute_for(&meter, limit);
        meter.restart();
        assert!(!meter.is_used_up());
    }
}
