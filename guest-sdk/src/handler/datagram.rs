//! A handler of datagrams: `DatagramRequestHandler`, and the request that it works with.

use std::io;

use super::base::{self, BaseRequestHandler};
use crate::{Address, Datagram, RFile, Server, WFile};

/// A handler that reads and answers a packet as files: `socketserver.DatagramRequestHandler`.
///
/// What was written to [`wfile`](DatagramRequest::wfile) goes out as one packet after `finish`. A handler that
/// wrote nothing sends nothing, and one that failed sends nothing; Python sends an empty and a partial packet
/// in these cases. [`DatagramRequest::send`] sends an empty packet on purpose.
///
/// The order of the three methods, and what their errors do, is that of
/// [`BaseRequestHandler`](crate::BaseRequestHandler).
///
/// ```
/// use std::io::{self, Write};
///
/// use guest_sdk::{DatagramRequest, DatagramRequestHandler, testing};
///
/// /// Answers the second line of a packet; is silent if there is none.
/// #[derive(Default)]
/// struct SecondLine;
///
/// impl DatagramRequestHandler for SecondLine {
///     fn handle(&mut self, request: &mut DatagramRequest) -> io::Result<()> {
///         request.rfile.readline(8192)?;
///         let second = request.rfile.readline(8192)?;
///         request.wfile.write_all(&second)
///     }
/// }
///
/// assert_eq!(testing::datagram::<SecondLine>("a\nb\nc\n").sent, [b"b\n"]);
/// assert!(testing::datagram::<SecondLine>("a").sent.is_empty());
/// ```
pub trait DatagramRequestHandler: Default {
    /// Called before [`handle`](Self::handle); does nothing unless it is overridden.
    ///
    /// # Errors
    ///
    /// An error ends the request: neither `handle` nor `finish` runs.
    fn setup(&mut self, request: &mut DatagramRequest) -> io::Result<()> {
        let _ = request;
        Ok(())
    }

    /// Serves the packet.
    ///
    /// # Errors
    ///
    /// An error ends this request only, after `finish`, and nothing is sent of what was written to
    /// [`wfile`](DatagramRequest::wfile). Its text is what the server logs.
    fn handle(&mut self, request: &mut DatagramRequest) -> io::Result<()>;

    /// Called after [`handle`](Self::handle), also after a failed one; does nothing unless it is overridden.
    ///
    /// # Errors
    ///
    /// An error is logged as one of `handle` is, unless `handle` failed already; nothing is sent then.
    fn finish(&mut self, request: &mut DatagramRequest) -> io::Result<()> {
        let _ = request;
        Ok(())
    }
}

/// A packet and the two files over it: what `self` has in a Python `DatagramRequestHandler`.
#[derive(Debug)]
pub struct DatagramRequest {
    /// The packet, as a file.
    pub rfile: RFile,
    /// The reply: what is written here is sent as one packet when the handler is done.
    pub wfile: WFile,
    pub(super) datagram: Datagram,
}

impl DatagramRequest {
    /// What the client sent, whether it was read from [`rfile`](Self::rfile) or not: `self.packet`.
    #[must_use]
    pub fn packet(&self) -> &[u8] {
        self.rfile.buffer()
    }

    /// The client: `self.client_address`.
    #[must_use]
    pub fn client_address(&self) -> Address {
        self.datagram.client_address()
    }

    /// The address to which the packet came: see [`Datagram::server_address`].
    #[must_use]
    pub fn server_address(&self) -> Address {
        self.datagram.server_address()
    }

    /// The server that took this packet: `self.server`.
    #[must_use]
    pub fn server(&self) -> Server {
        self.datagram.server()
    }

    /// True if the packet was longer than the server's `max_packet_size`, so that its end is missing.
    #[must_use]
    pub fn truncated(&self) -> bool {
        self.datagram.truncated()
    }

    /// Sends one packet to the client now, beside what is written to [`wfile`](Self::wfile); an empty one is
    /// a packet, too.
    ///
    /// # Errors
    ///
    /// Those of [`Datagram::send`].
    pub fn send(&self, bytes: &[u8]) -> io::Result<()> {
        self.datagram.send(bytes)
    }

    /// What Python's `DatagramRequestHandler.setup` does.
    fn open(datagram: &mut Datagram) -> Self {
        let (packet, datagram) = datagram.take_packet();
        Self {
            rfile: RFile::of_packet(packet),
            wfile: WFile::of_packet(),
            datagram,
        }
    }

    /// What Python's `DatagramRequestHandler.finish` does, but for silence: see [`DatagramRequestHandler`].
    fn reply(&self) -> io::Result<()> {
        match self.wfile.buffer() {
            [] => Ok(()),
            reply => self.send(reply),
        }
    }
}

impl<H: DatagramRequestHandler> BaseRequestHandler<Datagram> for H {
    fn handle(&mut self, datagram: &mut Datagram) -> io::Result<()> {
        let mut request = DatagramRequest::open(datagram);
        base::run(self, &mut request, H::setup, H::handle, H::finish)?;
        request.reply()
    }
}
