//! The way to the client, as a file: `self.wfile`.

use std::fmt;
use std::io::{self, Write};
use std::rc::Rc;

use crate::{ErrorCode, host};

/// The way to the client, as a file: `self.wfile`.
///
/// For a stream, each write goes out at once, unless
/// [`WBUFSIZE`](crate::StreamRequestHandler::WBUFSIZE) asks for a buffer; what the buffer holds is sent by
/// [`flush`](Write::flush), and in any case after `finish`. Use `write_all` or [`write!`], as with every
/// [`Write`]: one `write` may take only a part, at most 65,536 bytes. For a datagram, all that was written
/// goes out as one packet after `finish`; nothing goes out if nothing was written or the handler failed.
pub struct WFile {
    buffer: Vec<u8>,
    size: usize,
    sink: Option<Rc<dyn Sink>>,
}

/// Where bytes go to. The trait has this one function, so that no other import is linked with it.
pub(crate) trait Sink {
    fn send(&self, bytes: &[u8]) -> Result<usize, ErrorCode>;
}

impl Sink for host::Stream {
    fn send(&self, bytes: &[u8]) -> Result<usize, ErrorCode> {
        host::Stream::send(self, bytes)
    }
}

impl WFile {
    pub(crate) fn of_stream(sink: Rc<dyn Sink>, size: usize) -> Self {
        Self {
            buffer: Vec::new(),
            size,
            sink: Some(sink),
        }
    }

    pub(crate) fn of_packet() -> Self {
        Self {
            buffer: Vec::new(),
            size: usize::MAX,
            sink: None,
        }
    }

    /// What was written and not yet sent: for a datagram, the reply.
    pub(crate) fn buffer(&self) -> &[u8] {
        &self.buffer
    }
}

impl Write for WFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len().saturating_add(bytes.len()) > self.size {
            self.flush()?;
        }
        match &self.sink {
            Some(sink) if bytes.len() >= self.size => Ok(sink.send(bytes)?),
            _ => {
                self.buffer.extend_from_slice(bytes);
                Ok(bytes.len())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        let Some(sink) = &self.sink else {
            return Ok(());
        };
        while !self.buffer.is_empty() {
            let sent = sink.send(&self.buffer)?;
            self.buffer.drain(..sent.min(self.buffer.len()));
        }
        Ok(())
    }
}

impl fmt::Debug for WFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WFile")
            .field("buffer", &self.buffer)
            .finish_non_exhaustive()
    }
}
