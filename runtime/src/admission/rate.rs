//! How much in a second: of all clients together, and of each source by itself.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use governor::clock::{Clock, MonotonicClock, Reference as _};
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use super::source::Source;
use super::sources::Sources;

/// So much a second, and as much at once after a quiet second.
fn quota(rate: u32) -> Quota {
    Quota::per_second(NonZeroU32::new(rate).unwrap_or(NonZeroU32::MIN))
}

/// A limiter of what `K` names, which keeps its states in `S`.
type Limiter<K, S, C> = RateLimiter<K, S, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// A rate of all clients together: one atomic.
pub(super) struct Rate<C: Clock = MonotonicClock>(Limiter<NotKeyed, InMemoryState, C>);

impl Rate {
    pub(super) fn new(rate: u32) -> Self {
        Self::with_clock(rate, MonotonicClock)
    }
}

impl<C: Clock> Rate<C> {
    fn with_clock(rate: u32, clock: C) -> Self {
        Self(RateLimiter::direct_with_clock(quota(rate), clock))
    }

    pub(super) fn take(&self) -> bool {
        self.0.check().is_ok()
    }
}

/// A rate of each source by itself, for a bounded number of sources.
///
/// While that many have been active within the last second, another one is not limited here, and the operator is
/// told: to refuse it would let those who can pretend to be many shut others out.
pub(crate) struct SourceRate<C: Clock = MonotonicClock> {
    limiter: Limiter<Source, Sources, C>,
    /// What is counted, for the log.
    what: &'static str,
    most: u32,
    left_out: Arc<AtomicU64>,
    start: C::Instant,
    forget: Seldom,
    tell: Seldom,
}

impl SourceRate {
    /// `what` is counted, and remembered for at most `most` sources.
    pub(crate) fn new(what: &'static str, rate: u32, most: u32) -> Self {
        Self::with_clock(what, rate, most, MonotonicClock)
    }
}

impl<C: Clock> SourceRate<C> {
    /// To forget means to look at every source that is remembered: not on every request's way.
    const FORGET: Duration = Duration::from_secs(1);
    /// Between two lines in the log.
    const TELL: Duration = Duration::from_secs(60);

    fn with_clock(what: &'static str, rate: u32, most: u32, clock: C) -> Self {
        let left_out = Arc::new(AtomicU64::new(0));
        let sources = Sources::new(most, Arc::clone(&left_out));
        Self {
            start: clock.now(),
            limiter: RateLimiter::new(quota(rate), sources, clock),
            what,
            most,
            left_out,
            forget: Seldom::new(Self::FORGET),
            tell: Seldom::new(Self::TELL),
        }
    }

    /// Takes `count` of what the source may have now; false if it may not have as many.
    pub(crate) fn take(&self, source: Source, count: u32) -> bool {
        let Some(count) = NonZeroU32::new(count) else {
            return true;
        };
        let full = self.is_full();
        if full && self.forget.is_due(self.now()) {
            // Those whose allowance is whole again are as if they had never been there.
            self.limiter.retain_recent();
        }
        let taken = self.limiter.check_key_n(&source, count);
        if full {
            self.tell_left_out();
        }
        matches!(taken, Ok(Ok(())))
    }

    fn is_full(&self) -> bool {
        self.limiter.len() >= usize::try_from(self.most).unwrap_or(usize::MAX)
    }

    fn tell_left_out(&self) {
        if self.left_out.load(Relaxed) == 0 || !self.tell.is_due(self.now()) {
            return;
        }
        let not_limited = self.left_out.swap(0, Relaxed);
        tracing::warn!(
            not_limited,
            "{} sources were active within a second: {} of others were not limited by source; \
             --max-sources would remember more",
            self.most,
            self.what,
        );
    }

    /// Nanoseconds since the start.
    fn now(&self) -> u64 {
        let now = self.limiter.clock().now();
        now.duration_since(self.start).as_u64()
    }
}

/// What is done once in a while at most, whoever is there first.
struct Seldom {
    /// Nanoseconds.
    pause: u64,
    /// When it may be done next.
    due: AtomicU64,
}

impl Seldom {
    fn new(pause: Duration) -> Self {
        Self {
            pause: u64::try_from(pause.as_nanos()).unwrap_or(u64::MAX),
            due: AtomicU64::new(0),
        }
    }

    fn is_due(&self, now: u64) -> bool {
        let next = |due| (now >= due).then(|| now.saturating_add(self.pause));
        self.due.fetch_update(Relaxed, Relaxed, next).is_ok()
    }
}

#[cfg(test)]
mod tests;
