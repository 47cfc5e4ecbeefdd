//! A load generator: clients that ask a server, check every reply and measure how long it took.
//!
//! A [`Plan`] says what is asked of whom, how often and for how long; [`run`] carries it out. Clients are spread
//! over a few threads, each with a runtime of its own, and share nothing with those of other threads but the
//! plan and, where requests are numbered, one counter. Those of one thread share a [`Desk`].
//!
//! `target` is whom to ask, `pace` when, `stream` (over a `connection`) and `datagram` how; `reply` checks what came;
//! `tally` counts; `client` is the loop around all of it, and `thread` runs clients.

mod alarm;
mod client;
mod connection;
mod datagram;
mod error;
mod pace;
mod progress;
mod reply;
mod stream;
mod tally;
mod target;
mod thread;

use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

pub(crate) use error::BenchError;
pub(crate) use pace::{Length, Timing};
pub(crate) use progress::{PROGRESS, Progress};
pub(crate) use reply::Expected;
pub(crate) use tally::Tally;
pub(crate) use target::Target;

use pace::Pace;
use thread::Desk;

/// What is asked of whom, how often and for how long.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Whom to ask.
    pub(crate) target: Target,
    /// Clients at once.
    pub(crate) connections: usize,
    /// Threads that they are spread over.
    pub(crate) threads: usize,
    /// What each request sends.
    pub(crate) payload: Bytes,
    /// What must come back.
    pub(crate) expected: Expected,
    /// Requests on one connection of a stream; none: as many as the server takes.
    pub(crate) per_connection: Option<NonZeroU64>,
    /// True if a client ends its side of a stream after the payload.
    pub(crate) half_close: bool,
    /// The longest that one request may take, from its connection to its reply.
    pub(crate) timeout: Duration,
    /// When requests are made.
    pub(crate) timing: Timing,
}

impl Plan {
    /// True if a connection of a stream is for one request, so that its end is the reply's.
    fn is_one_each(&self) -> bool {
        self.per_connection.is_some_and(|most| most.get() == 1)
    }
}

/// A plan under way: what all threads share.
#[derive(Debug)]
struct Run {
    plan: Plan,
    pace: Pace,
    /// True once any client has reached the server: until then, an address that nobody answers ends the run.
    reached: AtomicBool,
    progress: Progress,
}

impl Run {
    /// Notes that a client has reached the server. Read first: what nobody writes, all threads can keep.
    fn is_reached(&self) {
        if !self.was_reached() {
            self.reached.store(true, Ordering::Relaxed);
        }
    }

    fn was_reached(&self) -> bool {
        self.reached.load(Ordering::Relaxed)
    }
}

/// What a run has found, and in how much time.
#[derive(Debug)]
pub(crate) struct Measured {
    /// Of all threads together.
    pub(crate) tally: Tally,
    /// The time in which the counted requests began.
    pub(crate) time: Duration,
}

/// Carries out `plan` until it is done, or `stop` is.
///
/// # Errors
///
/// [`BenchError`] if it cannot be begun: the server was never reached, or the machine has not enough of something.
pub(crate) async fn run(
    plan: Plan,
    progress: Progress,
    stop: impl Future<Output = ()>,
) -> Result<Measured, BenchError> {
    raise_descriptor_limit(&plan)?;
    let (ended, end) = watch::channel(false);
    let pace = Pace::starting(&plan.timing, Instant::now());
    let run = Arc::new(Run {
        plan,
        pace,
        reached: AtomicBool::new(false),
        progress,
    });
    let mut threads = JoinSet::new();
    for clients in shares(run.plan.connections, run.plan.threads) {
        let (run, end) = (Arc::clone(&run), end.clone());
        threads.spawn_blocking(move || thread::generate(&run, clients, end));
    }
    let mut stop = std::pin::pin!(stop);
    let mut stopped = None;
    let mut tally = Tally::default();
    let mut failed = None;
    loop {
        tokio::select! {
            thread = threads.join_next() => match thread.map(joined) {
                None => break,
                Some(Ok(part)) => tally.add(&part),
                Some(Err(error)) => {
                    failed.get_or_insert(error);
                    ended.send_replace(true);
                }
            },
            () = &mut stop, if stopped.is_none() => {
                stopped = Some(Instant::now());
                ended.send_replace(true);
            }
        }
    }
    let time = run.pace.measured(tally.last, stopped);
    failed.map_or(Ok(Measured { tally, time }), Err)
}

/// What a thread has come to, if it has not panicked.
fn joined(thread: Result<Result<Tally, BenchError>, JoinError>) -> Result<Tally, BenchError> {
    thread.map_err(|error| BenchError::Thread(error.into()))?
}

/// `clients` over `threads`, as evenly as they go; no thread is without one.
fn shares(clients: usize, threads: usize) -> impl Iterator<Item = usize> {
    let threads = threads.clamp(1, clients.max(1));
    (0..threads).map(move |thread| clients / threads + usize::from(thread < clients % threads))
}

/// Sees to it that every client can have its socket, and its timer under a rate.
fn raise_descriptor_limit(plan: &Plan) -> Result<(), BenchError> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    /// For standard streams, the runtimes, and a file or two.
    const OTHERS: u64 = 64;
    let each = 1 + u64::from(plan.timing.rate.is_some());
    let wanted = (plan.connections as u64).saturating_mul(each) + OTHERS;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    if maximum.is_some_and(|maximum| maximum < wanted) {
        return Err(BenchError::Descriptors {
            wanted,
            maximum: maximum.unwrap_or_default(),
        });
    }
    let raised = Rlimit {
        current: Some(wanted),
        maximum,
    };
    setrlimit(Resource::Nofile, raised).map_err(|error| BenchError::Thread(error.into()))
}

#[cfg(test)]
mod tests {
    use super::shares;

    #[test]
    fn clients_are_spread_evenly() {
        assert_eq!(shares(7, 3).collect::<Vec<_>>(), [3, 2, 2]);
        assert_eq!(shares(2, 8).collect::<Vec<_>>(), [1, 1]);
    }
}
