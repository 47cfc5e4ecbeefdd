//! When requests are made, which of them count, and when it is over.
//!
//! A *closed loop* makes the next request when the last one was answered: a slow server is asked less often.
//! An *open loop* makes them on a schedule that is fixed beforehand, whatever the server does; what a request
//! waits until a client is free for it is a part of its latency. That is what clients of a real server meet, and
//! what a closed loop leaves out ("coordinated omission").
//!
//! A request counts if it began after the warm-up and before the end; what is under way at the end is waited
//! for, or the slow ones would be left out.

use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const NANOSECONDS: u128 = 1_000_000_000;

/// When requests are made.
#[derive(Debug, Clone)]
pub(crate) struct Timing {
    /// How long requests are made that do not count.
    pub(crate) warm_up: Duration,
    /// How long those are made that do.
    pub(crate) length: Length,
    /// Requests a second of an open loop; none: a closed loop.
    pub(crate) rate: Option<NonZeroU64>,
}

/// How long a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    /// As long as this.
    Time(Duration),
    /// As many requests as this, served or failed.
    Requests(u64),
}

/// A run's clock, which all clients share.
#[derive(Debug)]
pub(super) struct Pace {
    begins: Instant,
    counts_from: Instant,
    ends: Option<Instant>,
    most: Option<u64>,
    rate: Option<NonZeroU64>,
    /// Requests that somebody has taken on: of a closed loop only those that count, and only if they are limited.
    taken: AtomicU64,
}

/// A request that a client is to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    /// When it is due; its latency begins here.
    pub(super) due: Instant,
    /// False during the warm-up.
    pub(super) counts: bool,
}

impl Pace {
    pub(super) fn starting(timing: &Timing, begins: Instant) -> Self {
        let counts_from = begins + timing.warm_up;
        let (ends, most) = match timing.length {
            Length::Time(time) => (Some(counts_from + time), None),
            Length::Requests(most) => (None, Some(most)),
        };
        Self {
            begins,
            counts_from,
            ends,
            most,
            rate: timing.rate,
            taken: AtomicU64::new(0),
        }
    }

    /// The next request for a client that is free `now`; none: it is over.
    pub(super) fn next(&self, now: Instant) -> Option<Turn> {
        if self.ends.is_some_and(|end| now >= end) {
            return None;
        }
        match self.rate {
            None => self.next_closed(now),
            Some(rate) => self.next_open(rate),
        }
    }

    fn next_closed(&self, now: Instant) -> Option<Turn> {
        let counts = now >= self.counts_from;
        if counts && let Some(most) = self.most {
            let number = self.taken.fetch_add(1, Ordering::Relaxed);
            if number >= most {
                return None;
            }
        }
        Some(Turn { due: now, counts })
    }

    fn next_open(&self, rate: NonZeroU64) -> Option<Turn> {
        let number = self.taken.fetch_add(1, Ordering::Relaxed);
        let due = self.begins + after(number, rate);
        if self.ends.is_some_and(|end| due >= end) {
            return None;
        }
        let counts = due >= self.counts_from;
        if counts && let Some(most) = self.most {
            let uncounted = before(self.counts_from - self.begins, rate);
            if number.saturating_sub(uncounted) >= most {
                return None;
            }
        }
        Some(Turn { due, counts })
    }

    /// The time in which the counted requests began: the whole of it, or as much as there was until somebody
    /// `stopped` it. A number of requests takes until the `last` of them ended.
    pub(super) fn measured(&self, last: Option<Instant>, stopped: Option<Instant>) -> Duration {
        let end = match (self.ends, stopped) {
            (Some(end), Some(stopped)) => end.min(stopped),
            (Some(end), None) => end,
            (None, stopped) => stopped.or(last).unwrap_or(self.counts_from),
        };
        end.saturating_duration_since(self.counts_from)
    }
}

/// How long after the beginning request `number` is due.
fn after(number: u64, rate: NonZeroU64) -> Duration {
    let nanoseconds = u128::from(number) * NANOSECONDS / u128::from(rate.get());
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
}

/// How many requests are due before `time` has passed.
fn before(time: Duration, rate: NonZeroU64) -> u64 {
    let requests = (time.as_nanos() * u128::from(rate.get())).div_ceil(NANOSECONDS);
    u64::try_from(requests).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn pace(warm_up: Duration, length: Length, rate: Option<u64>) -> (Pace, Instant) {
        let now = Instant::now();
        let rate = rate.and_then(NonZeroU64::new);
        let timing = Timing {
            warm_up,
            length,
            rate,
        };
        (Pace::starting(&timing, now), now)
    }

    #[test]
    fn a_closed_loop_goes_on_until_the_end() {
        let (pace, start) = pace(SECOND, Length::Time(SECOND), None);
        let turn = |now| pace.next(now).map(|turn| (turn.due == now, turn.counts));
        assert_eq!(turn(start), Some((true, false)));
        assert_eq!(turn(start + SECOND), Some((true, true)));
        assert_eq!(turn(start + 2 * SECOND), None);
    }

    #[test]
    fn a_number_of_requests_is_made_after_the_warm_up() {
        for rate in [None, Some(10)] {
            let (pace, start) = pace(SECOND, Length::Requests(3), rate);
            let turns = (0..10).map(|_| pace.next(start)).collect::<Vec<_>>();
            assert!(turns.iter().flatten().all(|turn| !turn.counts), "{turns:?}");
            assert_eq!(turns.iter().flatten().count(), 10);
            let later = (0..5).filter_map(|_| pace.next(start + SECOND));
            assert_eq!(later.filter(|turn| turn.counts).count(), 3);
        }
    }

    #[test]
    fn an_open_loop_does_not_care_when_a_client_is_free() {
        let (pace, start) = pace(Duration::ZERO, Length::Time(SECOND), Some(4));
        let due = |late: Duration| pace.next(start + late).map(|turn| turn.due - start);
        assert_eq!(due(Duration::ZERO), Some(Duration::ZERO));
        assert_eq!(due(SECOND / 2), Some(SECOND / 4));
        assert_eq!(due(SECOND / 2), Some(SECOND / 2));
        assert_eq!(due(SECOND / 2), Some(SECOND * 3 / 4));
        assert_eq!(due(SECOND / 2), None, "the fifth is due at the end");
    }

    #[test]
    fn what_is_due_at_the_end_is_not_caught_up_with() {
        let (pace, start) = pace(Duration::ZERO, Length::Time(SECOND), Some(1000));
        assert!(pace.next(start).is_some());
        assert!(pace.next(start + SECOND).is_none());
    }

    #[test]
    fn uneven_rates_lose_nothing() {
        let rate = NonZeroU64::new(3).expect("a rate");
        assert_eq!(after(3_000_000, rate), Duration::from_secs(1_000_000));
        assert_eq!(before(SECOND, rate), 3);
        assert_eq!(before(SECOND / 2, rate), 2);
    }

    #[test]
    fn the_time_is_that_in_which_requests_began() {
        let (timed, start) = pace(SECOND, Length::Time(SECOND), None);
        let late = Some(start + 5 * SECOND);
        assert_eq!(timed.measured(late, None), SECOND);
        assert_eq!(
            timed.measured(late, Some(start + SECOND * 3 / 2)),
            SECOND / 2
        );
        assert_eq!(timed.measured(None, Some(start)), Duration::ZERO);
        let (counted, start) = pace(Duration::ZERO, Length::Requests(9), None);
        assert_eq!(counted.measured(Some(start + SECOND), None), SECOND);
        assert_eq!(counted.measured(None, None), Duration::ZERO);
    }
}
