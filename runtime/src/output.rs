//! Standard output and standard error of the whole process: one writer for each, which never holds up a
//! request. What it cannot write in time is counted.

use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lines {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// The two writers. All servers of a process share them; whatever was printed has been written when the
/// last one is gone.
///
/// ```
/// let output = runtime::Output::shared();
/// assert_eq!(output.lost_lines(), 0);
/// ```
#[derive(Debug)]
pub struct Output {
    out: Writer,
    err: Writer,
}

#[derive(Debug)]
struct Writer {
    queue: NonBlocking,
    lost: ErrorCounter,
    /// Writes what is queued when it is dropped.
    _guard: WorkerGuard,
}

/// Lines that wait for a slow reader of our output, before more are given up. Each is a few kilobytes at
/// most.
const QUEUE: usize = 10_000;

static SHARED: Mutex<Weak<Output>> = Mutex::new(Weak::new());

impl Output {
    /// The writers of this process, made when nobody has them yet.
    #[must_use]
    pub fn shared() -> Arc<Self> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let output = Arc::new(Self {
                out: Writer::new(std::io::stdout()),
                err: Writer::new(std::io::stderr()),
            });
            *shared = Arc::downgrade(&output);
            output
        })
    }

    /// Hands whole lines to the writer.
    pub(crate) fn print(&self, lines: Lines, text: &[u8]) {
        let writer = match lines {
            Lines::Out => &self.out,
            Lines::Err => &self.err,
        };
        // It takes the whole text or counts it as lost; it cannot fail.
        drop(writer.queue.clone().write(text));
    }

    /// What the log writes to: the same queue, so that lines do not mix.
    #[must_use]
    pub fn log_writer(&self) -> NonBlocking {
        self.err.queue.clone()
    }

    /// Lines that could not be written in time, and are gone.
    #[must_use]
    pub fn lost_lines(&self) -> usize {
        self.out.lost.dropped_lines() + self.err.lost.dropped_lines()
    }
}

impl Writer {
    fn new(target: impl std::io::Write + Send + 'static) -> Self {
        let (queue, guard) = NonBlockingBuilder::default()
            .lossy(true)
            .buffered_lines_limit(QUEUE)
            .finish(target);
        Self {
            lost: queue.error_counter(),
            queue,
            _guard: guard,
        }
    }
}
