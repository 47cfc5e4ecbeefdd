//! Rates beside a naive count of what is left.

use std::collections::HashMap;

use governor::clock::FakeRelativeClock;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// A bucket that holds a second's worth, in billionths of what is counted, so that it fills by `rate` of them in
/// a nanosecond.
struct Bucket {
    rate: u64,
    left: u64,
}

impl Bucket {
    const ONE: u64 = 1_000_000_000;

    fn full(rate: u32) -> Self {
        let rate = u64::from(rate);
        Self {
            rate,
            left: rate * Self::ONE,
        }
    }

    fn wait(&mut self, nanoseconds: u64) {
        self.left = (self.left + self.rate * nanoseconds).min(self.rate * Self::ONE);
    }

    fn take(&mut self, count: u32) -> bool {
        let left = self.left.checked_sub(u64::from(count) * Self::ONE);
        self.left = left.unwrap_or(self.left);
        left.is_some()
    }
}

/// Rates that a second is a whole number of nanoseconds for.
fn rate() -> impl Strategy<Value = u32> {
    prop_oneof![Just(1), Just(2), Just(5), Just(10), Just(100)]
}

/// Who asks for how much, after how many nanoseconds.
fn steps() -> impl Strategy<Value = Vec<(u32, u32, u64)>> {
    let pause = prop_oneof![Just(0), 0_u64..2_000_000_000, Just(100_000_000)];
    vec((0_u32..3, 0_u32..4, pause), 1..100)
}

fn per_source(rate: u32, most: u32) -> (SourceRate<FakeRelativeClock>, FakeRelativeClock) {
    let clock = FakeRelativeClock::default();
    let rate = SourceRate::with_clock("requests", rate, most, clock.clone());
    (rate, clock)
}

proptest! {
    #[test]
    fn a_rate_of_all_is_a_bucket(rate in rate(), steps in steps()) {
        let clock = FakeRelativeClock::default();
        let limit = Rate::with_clock(rate, clock.clone());
        let mut bucket = Bucket::full(rate);
        for (_, _, pause) in steps {
            clock.advance(Duration::from_nanos(pause));
            bucket.wait(pause);
            prop_assert_eq!(limit.take(), bucket.take(1));
        }
    }

    #[test]
    fn a_rate_of_each_source_is_a_bucket_for_each(rate in rate(), steps in steps()) {
        // Room for all that ask, but none to spare: it is full, and forgets.
        let (limit, clock) = per_source(rate, 3);
        let mut buckets: HashMap<u32, Bucket> = HashMap::new();
        for (user, count, pause) in steps {
            clock.advance(Duration::from_nanos(pause));
            for bucket in buckets.values_mut() {
                bucket.wait(pause);
            }
            let bucket = buckets.entry(user).or_insert_with(|| Bucket::full(rate));
            prop_assert_eq!(limit.take(Source::User(user), count), bucket.take(count));
        }
    }
}

#[test]
fn a_source_that_there_is_no_room_for_is_not_limited_and_counted() {
    let (limit, _clock) = per_source(1, 2);
    for user in [1, 2] {
        assert!(limit.take(Source::User(user), 1));
        assert!(!limit.take(Source::User(user), 1));
    }
    for _ in 0..10 {
        assert!(limit.take(Source::User(3), 1));
    }
    assert!(!limit.take(Source::User(1), 1));
    assert_eq!(limit.limiter.len(), 2);
    // The first was told of.
    assert_eq!(limit.left_out.load(Relaxed), 9);
}

#[test]
fn those_whose_allowance_is_whole_again_are_forgotten_when_there_is_no_room() {
    let (limit, clock) = per_source(1, 2);
    for user in [1, 2, 3] {
        assert!(limit.take(Source::User(user), 1));
    }
    // The allowance is whole after one second, and governor waits for another to be sure.
    clock.advance(2 * SECOND + Duration::from_nanos(1));
    assert!(limit.take(Source::User(3), 1));
    assert!(!limit.take(Source::User(3), 1), "it is remembered now");
    assert_eq!(limit.limiter.len(), 1);
}

#[test]
fn however_many_sources_come_no_more_are_remembered_than_there_is_room_for() {
    let (limit, clock) = per_source(10, 100);
    for user in 0..10_000 {
        assert!(limit.take(Source::User(user), 1));
        clock.advance(Duration::from_millis(1));
        assert!(limit.limiter.len() <= 100);
    }
}

#[test]
fn more_than_a_seconds_worth_is_never_given() {
    let (limit, clock) = per_source(10, 1);
    clock.advance(10 * SECOND);
    assert!(!limit.take(Source::Unknown, 11));
    assert!(limit.take(Source::Unknown, 10));
}

#[test]
fn what_is_done_seldom_is_done_once_in_a_pause() {
    let seldom = Seldom::new(SECOND);
    let due: Vec<_> = [
        0,
        1,
        999_999_999,
        1_000_000_000,
        1_500_000_000,
        2_000_000_001,
    ]
    .map(|now| seldom.is_due(now))
    .into();
    assert_eq!(due, [true, false, false, true, false, true]);
}
