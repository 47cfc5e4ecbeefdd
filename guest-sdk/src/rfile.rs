//! The bytes that a client sends, as a file: `self.rfile`.

use std::fmt;
use std::io::{self, BufRead, Read};
use std::rc::Rc;

use crate::{ErrorCode, host};

/// The bytes that a client sends, as a buffered file: `self.rfile`.
///
/// For a stream it reads ahead by [`RBUFSIZE`](crate::StreamRequestHandler::RBUFSIZE); for a datagram it is
/// the packet. It is a [`BufRead`], and has Python's `readline` beside. The end of the client's stream is the
/// end of the file. After a read that timed out it can no longer be used, as in Python: half a line may be
/// lost, so every further read fails.
pub struct RFile {
    ahead: Vec<u8>,
    taken: usize,
    size: usize,
    source: Option<Rc<dyn Source>>,
    timed_out: bool,
}

/// Where more bytes come from. The trait has this one function, so that no other import is linked with it.
pub(crate) trait Source {
    fn recv(&self, max: usize) -> Result<Vec<u8>, ErrorCode>;
}

impl Source for host::Stream {
    fn recv(&self, max: usize) -> Result<Vec<u8>, ErrorCode> {
        host::Stream::recv(self, max)
    }
}

impl RFile {
    pub(crate) fn of_stream(source: Rc<dyn Source>, size: usize) -> Self {
        Self {
            ahead: Vec::new(),
            taken: 0,
            size,
            source: Some(source),
            timed_out: false,
        }
    }

    pub(crate) fn of_packet(packet: Vec<u8>) -> Self {
        Self {
            ahead: packet,
            taken: 0,
            size: 0,
            source: None,
            timed_out: false,
        }
    }

    /// Reads one line, its `\n` included, but at most `limit` bytes: `self.rfile.readline(limit)`.
    ///
    /// What is returned lacks the `\n` if the line is longer than that, or if the stream ended within it. It
    /// is empty at the end of the stream. There is no form without a limit: a client that never sends a `\n`
    /// would fill the handler's memory.
    ///
    /// # Errors
    ///
    /// Those of reading: [`ConnectionReset`](io::ErrorKind::ConnectionReset),
    /// [`TimedOut`](io::ErrorKind::TimedOut), and after that always [`Other`](io::ErrorKind::Other).
    pub fn readline(&mut self, limit: usize) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        self.take(limit as u64).read_until(b'\n', &mut line)?;
        Ok(line)
    }

    /// All that the file's buffer holds, whether it was read or not: for a datagram, the packet.
    pub(crate) fn buffer(&self) -> &[u8] {
        &self.ahead
    }

    /// What was received and not yet read; if that is nothing, what one `recv` of at least `want` bytes gives.
    fn fill(&mut self, want: usize) -> io::Result<&[u8]> {
        if self.taken >= self.ahead.len() {
            self.receive(self.size.max(want))?;
        }
        Ok(self.ahead.get(self.taken..).unwrap_or_default())
    }

    fn receive(&mut self, max: usize) -> io::Result<()> {
        let Some(source) = &self.source else {
            return Ok(());
        };
        if self.timed_out {
            return Err(io::Error::other("cannot read from timed out object"));
        }
        self.ahead = Vec::new(); // freed before the next piece is allocated
        self.taken = 0;
        let received = source.recv(max);
        self.timed_out = matches!(received, Err(ErrorCode::TimedOut));
        self.ahead = received?;
        Ok(())
    }
}

impl Read for RFile {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        let count = self.fill(into.len())?.read(into)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for RFile {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.fill(1)
    }

    fn consume(&mut self, count: usize) {
        self.taken = self.taken.saturating_add(count).min(self.ahead.len());
    }
}

impl fmt::Debug for RFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RFile")
            .field("ahead", &self.ahead.get(self.taken..))
            .finish_non_exhaustive()
    }
}
