//! How long one guest has computed.
//!
//! Counted is the CPU time of the thread that polls the guest's future, and of those that do its file work, so that
//! neither waiting in the host nor being preempted counts. A stream's meter starts again when a client that the
//! guest had to wait for delivers; what it counts in total goes on.
//!
//! To ask for a thread's CPU time is a system call of half a microsecond, twice for every poll: a tenth of a
//! small request. What a poll took by the clock on the wall is never less, and costs next to nothing to know.
//! So a short poll is billed by that, and only a longer one is looked at closely.

use std::cell::Cell;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The CPU time of one guest. The thread that polls the guest counts, and jobs for it on other threads add to that.
#[derive(Debug)]
pub(crate) struct CpuMeter {
    /// Nanoseconds that the guest may compute; `u64::MAX` for no limit.
    limit: u64,
    /// The same in total, however often counting starts again.
    total_limit: u64,
    /// Nanoseconds that have been billed.
    spent: AtomicU64,
    /// Those that had been billed when counting last started again.
    before: AtomicU64,
    /// How often it has.
    restarts: AtomicU64,
    /// The time by the clock on the wall up to which the present poll has been billed.
    since: AtomicU64,
    exceeded: AtomicU8,
}

/// Which of its limits a guest has exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exceeded {
    Limit = 1,
    Total = 2,
}

/// Nanoseconds that a poll may take and still be billed by the wall's clock.
const SHORT: u64 = 100_000;

/// Nanoseconds after which a thread's last reading is too old to begin a poll with: a poll in which the
/// thread is preempted can be billed as much too high, and no more.
const STALE: u64 = 250_000;

/// A thread's CPU time, and when it was read.
#[derive(Clone, Copy)]
struct Reading {
    cpu: u64,
    at: u64,
}

thread_local! {
    static LAST: Cell<Reading> = const { Cell::new(Reading { cpu: 0, at: 0 }) };
}

impl CpuMeter {
    pub(crate) fn new(limit: Option<Duration>, total: Option<Duration>) -> Self {
        let nanoseconds = |limit: Duration| u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
        Self {
            limit: limit.map_or(u64::MAX, nanoseconds),
            total_limit: total.map_or(u64::MAX, nanoseconds),
            spent: AtomicU64::new(0),
            before: AtomicU64::new(0),
            restarts: AtomicU64::new(0),
            since: AtomicU64::new(0),
            exceeded: AtomicU8::new(0),
        }
    }

    /// The guest is about to be polled.
    pub(crate) fn enter(&self) {
        self.since.store(begin(), Relaxed);
    }

    /// The guest has been polled.
    pub(crate) fn leave(&self) {
        self.bill();
    }

    /// Adds what the present poll has taken since it was last billed.
    fn bill(&self) {
        let now = wall_time();
        let elapsed = now.saturating_sub(self.since.swap(now, Relaxed));
        let used = cpu_time(now, elapsed, LAST.get());
        self.spent.fetch_add(used, Relaxed);
    }

    /// Does `job` for the guest on a thread that does not poll it, and adds what that computed; precisely, since it may
    /// be a short wait for a disk.
    pub(crate) fn bill_job<T>(&self, job: impl FnOnce() -> T) -> T {
        let before = nanoseconds(ClockId::ThreadCPUTime);
        let done = job();
        let computed = nanoseconds(ClockId::ThreadCPUTime).saturating_sub(before);
        self.spent.fetch_add(computed, Relaxed);
        done
    }

    /// The client delivered what the guest had waited for: counting starts again.
    pub(crate) fn restart(&self) {
        self.bill();
        self.before.fetch_add(self.spent.swap(0, Relaxed), Relaxed);
        self.restarts.fetch_add(1, Relaxed);
    }

    /// How often counting has started again.
    pub(crate) fn restarts(&self) -> u64 {
        self.restarts.load(Relaxed)
    }

    /// True if the guest, which is being polled, has used up its time; from then on for good.
    pub(crate) fn is_used_up(&self) -> bool {
        self.bill();
        let spent = self.spent.load(Relaxed);
        if spent > self.limit {
            self.exceeded.store(Exceeded::Limit as u8, Relaxed);
        } else if self.before.load(Relaxed).saturating_add(spent) > self.total_limit {
            self.exceeded.store(Exceeded::Total as u8, Relaxed);
        }
        self.exceeded().is_some()
    }

    /// What [`CpuMeter::is_used_up`] ever found.
    pub(crate) fn exceeded(&self) -> Option<Exceeded> {
        match self.exceeded.load(Relaxed) {
            0 => None,
            1 => Some(Exceeded::Limit),
            _ => Some(Exceeded::Total),
        }
    }
}

/// What one thread computes between two moments.
pub(crate) struct Stopwatch {
    since: u64,
    before: Reading,
}

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self {
            since: begin(),
            before: LAST.get(),
        }
    }

    /// CPU time of this thread since the start, as precise as a guest is billed.
    pub(crate) fn elapsed(&self) -> Duration {
        let now = wall_time();
        Duration::from_nanos(cpu_time(now, now.saturating_sub(self.since), self.before))
    }
}

/// The time by the clock on the wall, with a reading of this thread's CPU time that is not too old for it.
fn begin() -> u64 {
    let now = wall_time();
    if now.saturating_sub(LAST.get().at) > STALE {
        read_cpu_time(now);
    }
    now
}

/// What this thread has computed in the `elapsed` nanoseconds up to `now`, if its clock showed `before` when
/// they began.
fn cpu_time(now: u64, elapsed: u64, before: Reading) -> u64 {
    if elapsed <= SHORT {
        return elapsed;
    }
    elapsed.min(read_cpu_time(now).saturating_sub(before.cpu))
}

/// Reads this thread's CPU time, and remembers it.
fn read_cpu_time(now: u64) -> u64 {
    let cpu = nanoseconds(ClockId::ThreadCPUTime);
    LAST.set(Reading { cpu, at: now });
    cpu
}

fn wall_time() -> u64 {
    nanoseconds(ClockId::Monotonic)
}

fn nanoseconds(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    let part = |number: i64| u64::try_from(number).unwrap_or(0);
    part(time.tv_sec) * 1_000_000_000 + part(time.tv_nsec)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compute_for(meter: &CpuMeter, time: Duration) {
        let cpu_time = || nanoseconds(ClockId::ThreadCPUTime);
        let start = cpu_time();
        while u128::from(cpu_time() - start) < time.as_nanos() {
            std::hint::black_box(meter.limit);
        }
    }

    #[test]
    fn time_between_polls_does_not_count_and_polls_add_up() {
        let limit = Duration::from_millis(3);
        let meter = CpuMeter::new(Some(limit), None);
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
        let meter = CpuMeter::new(Some(limit), None);
        meter.enter();
        compute_for(&meter, limit);
        meter.restart();
        assert!(!meter.is_used_up());
    }

    #[test]
    fn the_total_goes_on() {
        let limit = Duration::from_millis(2);
        let meter = CpuMeter::new(None, Some(limit));
        meter.enter();
        for _ in 0..2 {
            assert!(!meter.is_used_up());
            compute_for(&meter, limit * 2 / 3);
            meter.restart();
        }
        assert!(meter.is_used_up());
        assert_eq!(meter.exceeded(), Some(Exceeded::Total));
    }

    /// Too short to be looked at closely, they are billed by the clock on the wall.
    #[test]
    fn short_polls_are_billed_and_add_up() {
        let poll = Duration::from_micros(10);
        let polls = 100;
        let meter = CpuMeter::new(Some(poll * (polls - 1)), None);
        for _ in 0..polls {
            meter.enter();
            compute_for(&meter, poll);
            meter.leave();
        }
        meter.enter();
        assert!(meter.is_used_up());
    }

    /// However much the thread computed before, for somebody else.
    #[test]
    fn a_poll_that_sleeps_is_not_billed_for_it() {
        let sleep = Duration::from_millis(50);
        for computed in [Duration::ZERO, sleep] {
            let meter = CpuMeter::new(None, None);
            compute_for(&meter, computed);
            meter.enter();
            std::thread::sleep(sleep);
            meter.leave();
            let spent = meter.spent.load(Relaxed);
            assert!(spent < 5 * STALE, "{spent} ns of a poll that slept");
        }
    }

    /// The thread's last reading is fresh when the poll begins, but not quite: what the thread computed
    /// meanwhile is the mistake, and it is bounded.
    #[test]
    fn a_preempted_poll_is_billed_too_high_by_little() {
        let meter = CpuMeter::new(None, None);
        for _ in 0..10 {
            read_cpu_time(wall_time());
            compute_for(&meter, Duration::from_nanos(STALE / 2));
            meter.enter();
            std::thread::sleep(Duration::from_millis(20));
            meter.leave();
        }
        let spent = meter.spent.load(Relaxed);
        assert!(
            spent < 10 * 2 * STALE,
            "{spent} ns for polls that computed nothing"
        );
    }

    #[test]
    fn a_long_poll_is_billed_by_what_it_computed_in_it() {
        let limit = Duration::from_millis(10);
        let meter = CpuMeter::new(Some(limit), None);
        meter.enter();
        std::thread::sleep(limit);
        compute_for(&meter, limit / 2);
        assert!(!meter.is_used_up(), "it slept half of its time");
        compute_for(&meter, limit);
        assert!(meter.is_used_up());
    }
}
