//! What a guest prints: whole lines, capped, harmless to a terminal.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use crate::output::{Lines, Output};
use crate::text::harmless;

/// One of a guest's standard streams. Clones are the same stream.
#[derive(Clone)]
pub(super) struct Printer {
    state: Arc<Mutex<State>>,
    output: Arc<Output>,
    lines: Lines,
}

#[derive(Default)]
struct State {
    /// The line that is not whole yet.
    line: Vec<u8>,
    /// Bytes of whole lines so far.
    printed: usize,
    /// The first bytes of all that was printed: a panic's text, if there was one.
    first: Vec<u8>,
}

impl Printer {
    /// Bytes after which a line is ended, whether the guest did or not.
    const LONGEST_LINE: usize = 4096;
    /// What a line costs at least: an empty one is work, too.
    const LEAST: usize = 64;
    /// The most bytes of one request, each of stdout and stderr. What is more is not printed.
    const MOST: usize = 64 * 1024;
    /// How much of the beginning is kept for the log.
    const KEPT: usize = 1024;
    /// What one call may write.
    const PERMIT: usize = 4096;

    pub(super) fn new(output: Arc<Output>, lines: Lines) -> Self {
        Self {
            state: Arc::default(),
            output,
            lines,
        }
    }

    fn print(&self, bytes: &[u8]) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let room = Self::KEPT.saturating_sub(state.first.len());
        state
            .first
            .extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            state.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") || state.line.len() >= Self::LONGEST_LINE {
                self.end_line(&mut state);
            }
        }
    }

    /// Prints what is left of a line that the guest did not end, and returns the beginning of all that it
    /// printed.
    pub(super) fn finish(&self) -> String {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.line.is_empty() {
            self.end_line(&mut state);
        }
        String::from_utf8_lossy(&state.first).into_owned()
    }

    fn end_line(&self, state: &mut State) {
        let line = std::mem::take(&mut state.line);
        if state.printed > Self::MOST {
            return;
        }
        state.printed += line.len().max(Self::LEAST);
        let text = if state.printed > Self::MOST {
            "(the handler printed too much: the rest is left out)".to_owned()
        } else {
            harmless(line.strip_suffix(b"\n").unwrap_or(&line))
        };
        self.output.print(self.lines, text + "\n");
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
        Ok(())
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
