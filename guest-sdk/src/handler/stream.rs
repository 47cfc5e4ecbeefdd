//! A handler of streams: `StreamRequestHandler`, and the request that it works with.

use std::io::{self, Write};
use std::time::Duration;

use super::base::{self, BaseRequestHandler};
use crate::{Address, Connection, RFile, Server, WFile};

/// The size of a buffer where nothing else was asked for, in bytes: Python's `io.DEFAULT_BUFFER_SIZE`.
pub const DEFAULT_BUFFER_SIZE: usize = 8192;

/// A handler that reads and writes a connection as files: `socketserver.StreamRequestHandler`.
///
/// The order of the three methods, and what their errors do, is that of
/// [`BaseRequestHandler`](crate::BaseRequestHandler).
///
/// ```
/// use std::io::{self, Write};
/// use std::time::Duration;
///
/// use guest_sdk::{StreamRequest, StreamRequestHandler, testing};
///
/// #[derive(Default)]
/// struct Greeter;
///
/// impl StreamRequestHandler for Greeter {
///     const TIMEOUT: Option<Duration> = Some(Duration::from_secs(30));
///
///     fn handle(&mut self, request: &mut StreamRequest) -> io::Result<()> {
///         let name = request.rfile.readline(80)?;
///         request.wfile.write_all(b"Hello, ")?;
///         request.wfile.write_all(&name)
///     }
/// }
///
/// let served = testing::stream::<Greeter>(["Ada\n"]);
/// assert_eq!(served.sent, b"Hello, Ada\n");
/// ```
pub trait StreamRequestHandler: Default {
    /// How long one read or one write may wait: the class attribute `timeout`. None waits without end, or as
    /// long as the operator said. It may not be zero. None by default, as in Python.
    const TIMEOUT: Option<Duration> = None;

    /// How many bytes [`rfile`](StreamRequest::rfile) asks for at once: the class attribute `rbufsize`.
    ///
    /// [`DEFAULT_BUFFER_SIZE`] by default, which is what Python's -1 means. No more memory is used than bytes
    /// have come. 0 reads nothing ahead, so that [`Connection::recv`] sees all that follows; a `readline` then
    /// asks for one byte at a time.
    const RBUFSIZE: usize = DEFAULT_BUFFER_SIZE;

    /// How many bytes [`wfile`](StreamRequest::wfile) holds back: the class attribute `wbufsize`.
    ///
    /// 0 by default, as in Python: each write goes out at once, so that a client which waits for an answer
    /// never waits for a `flush`. A handler that writes in many small pieces, as [`write!`] does, wants
    /// [`DEFAULT_BUFFER_SIZE`].
    const WBUFSIZE: usize = 0;

    /// Sends small writes at once (`TCP_NODELAY`): the class attribute `disable_nagle_algorithm`.
    ///
    /// False by default, as in Python. A transport that knows no such thing ignores it.
    const DISABLE_NAGLE_ALGORITHM: bool = false;

    /// Called before [`handle`](Self::handle); does nothing unless it is overridden.
    ///
    /// # Errors
    ///
    /// An error ends the request: neither `handle` nor `finish` runs.
    fn setup(&mut self, request: &mut StreamRequest) -> io::Result<()> {
        let _ = request;
        Ok(())
    }

    /// Serves the connection. When it returns, what was written is sent and the connection ended.
    ///
    /// # Errors
    ///
    /// An error ends this request only, after `finish`. Its text is what the server logs.
    fn handle(&mut self, request: &mut StreamRequest) -> io::Result<()>;

    /// Called after [`handle`](Self::handle), also after a failed one; does nothing unless it is overridden.
    /// What [`wfile`](StreamRequest::wfile) still holds is sent after it.
    ///
    /// # Errors
    ///
    /// An error is logged as one of `handle` is, unless `handle` failed already.
    fn finish(&mut self, request: &mut StreamRequest) -> io::Result<()> {
        let _ = request;
        Ok(())
    }
}

/// A connection and the two files over it: what `self` has in a Python `StreamRequestHandler`.
#[derive(Debug)]
pub struct StreamRequest {
    /// The bytes that the client sends.
    pub rfile: RFile,
    /// The way to the client.
    pub wfile: WFile,
    /// The same connection as a socket: `self.connection`, `self.request`.
    pub connection: Connection,
}

impl StreamRequest {
    /// The client: `self.client_address`.
    #[must_use]
    pub fn client_address(&self) -> Address {
        self.connection.client_address()
    }

    /// The server that took this connection: `self.server`.
    #[must_use]
    pub fn server(&self) -> Server {
        self.connection.server()
    }

    /// What Python's `StreamRequestHandler.setup` does.
    fn open<H: StreamRequestHandler>(connection: &Connection) -> io::Result<Self> {
        if H::TIMEOUT.is_some() {
            connection.set_timeout(H::TIMEOUT)?;
        }
        if H::DISABLE_NAGLE_ALGORITHM {
            connection.set_nodelay(true).or_else(ignore_unsupported)?;
        }
        Ok(Self {
            rfile: RFile::of_stream(connection.stream(), H::RBUFSIZE),
            wfile: WFile::of_stream(connection.stream(), H::WBUFSIZE),
            connection: connection.clone(),
        })
    }
}

fn ignore_unsupported(error: io::Error) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::Unsupported => Ok(()),
        _ => Err(error),
    }
}

impl<H: StreamRequestHandler> BaseRequestHandler<Connection> for H {
    fn handle(&mut self, connection: &mut Connection) -> io::Result<()> {
        let mut request = StreamRequest::open::<H>(connection)?;
        base::run(
            self,
            &mut request,
            H::setup,
            H::handle,
            |handler, request| {
                let finished = StreamRequestHandler::finish(handler, request);
                finished.and(request.wfile.flush())
            },
        )
    }
}
