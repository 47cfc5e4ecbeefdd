//! A connection used as a socket: `self.request` of a stream.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::rc::Rc;
use std::time::Duration;

use crate::{Address, Server, host};

/// A connection, used as a socket: `self.request` (or `self.connection`) in Python.
///
/// It is what a [`BaseRequestHandler<Connection>`](crate::BaseRequestHandler) works with, and the field
/// [`connection`](crate::StreamRequest::connection) of every [`StreamRequest`](crate::StreamRequest). Beside
/// the methods of a Python socket it has [`Read`] and [`Write`]; none of them buffers anything. A clone is
/// another handle to the same connection. Nobody needs to close it: the server does when the handler is done.
///
/// ```
/// use std::io;
///
/// use guest_sdk::{BaseRequestHandler, Connection};
///
/// #[derive(Default)]
/// struct Echo;
///
/// impl BaseRequestHandler<Connection> for Echo {
///     fn handle(&mut self, request: &mut Connection) -> io::Result<()> {
///         loop {
///             let bytes = request.recv(1024)?;
///             if bytes.is_empty() {
///                 return Ok(());
///             }
///             request.sendall(&bytes)?;
///         }
///     }
/// }
///
/// let served = guest_sdk::testing::stream::<Echo>(["ping", "pong"]);
/// assert_eq!(served.sent, b"pingpong");
/// ```
#[derive(Clone, Debug)]
pub struct Connection(Rc<host::Stream>);

impl Connection {
    pub(crate) fn new(stream: host::Stream) -> Self {
        Self(Rc::new(stream))
    }

    pub(crate) fn stream(&self) -> Rc<host::Stream> {
        Rc::clone(&self.0)
    }

    /// The client: `self.client_address`.
    #[must_use]
    pub fn client_address(&self) -> Address {
        self.0.client_address()
    }

    /// The server that took this connection: `self.server`.
    #[must_use]
    pub fn server(&self) -> Server {
        Server::new(self.0.server())
    }

    /// Waits for bytes and returns at least one and at most `max` of them: `socket.recv`.
    ///
    /// An empty list is the end of the stream: the client has closed or half-closed its side. One call
    /// returns at most 65,536 bytes. What [`rfile`](crate::StreamRequest::rfile) has read ahead is not seen
    /// here, as in Python.
    ///
    /// # Errors
    ///
    /// [`ConnectionReset`](io::ErrorKind::ConnectionReset) if the client reset the connection, and
    /// [`TimedOut`](io::ErrorKind::TimedOut) if nothing came in time; `recv` may then be called again.
    pub fn recv(&self, max: usize) -> io::Result<Vec<u8>> {
        Ok(self.0.recv(max)?)
    }

    /// Waits until some of the bytes are on their way and returns how many: `socket.send`.
    ///
    /// At least one, unless there were none, and at most 65,536.
    ///
    /// # Errors
    ///
    /// [`ConnectionReset`](io::ErrorKind::ConnectionReset) or [`BrokenPipe`](io::ErrorKind::BrokenPipe) if
    /// the client is gone, and [`TimedOut`](io::ErrorKind::TimedOut) if it did not read in time.
    pub fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        Ok(self.0.send(bytes)?)
    }

    /// Sends all of the bytes, waiting as often as that takes: `socket.sendall`.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send). How much was sent before the error is not known, as in Python.
    pub fn sendall(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let sent = self.send(bytes)?;
            bytes = bytes.get(sent..).unwrap_or_default();
        }
        Ok(())
    }

    /// How long one [`recv`](Self::recv) and one [`send`](Self::send) may wait: `socket.settimeout`.
    ///
    /// None, the default unless the operator set another, waits without end.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) for a time-out of zero.
    pub fn set_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        Ok(self.0.set_timeout(timeout)?)
    }

    /// Sends small writes at once instead of waiting to make bigger segments of them: `TCP_NODELAY`.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](io::ErrorKind::Unsupported) on a transport other than tcp.
    pub fn set_nodelay(&self, enabled: bool) -> io::Result<()> {
        Ok(self.0.set_no_delay(enabled)?)
    }

    /// Ends one half of the connection, or both: `socket.shutdown`.
    ///
    /// After [`Shutdown::Write`] what was sent still goes out, then the client sees the end of the stream.
    ///
    /// # Errors
    ///
    /// [`NotConnected`](io::ErrorKind::NotConnected) or [`ConnectionReset`](io::ErrorKind::ConnectionReset)
    /// if the client is gone.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        Ok(self.0.shutdown(how)?)
    }
}

impl Read for Connection {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let bytes = self.recv(into.len())?;
        bytes.as_slice().read(into)
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.send(bytes)
    }

    /// Does nothing: a connection buffers nothing.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
