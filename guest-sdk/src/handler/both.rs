//! A handler written once for streams and datagrams: `RequestHandler`, and the request that it works with.

use std::io;
use std::time::Duration;

use crate::{
    Address, Connection, DEFAULT_BUFFER_SIZE, Datagram, DatagramRequest, DatagramRequestHandler,
    ErrorCode, RFile, Server, StreamRequest, StreamRequestHandler, WFile,
};

/// A handler that serves streams and datagrams alike, by `rfile` and `wfile`.
///
/// Python reaches the same by two classes over one mix-in, as its `StreamRequestHandler` and
/// `DatagramRequestHandler` have the same two files. For a datagram [`rfile`](Request::rfile) is the packet,
/// and what was written to [`wfile`](Request::wfile) goes out as one packet when the handler is done: nothing
/// if nothing was written or the handler failed. [`Request::send_packet`] sends an empty one on purpose.
///
/// Such a type is a [`StreamRequestHandler`] and a [`DatagramRequestHandler`]; the order of the three methods,
/// and what their errors do, is that of [`BaseRequestHandler`](crate::BaseRequestHandler).
///
/// ```
/// use std::io::{self, Write};
///
/// use guest_sdk::{Request, RequestHandler, testing};
///
/// #[derive(Default)]
/// struct Upper;
///
/// impl RequestHandler for Upper {
///     fn handle(&mut self, request: &mut Request) -> io::Result<()> {
///         let line = request.rfile.readline(8192)?;
///         request.wfile.write_all(&line.to_ascii_uppercase())
///     }
/// }
///
/// assert_eq!(testing::stream::<Upper>(["hello\n"]).sent, b"HELLO\n");
/// assert_eq!(testing::datagram::<Upper>("hello\n").sent, [b"HELLO\n"]);
/// ```
pub trait RequestHandler: Default {
    /// [`StreamRequestHandler::TIMEOUT`]; a datagram never waits.
    const TIMEOUT: Option<Duration> = None;

    /// [`StreamRequestHandler::RBUFSIZE`]; a datagram is there as a whole.
    const RBUFSIZE: usize = DEFAULT_BUFFER_SIZE;

    /// [`StreamRequestHandler::WBUFSIZE`]; a datagram's reply always waits until the handler is done.
    const WBUFSIZE: usize = 0;

    /// [`StreamRequestHandler::DISABLE_NAGLE_ALGORITHM`]; a datagram has no such thing.
    const DISABLE_NAGLE_ALGORITHM: bool = false;

    /// Called before [`handle`](Self::handle); does nothing unless it is overridden.
    ///
    /// # Errors
    ///
    /// An error ends the request: neither `handle` nor `finish` runs.
    fn setup(&mut self, request: &mut Request<'_>) -> io::Result<()> {
        let _ = request;
        Ok(())
    }

    /// Serves the request.
    ///
    /// # Errors
    ///
    /// An error ends this request only, after `finish`. Its text is what the server logs.
    fn handle(&mut self, request: &mut Request<'_>) -> io::Result<()>;

    /// Called after [`handle`](Self::handle), also after a failed one; does nothing unless it is overridden.
    ///
    /// # Errors
    ///
    /// An error is logged as one of `handle` is, unless `handle` failed already.
    fn finish(&mut self, request: &mut Request<'_>) -> io::Result<()> {
        let _ = request;
        Ok(())
    }
}

/// A connection or a packet, by the two files that both have.
#[derive(Debug)]
pub struct Request<'a> {
    /// The bytes that the client sends: of a stream as they come, of a datagram the packet.
    pub rfile: &'a mut RFile,
    /// The way to the client: of a stream at once, of a datagram when the handler is done.
    pub wfile: &'a mut WFile,
    origin: Origin<'a>,
}

impl Request<'_> {
    /// The client: `self.client_address`.
    #[must_use]
    pub fn client_address(&self) -> Address {
        match self.origin {
            Origin::Stream(connection) => connection.client_address(),
            Origin::Packet(datagram) => datagram.client_address(),
        }
    }

    /// The server that took this request: `self.server`.
    #[must_use]
    pub fn server(&self) -> Server {
        match self.origin {
            Origin::Stream(connection) => connection.server(),
            Origin::Packet(datagram) => datagram.server(),
        }
    }

    /// Sends one packet to the client now, beside what is written to [`wfile`](Self::wfile); an empty one is
    /// a packet, too.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](io::ErrorKind::Unsupported) for a stream, which has no packets, and those of
    /// [`Datagram::send`].
    pub fn send_packet(&self, bytes: &[u8]) -> io::Result<()> {
        match self.origin {
            Origin::Stream(_) => Err(ErrorCode::NotSupported.into()),
            Origin::Packet(datagram) => datagram.send(bytes),
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Origin<'a> {
    Stream(&'a Connection),
    Packet(&'a Datagram),
}

impl<'a> From<&'a mut StreamRequest> for Request<'a> {
    fn from(request: &'a mut StreamRequest) -> Self {
        let StreamRequest {
            rfile,
            wfile,
            connection,
        } = request;
        Self {
            rfile,
            wfile,
            origin: Origin::Stream(connection),
        }
    }
}

impl<'a> From<&'a mut DatagramRequest> for Request<'a> {
    fn from(request: &'a mut DatagramRequest) -> Self {
        let DatagramRequest {
            rfile,
            wfile,
            datagram,
        } = request;
        Self {
            rfile,
            wfile,
            origin: Origin::Packet(datagram),
        }
    }
}

impl<H: RequestHandler> StreamRequestHandler for H {
    const TIMEOUT: Option<Duration> = H::TIMEOUT;
    const RBUFSIZE: usize = H::RBUFSIZE;
    const WBUFSIZE: usize = H::WBUFSIZE;
    const DISABLE_NAGLE_ALGORITHM: bool = H::DISABLE_NAGLE_ALGORITHM;

    fn setup(&mut self, request: &mut StreamRequest) -> io::Result<()> {
        RequestHandler::setup(self, &mut request.into())
    }

    fn handle(&mut self, request: &mut StreamRequest) -> io::Result<()> {
        RequestHandler::handle(self, &mut request.into())
    }

    fn finish(&mut self, request: &mut StreamRequest) -> io::Result<()> {
        RequestHandler::finish(self, &mut request.into())
    }
}

impl<H: RequestHandler> DatagramRequestHandler for H {
    fn setup(&mut self, request: &mut DatagramRequest) -> io::Result<()> {
        RequestHandler::setup(self, &mut request.into())
    }

    fn handle(&mut self, request: &mut DatagramRequest) -> io::Result<()> {
        RequestHandler::handle(self, &mut request.into())
    }

    fn finish(&mut self, request: &mut DatagramRequest) -> io::Result<()> {
        RequestHandler::finish(self, &mut request.into())
    }
}
