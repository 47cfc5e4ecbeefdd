//! What a guest prints: whole lines, limited, harmless to a terminal.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use crate::config::Limits;
use crate::meter::CpuMeter;
use crate::output::{Lines, Print, mark};
use crate::text::harmless;

/// One of a guest's standard streams. Clones are the same stream.
#[derive(Clone)]
pub(super) struct Printer {
    line: Arc<Mutex<Line>>,
    quota: Arc<Quota>,
    output: Arc<dyn Print>,
    lines: Lines,
    /// What stands in front of each line.
    mark: Arc<str>,
}

#[derive(Default)]
struct Line {
    /// The line that is not whole yet.
    line: Vec<u8>,
    /// The first bytes of all that was printed: a panic's text, if there was one.
    first: Vec<u8>,
}

/// What a guest may print on both of its streams together. It starts again when the guest's CPU time does: a
/// conversation in which a handler says a line for each of its client's is no offence.
pub(super) struct Quota {
    bytes: u64,
    lines: u64,
    meter: Arc<CpuMeter>,
    printed: Mutex<Printed>,
}

#[derive(Default)]
struct Printed {
    /// How often the meter had started again when this was counted.
    restarts: u64,
    bytes: u64,
    lines: u64,
    exceeded: Option<&'static str>,
}

impl Quota {
    /// What a line costs at least: an empty one is work, too.
    const LEAST: usize = 64;

    pub(super) fn new(limits: &Limits, meter: Arc<CpuMeter>) -> Self {
        Self {
            bytes: limits.max_output.unwrap_or(u64::MAX),
            lines: limits.max_output_lines.map_or(u64::MAX, u64::from),
            meter,
            printed: Mutex::default(),
        }
    }

    /// The limit that the guest met, if it printed too much.
    pub(super) fn exceeded(&self) -> Option<&'static str> {
        self.lock().exceeded
    }

    /// Counts a line; false if it is one too many.
    fn take(&self, length: usize) -> bool {
        let mut printed = self.lock();
        if printed.exceeded.is_some() {
            return false;
        }
        let restarts = self.meter.restarts();
        if printed.restarts != restarts {
            *printed = Printed {
                restarts,
                ..Printed::default()
            };
        }
        printed.lines += 1;
        printed.bytes += length.max(Self::LEAST) as u64;
        if printed.lines > self.lines {
            printed.exceeded = Some("max-output-lines");
        } else if printed.bytes > self.bytes {
            printed.exceeded = Some("max-output");
        }
        printed.exceeded.is_none()
    }

    fn lock(&self) -> MutexGuard<'_, Printed> {
        self.printed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Printer {
    /// Bytes after which a line is ended, whether the guest did or not.
    const LONGEST_LINE: usize = 4096;
    /// How much of the beginning is kept for the log.
    const KEPT: usize = 1024;
    /// What one call may write.
    const PERMIT: usize = 4096;

    /// Standard output, as the handler prints it.
    pub(super) fn out(output: &Arc<dyn Print>, quota: &Arc<Quota>) -> Self {
        Self::new(output, Lines::Out, "", quota)
    }

    /// Standard error, each of whose lines says whose it is.
    pub(super) fn err(
        output: &Arc<dyn Print>,
        name: &str,
        request_id: u64,
        quota: &Arc<Quota>,
    ) -> Self {
        Self::new(output, Lines::Err, &mark(name, request_id), quota)
    }

    fn new(output: &Arc<dyn Print>, lines: Lines, mark: &str, quota: &Arc<Quota>) -> Self {
        Self {
            line: Arc::default(),
            quota: Arc::clone(quota),
            output: Arc::clone(output),
            lines,
            mark: mark.into(),
        }
    }

    fn print(&self, bytes: &[u8]) {
        let mut line = self.lock();
        let room = Self::KEPT.saturating_sub(line.first.len());
        line.first
            .extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            line.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") || line.line.len() >= Self::LONGEST_LINE {
                self.end_line(&mut line);
            }
        }
    }

    /// Prints what is left of a line that the guest did not end, and returns the beginning of all that it
    /// printed.
    pub(super) fn finish(&self) -> String {
        let mut line = self.lock();
        if !line.line.is_empty() {
            self.end_line(&mut line);
        }
        String::from_utf8_lossy(&line.first).into_owned()
    }

    fn end_line(&self, line: &mut Line) {
        let whole = std::mem::take(&mut line.line);
        if self.quota.take(whole.len()) {
            let text = harmless(whole.strip_suffix(b"\n").unwrap_or(&whole));
            self.output
                .print(self.lines, format!("{}{text}\n", self.mark));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl IsTerminal for Printer {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Printer {
    /// Not used: `wasi:cli` asks for the other one.
    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[wasmtime_wasi::async_trait]
impl OutputStream for Printer {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if bytes.len() > Self::PERMIT {
            return Err(StreamError::trap("wrote more than check-write permitted"));
        }
        self.print(&bytes);
        match self.quota.exceeded() {
            None => Ok(()),
            Some(_) => Err(StreamError::trap("printed too much")),
        }
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(Self::PERMIT)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Printer {
    async fn ready(&mut self) {}
}
