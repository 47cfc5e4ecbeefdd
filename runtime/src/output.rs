//! Standard output and standard error of the whole process: a thread for each writes what is queued, so that
//! no request is ever held up by whoever reads it. What does not fit into the queue is counted, and gone.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::text::harmless;

/// Where a handler's lines go.
pub(crate) trait Print: Send + Sync {
    /// Takes whole lines, without waiting for whoever reads them.
    fn print(&self, lines: Lines, text: String);
}

/// What stands in front of each line that a handler says on standard error, where the log goes, too: so it can forge none
/// of the log's.
pub(crate) fn mark(handler_name: &str, request_id: u64) -> String {
    format!("{}[{request_id}]: ", harmless(handler_name.as_bytes()))
}

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Lines {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// The two writers. All servers of a process share them; whatever was printed has been written when the
/// last one is gone, if somebody reads it.
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

/// Bytes of handlers' lines that wait for a slow reader, for each stream, before more are given up.
const QUEUE: usize = 4 << 20;

/// Bytes beside them that only the log may use, so that no handler can drown out what is said about it.
const RESERVE: usize = 1 << 20;

/// How long a process that ends waits for a reader of its last lines.
const PATIENCE: Duration = Duration::from_secs(1);

static SHARED: Mutex<Weak<Output>> = Mutex::new(Weak::new());

impl Output {
    /// The writers of this process, made when nobody has them yet.
    #[must_use]
    pub fn shared() -> Arc<Self> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let output = Arc::new(Self {
                out: Writer::new(io::stdout().as_fd()),
                err: Writer::new(io::stderr().as_fd()),
            });
            *shared = Arc::downgrade(&output);
            output
        })
    }

    /// What the log writes to: the same queue as handlers' standard error, so that lines do not mix.
    #[must_use]
    pub fn log_writer(self: &Arc<Self>) -> LogWriter {
        LogWriter(Arc::clone(self))
    }

    /// Waits until what is queued has been written, for a second at most.
    pub fn flush(&self) {
        self.out.flush();
        self.err.flush();
    }

    /// Lines that did not fit into a queue, and are gone.
    #[must_use]
    pub fn lost_lines(&self) -> usize {
        self.out.lost.load(Relaxed) + self.err.lost.load(Relaxed)
    }
}

impl Print for Output {
    fn print(&self, lines: Lines, text: String) {
        match lines {
            Lines::Out => self.out.queue(text.into_bytes(), QUEUE),
            Lines::Err => self.err.queue(text.into_bytes(), QUEUE),
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.flush();
    }
}

/// Writes whole lines of the log to standard error, without waiting. Made by [`Output::log_writer`].
///
/// ```
/// use std::io::Write;
/// let output = runtime::Output::shared();
/// writeln!(output.log_writer(), "a line")?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct LogWriter(Arc<Output>);

impl Write for LogWriter {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        self.0.err.queue(lines.to_vec(), QUEUE + RESERVE);
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One stream's queue, and the count of what waits in it.
#[derive(Debug)]
struct Writer {
    sender: Sender<Message>,
    waiting: Arc<AtomicUsize>,
    lost: AtomicUsize,
}

enum Message {
    Lines(Vec<u8>),
    /// Answered when all that came before has been written.
    Flush(Sender<()>),
}

impl Writer {
    /// Writes to a duplicate of `target`: a reader that stands still must not hold a lock of std's.
    fn new(target: BorrowedFd<'_>) -> Self {
        let (sender, receiver) = channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&waiting);
        // Without a stream or a thread, all lines are lost, and counted.
        if let Ok(target) = target.try_clone_to_owned() {
            let write = move || write_all(&mut File::from(target), &receiver, &counter);
            drop(
                std::thread::Builder::new()
                    .name("output".to_owned())
                    .spawn(write),
            );
        }
        Self {
            sender,
            waiting,
            lost: AtomicUsize::new(0),
        }
    }

    fn queue(&self, lines: Vec<u8>, most: usize) {
        let length = lines.len();
        let waiting = self.waiting.fetch_add(length, Relaxed);
        if waiting + length > most || self.sender.send(Message::Lines(lines)).is_err() {
            self.waiting.fetch_sub(length, Relaxed);
            self.lost.fetch_add(1, Relaxed);
        }
    }

    fn flush(&self) {
        let (written, wait) = channel();
        if self.sender.send(Message::Flush(written)).is_ok() {
            // Either it has been written, or nobody reads.
            let _ = wait.recv_timeout(PATIENCE);
        }
    }
}

/// The writing thread: ends when the queue does. What cannot be written is nobody's to hear.
fn write_all(target: &mut File, queue: &Receiver<Message>, waiting: &AtomicUsize) {
    for message in queue {
        match message {
            Message::Lines(lines) => {
                drop(target.write_all(&lines));
                waiting.fetch_sub(lines.len(), Relaxed);
            }
            Message::Flush(written) => drop(written.send(())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    #[test]
    fn a_reader_that_stands_still_holds_nobody_up_and_losses_are_counted() {
        let (mut reader, target) = io::pipe().expect("a pipe");
        let writer = Writer::new(target.as_fd());
        drop(target);
        for _ in 0..20 {
            writer.queue(vec![b'x'; QUEUE / 10], QUEUE);
        }
        let lost = writer.lost.load(Relaxed);
        assert!((9..=10).contains(&lost), "{lost} lost");

        drop(writer);
        let mut written = Vec::new();
        reader.read_to_end(&mut written).expect("what was queued");
        assert_eq!(
            written.len(),
            (20 - lost) * (QUEUE / 10),
            "the rest arrives whole"
        );
    }
}
