//! How much is measured.

use std::time::Duration;

/// How long, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    /// Rounds, in each of which every server has its turn.
    pub(super) rounds: u32,
    /// How long one server is asked in one round.
    pub(super) duration: Duration,
    /// How long it is asked before that, uncounted.
    pub(super) warm_up: Duration,
}

#[cfg(test)]
impl Plan {
    /// Enough to see that a server answers, on a busy machine too: 64 MiB there and back take 45 ms on a quiet one.
    pub(super) const SHORTEST: Self = Self {
        rounds: 1,
        duration: Duration::from_millis(400),
        warm_up: Duration::ZERO,
    };
}
