//! The last station: a request's report becomes a line in the log, a count, and the hooks' to see.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use crate::config::AccessLog;
use crate::hooks::HookCaller;
use crate::outcome::{Outcome, Report};

/// What a server has counted since it was bound.
///
/// ```
/// # fn show(server: &runtime::Server) {
/// let counters = server.counters();
/// println!("{} requests, {} refused", counters.requests, counters.refused);
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Requests that have ended, refused ones included.
    pub requests: u64,
    /// Those that ended well.
    pub ok: u64,
    /// Those that were refused.
    pub refused: u64,
    /// Datagrams that were longer than `max_packet_size`.
    pub truncated: u64,
    by_outcome: [u64; Outcome::WORDS.len()],
}

impl Counters {
    /// The words of all outcomes, and how many requests ended so: [`Outcome::as_str`].
    pub fn outcomes(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Outcome::WORDS.into_iter().zip(self.by_outcome)
    }
}

/// One line: `3 requests: 2 ok, 1 cpu`.
impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} requests", self.requests)?;
        let mut separator = ": ";
        for (outcome, count) in self.outcomes().filter(|(_, count)| *count > 0) {
            write!(f, "{separator}{count} {outcome}")?;
            separator = ", ";
        }
        if self.truncated > 0 {
            write!(f, "; {} datagrams were cut short", self.truncated)?;
        }
        Ok(())
    }
}

/// What reads a server's counters, also when the server has been closed.
///
/// ```
/// # async fn close(server: runtime::Server) {
/// let counters = server.counter_handle();
/// server.server_close().await;
/// println!("served {}", counters.counters());
/// # }
/// ```
#[derive(Clone, Default)]
pub struct CounterHandle(Arc<Counts>);

#[derive(Default)]
struct Counts {
    /// A place for each of `Outcome::WORDS`.
    ended: [AtomicU64; Outcome::WORDS.len()],
    /// Requests that ended well: `ok`, and `exit` that said so.
    ok: AtomicU64,
    refused: AtomicU64,
    truncated: AtomicU64,
}

impl CounterHandle {
    /// What was counted since the server was bound.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let counts = &self.0;
        let by_outcome = counts.ended.each_ref().map(|count| count.load(Relaxed));
        Counters {
            requests: by_outcome.iter().sum(),
            ok: counts.ok.load(Relaxed),
            refused: counts.refused.load(Relaxed),
            truncated: counts.truncated.load(Relaxed),
            by_outcome,
        }
    }

    fn count(&self, outcome: &Outcome) {
        let counts = &self.0;
        // The first word is that of nearly all.
        let place = Outcome::WORDS
            .iter()
            .position(|word| *word == outcome.as_str());
        if let Some(count) = place.and_then(|place| counts.ended.get(place)) {
            count.fetch_add(1, Relaxed);
        }
        if outcome.fault().is_none() {
            counts.ok.fetch_add(1, Relaxed);
        }
        if matches!(outcome, Outcome::Refused(_)) {
            counts.refused.fetch_add(1, Relaxed);
        }
    }
}

/// Where reports go.
pub(crate) struct Access {
    log: AccessLog,
    hooks: HookCaller,
    counts: CounterHandle,
    refusals: Mutex<Refusals>,
    /// There are refusals that no line has told yet.
    untold: Notify,
}

/// Refusals since the last line about them: a flood of requests must not become a flood of lines.
#[derive(Default)]
struct Refusals {
    last_line: Option<Instant>,
    since: u64,
}

impl Access {
    pub(crate) fn new(log: AccessLog, hooks: HookCaller) -> Self {
        Self {
            log,
            hooks,
            counts: CounterHandle::default(),
            refusals: Mutex::default(),
            untold: Notify::new(),
        }
    }

    pub(crate) fn set_hooks(&mut self, hooks: HookCaller) {
        self.hooks = hooks;
    }

    pub(crate) fn counter_handle(&self) -> CounterHandle {
        self.counts.clone()
    }

    pub(crate) fn count_truncated(&self) {
        self.counts.0.truncated.fetch_add(1, Relaxed);
    }

    /// The end of a request.
    pub(crate) fn record(&self, report: &Report) {
        self.counts.count(&report.outcome);
        match &report.outcome {
            Outcome::Refused(_) => self.log_refusal(report),
            _ => self.log(report),
        }
        if report.outcome.is_handler_error() {
            self.hooks.handle_error(report);
        }
        self.hooks.shutdown_request(report);
    }

    fn log(&self, report: &Report) {
        let ended_well = report.fault().is_none();
        match self.log {
            AccessLog::None => {}
            AccessLog::Failed if ended_well => {}
            AccessLog::Failed | AccessLog::All if ended_well => line(report, None),
            AccessLog::Failed | AccessLog::All => warning(report, None),
        }
    }

    fn log_refusal(&self, report: &Report) {
        if self.log == AccessLog::None {
            return;
        }
        let mut refusals = self.lock_refusals();
        refusals.since += 1;
        if refusals.wait().is_zero() {
            refusals.last_line = Some(Instant::now());
            warning(report, Some(std::mem::take(&mut refusals.since)));
        } else {
            self.untold.notify_one();
        }
    }

    /// Says, as often as it may, what refusals no line has told yet. It never ends.
    pub(crate) async fn tell_refusals(&self) {
        loop {
            self.untold.notified().await;
            let wait = self.lock_refusals().wait();
            sleep(wait).await;
            self.flush();
        }
    }

    /// Says what refusals no line has told yet.
    pub(crate) fn flush(&self) {
        let mut refusals = self.lock_refusals();
        if refusals.since > 0 {
            refusals.last_line = Some(Instant::now());
            tracing::warn!(target: "access", refused = std::mem::take(&mut refusals.since), "requests refused since the last line");
        }
    }

    fn lock_refusals(&self) -> MutexGuard<'_, Refusals> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Refusals {
    /// The shortest time between two lines about refusals.
    const PAUSE: Duration = Duration::from_secs(1);

    /// How long until the next line may be written.
    fn wait(&self) -> Duration {
        self.last_line.map_or(Duration::ZERO, |last| {
            Self::PAUSE.saturating_sub(last.elapsed())
        })
    }
}

/// One line for a request: the same fields for all, empty ones left out.
macro_rules! access_line {
    ($level:expr, $report:expr, $refused:expr) => {
        tracing::event!(
            target: "access",
            $level,
            transport = %$report.transport,
            client = %$report.client_address,
            outcome = $report.outcome.as_str(),
            fault = $report.fault().map(tracing::field::display),
            duration_ms = ($report.duration.as_secs_f64() * 1e6).round() / 1e3,
            bytes_in = $report.bytes_in,
            bytes_out = $report.bytes_out,
            peak_memory = $report.peak_memory,
            id = $report.id,
            pid = $report.pid,
            refused = $refused,
            detail = (!$report.outcome.detail().is_empty()).then(|| $report.outcome.detail()),
        )
    };
}

fn line(report: &Report, refused: Option<u64>) {
    access_line!(tracing::Level::INFO, report, refused);
}

fn warning(report: &Report, refused: Option<u64>) {
    access_line!(tracing::Level::WARN, report, refused);
}
