//! The socket: created, bound, listening; and Python's `get_request`, which takes one request from it.
//!
//! `bind` makes the socket and `inherit` takes one that is already bound, `unix_file` looks after the file
//! of a Unix socket, `stream` accepts connections, `datagram` receives packets, which `packet_socket` sends, to a
//! `client_file` if need be, and `outbox` holds until several can leave together.

mod backoff;
mod bind;
mod client_file;
mod datagram;
mod inherit;
mod outbox;
mod packet_socket;
mod stream;
mod unix_file;

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use crate::address::{ClientAddress, ServerAddress};
use crate::config::ServerConfig;
use crate::stream::Socket;

pub(crate) use datagram::Packet;
pub(crate) use outbox::Outbox;

use packet_socket::PacketSocket;
use unix_file::UnixFile;

/// A bound socket.
///
/// It belongs to no async runtime: [`Listener::attach`] registers a duplicate with the one that serves.
pub(crate) struct Listener {
    socket: socket2::Socket,
    address: ServerAddress,
    /// Removed when the listener is dropped; none for a socket that somebody else bound.
    _file: Option<UnixFile>,
}

/// What one request consists of before anybody has looked at it.
pub(crate) enum Arrival {
    Connection(Socket),
    /// With the way to answer it.
    Packet(Packet, Arc<Outbox>),
}

impl Listener {
    /// Python's `server_activate`: from here on clients can connect.
    pub(crate) fn server_activate(&self, request_queue_size: u32) -> io::Result<()> {
        if self.address.transport.is_datagram() {
            return Ok(());
        }
        self.socket
            .listen(i32::try_from(request_queue_size).unwrap_or(i32::MAX))
    }

    /// Python's `server_address`.
    pub(crate) fn address(&self) -> &ServerAddress {
        &self.address
    }

    /// Registers the socket with the async runtime that this is called in.
    pub(crate) fn attach(&self, config: &ServerConfig) -> io::Result<Source> {
        let socket = self.socket.try_clone()?;
        let transport = self.address.transport;
        if !transport.is_datagram() {
            let no_delay = config.disable_nagle_algorithm;
            let source = stream::StreamSource::new(socket, transport, no_delay)?;
            return Ok(Source::Connections(source));
        }
        let socket = PacketSocket::new(socket, self.address.clone())?;
        let source = datagram::PacketSource::new(Arc::new(socket), config.max_packet_size);
        Ok(Source::Packets(source))
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Where requests come from while a server serves.
pub(crate) enum Source {
    Connections(stream::StreamSource),
    Packets(datagram::PacketSource),
}

impl Source {
    /// Another one on the same socket. `together`: it takes several packets at a time, if there are.
    pub(crate) fn another(&self, together: bool) -> Self {
        match self {
            Self::Connections(source) => Self::Connections(source.clone()),
            Self::Packets(source) => Self::Packets(source.another(together)),
        }
    }

    /// Python's `get_request`: waits for a request. It cannot fail: what one client's connection or a
    /// full machine brings about is logged and waited out. Safe to cancel: no request is lost.
    pub(crate) async fn get_request(&mut self) -> (Arrival, ClientAddress) {
        match self {
            Self::Connections(source) => source.accept().await,
            Self::Packets(source) => source.receive().await,
        }
    }

    /// How long a task that helps to take requests should wait for one before it leaves; none if not at all.
    ///
    /// Whoever waits is woken by every arrival, in vain if another is first. Packets are taken several at a
    /// time, which makes up for it, and connections are not.
    pub(crate) fn patience(&self) -> Option<Duration> {
        match self {
            Self::Connections(_) => None,
            Self::Packets(_) => Some(Duration::from_millis(5)),
        }
    }

    /// A request that was taken from the kernel together with an earlier one, and waits here.
    pub(crate) fn taken_request(&mut self) -> Option<(Arrival, ClientAddress)> {
        match self {
            Self::Connections(_) => None,
            Self::Packets(source) => source.received(),
        }
    }

    /// Lets go of what is held back to leave together. To be called when no more requests are taken.
    pub(crate) async fn flush(&self) {
        match self {
            Self::Connections(_) => {}
            Self::Packets(source) => source.flush().await,
        }
    }
}
