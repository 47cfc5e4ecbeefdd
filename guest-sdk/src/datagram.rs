//! A packet and the way to answer it: `self.request` of a datagram.

use std::io;
use std::mem;
use std::rc::Rc;

use crate::{Address, Server, host};

/// A packet and the way to answer it: the pair that `self.request` is in Python.
///
/// It is what a [`BaseRequestHandler<Datagram>`](crate::BaseRequestHandler) works with. A handler that sends
/// nothing stays silent, and one that sends twice sends two packets.
///
/// ```
/// use std::io;
///
/// use guest_sdk::{BaseRequestHandler, Datagram};
///
/// #[derive(Default)]
/// struct Echo;
///
/// impl BaseRequestHandler<Datagram> for Echo {
///     fn handle(&mut self, request: &mut Datagram) -> io::Result<()> {
///         request.send(&request.packet)
///     }
/// }
///
/// assert_eq!(guest_sdk::testing::datagram::<Echo>("ping").sent, [b"ping"]);
/// ```
#[derive(Debug)]
pub struct Datagram {
    /// What the client sent: `self.request[0]`. It may be empty.
    pub packet: Vec<u8>,
    host: Rc<host::Packet>,
}

impl Datagram {
    pub(crate) fn new(host: host::Packet) -> Self {
        let packet = host.bytes();
        Self {
            packet,
            host: Rc::new(host),
        }
    }

    /// The packet, and all the rest without it.
    pub(crate) fn take_packet(&mut self) -> (Vec<u8>, Self) {
        let rest = Self {
            packet: Vec::new(),
            host: Rc::clone(&self.host),
        };
        (mem::take(&mut self.packet), rest)
    }

    /// The client: `self.client_address`.
    #[must_use]
    pub fn client_address(&self) -> Address {
        self.host.client_address()
    }

    /// The address to which the packet came, and from which a reply leaves. On a socket that is bound to
    /// every interface it is more precise than [`Server::server_address`].
    #[must_use]
    pub fn server_address(&self) -> Address {
        self.host.server_address()
    }

    /// The server that took this packet: `self.server`.
    #[must_use]
    pub fn server(&self) -> Server {
        Server::new(self.host.server())
    }

    /// True if the packet was longer than the server's `max_packet_size`, so that its end is missing.
    #[must_use]
    pub fn truncated(&self) -> bool {
        self.host.truncated()
    }

    /// Sends one packet to the client; an empty one is a packet, too.
    ///
    /// # Errors
    ///
    /// [`NotConnected`](io::ErrorKind::NotConnected) if the client's socket has no name or is gone, and
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) with
    /// [`ErrorCode::MessageTooLong`](crate::ErrorCode::MessageTooLong) if the transport cannot carry so much.
    pub fn send(&self, bytes: &[u8]) -> io::Result<()> {
        Ok(self.host.send(bytes)?)
    }

    /// Sends one packet to `address`: `self.request[1].sendto(bytes, address)`.
    ///
    /// The client can always be sent to; anybody else is a grant of the operator's.
    ///
    /// # Errors
    ///
    /// [`PermissionDenied`](io::ErrorKind::PermissionDenied) for an address that is neither the client's nor
    /// granted, and those of [`send`](Self::send).
    pub fn sendto(&self, bytes: &[u8], address: &Address) -> io::Result<()> {
        if *address == self.client_address() {
            return self.send(bytes);
        }
        Ok(self.host.send_to(bytes, address)?)
    }
}
