//! What has been counted: requests, failures by their kind, bytes, and how long replies took.

use std::io;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

/// The longest latency that is told from longer ones.
const LONGEST: Duration = Duration::from_secs(3600);

/// Significant digits of a latency.
const DIGITS: u8 = 3;

/// How a request can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The reply was not the expected one.
    Wrong,
    /// The reply did not come, or not all of it, in time.
    Timeout,
    /// The server could not be reached.
    Connect,
    /// The server reset the connection.
    Reset,
    /// The server closed the connection without a whole reply.
    Closed,
    /// What else the system said.
    Other,
}

impl Kind {
    /// All of them, in the order in which they are told.
    pub(crate) const ALL: [Self; 6] = [
        Self::Wrong,
        Self::Timeout,
        Self::Connect,
        Self::Reset,
        Self::Closed,
        Self::Other,
    ];

    /// Its word.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Wrong => "wrong",
            Self::Timeout => "timeout",
            Self::Connect => "connect",
            Self::Reset => "reset",
            Self::Closed => "closed",
            Self::Other => "other",
        }
    }
}

/// A request that failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) kind: Kind,
    pub(super) reason: String,
}

impl Failure {
    pub(super) fn new(kind: Kind, reason: impl Into<String>) -> Self {
        Self {
            kind,
            reason: reason.into(),
        }
    }

    /// Bytes that came before the request that they could have answered.
    pub(super) fn unasked() -> Self {
        Self::new(Kind::Wrong, "more came than was asked for")
    }

    /// A failure to connect, whatever the system says about it.
    pub(super) fn to_connect(error: &io::Error) -> Self {
        Self::new(Kind::Connect, reason(error))
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset};
        let kind = match error.kind() {
            ConnectionReset | BrokenPipe | ConnectionAborted => Kind::Reset,
            // How a datagram's client learns that nobody is there.
            ConnectionRefused => Kind::Connect,
            _ => Kind::Other,
        };
        Self::new(kind, reason(&error))
    }
}

/// What the system says, without its number.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}

/// How far one request came.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    /// True if it had a connection, or a socket to send from.
    pub(super) connected: bool,
    /// Bytes sent.
    pub(super) sent: u64,
    /// Bytes received.
    pub(super) received: u64,
}

/// What the requests of one thread, or of all, have come to.
#[derive(Debug)]
pub(crate) struct Tally {
    /// Requests that were served: their replies were checked.
    pub(crate) requests: u64,
    failed: [Failed; Kind::ALL.len()],
    /// Bytes sent by requests, failed ones too.
    pub(crate) bytes_sent: u64,
    /// Bytes received by them.
    pub(crate) bytes_received: u64,
    /// Latencies of served requests in nanoseconds.
    pub(crate) latency: Histogram<u64>,
    /// When the last request ended.
    pub(super) last: Option<Instant>,
}

/// Failures of one kind.
#[derive(Debug, Default, Clone)]
struct Failed {
    count: u64,
    first: Option<String>,
}

impl Default for Tally {
    fn default() -> Self {
        let longest = u64::try_from(LONGEST.as_nanos()).unwrap_or(u64::MAX);
        #[expect(clippy::expect_used, reason = "these bounds are good ones")]
        let latency = Histogram::new_with_max(longest, DIGITS).expect("bounds of a histogram");
        Self {
            requests: 0,
            failed: Default::default(),
            bytes_sent: 0,
            bytes_received: 0,
            latency,
            last: None,
        }
    }
}

impl Tally {
    /// Counts a request that was due at `due`.
    pub(super) fn count(
        &mut self,
        due: Instant,
        traffic: &Traffic,
        outcome: &Result<Instant, Failure>,
    ) {
        self.bytes_sent += traffic.sent;
        self.bytes_received += traffic.received;
        match outcome {
            Ok(answered) => {
                self.requests += 1;
                let latency = answered.saturating_duration_since(due).as_nanos();
                self.latency
                    .saturating_record(u64::try_from(latency).unwrap_or(u64::MAX));
                self.last = self.last.max(Some(*answered));
            }
            Err(failure) => {
                if let Some(failed) = self.failed.get_mut(failure.kind as usize) {
                    failed.count += 1;
                    failed.first.get_or_insert_with(|| failure.reason.clone());
                }
                self.last = self.last.max(Some(Instant::now()));
            }
        }
    }

    /// Adds what another thread has counted.
    pub(super) fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.bytes_sent += other.bytes_sent;
        self.bytes_received += other.bytes_received;
        self.last = self.last.max(other.last);
        for (mine, others) in self.failed.iter_mut().zip(&other.failed) {
            mine.count += others.count;
            mine.first = mine.first.take().or_else(|| others.first.clone());
        }
        // Both have the same bounds: nothing in it can be too long.
        let _ = self.latency.add(&other.latency);
    }

    /// All failures.
    pub(crate) fn errors(&self) -> u64 {
        self.failed.iter().map(|failed| failed.count).sum()
    }

    /// Failures by their kind, with what was said about the first of each.
    pub(crate) fn failures(&self) -> impl Iterator<Item = (Kind, u64, Option<&str>)> {
        let all = Kind::ALL.into_iter().zip(&self.failed);
        all.map(|(kind, failed)| (kind, failed.count, failed.first.as_deref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_added_up() {
        let now = Instant::now();
        let traffic = Traffic {
            connected: true,
            sent: 1,
            received: 2,
        };
        let (mut all, mut other) = (Tally::default(), Tally::default());
        all.count(now, &traffic, &Ok(now + Duration::from_millis(3)));
        other.count(now, &traffic, &Err(Failure::new(Kind::Reset, "first")));
        other.count(now, &traffic, &Err(Failure::new(Kind::Reset, "second")));
        all.add(&other);
        assert_eq!((all.requests, all.errors()), (1, 2));
        assert_eq!((all.bytes_sent, all.bytes_received), (3, 6));
        assert_eq!(all.latency.len(), 1);
        let told = all.failures().find(|(_, count, _)| *count > 0);
        assert_eq!(told, Some((Kind::Reset, 2, Some("first"))));
    }

    #[test]
    fn the_system_is_quoted_without_numbers() {
        let refused = io::Error::from_raw_os_error(111);
        let failure = Failure::from(refused);
        assert_eq!(failure.kind, Kind::Connect);
        assert_eq!(failure.reason, "connection refused");
    }
}
