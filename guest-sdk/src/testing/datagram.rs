//! A client of datagrams, and what became of its packet.

use std::io;
use std::rc::Rc;

use super::{local, server};
use crate::handler::base;
use crate::host::memory::Packet;
use crate::{Address, BaseRequestHandler, Datagram, Transport};

/// A packet and who sent it.
///
/// ```
/// use guest_sdk::testing::DatagramClient;
/// # use guest_sdk::{BaseRequestHandler, Datagram};
/// # #[derive(Default)]
/// # struct Whole;
/// # impl BaseRequestHandler<Datagram> for Whole {
/// #     fn handle(&mut self, request: &mut Datagram) -> std::io::Result<()> {
/// #         request.send(if request.truncated() { b"too long" } else { b"ok" })
/// #     }
/// # }
///
/// let served = DatagramClient::new("hello").truncated().serve::<Whole>();
/// assert_eq!(served.sent, [b"too long"]);
/// ```
#[derive(Debug)]
pub struct DatagramClient(Packet);

/// What became of a packet.
#[derive(Debug)]
#[non_exhaustive]
pub struct ServedDatagram {
    /// What the server would be told: the error of `setup`, `handle` or `finish`.
    pub result: io::Result<()>,
    /// The packets that the client received.
    pub sent: Vec<Vec<u8>>,
    /// The packets that others received, each with its address.
    pub sent_to: Vec<(Address, Vec<u8>)>,
}

impl DatagramClient {
    /// A client of `udp` at 127.0.0.1:50000 that sends this packet.
    #[must_use]
    pub fn new(packet: impl AsRef<[u8]>) -> Self {
        Self(Packet {
            client: local(50_000),
            server: server(Transport::Udp),
            bytes: packet.as_ref().to_vec(),
            truncated: false,
            granted: Vec::new(),
            record: Rc::default(),
        })
    }

    /// The packet was longer than the server takes, and is what is left of it.
    #[must_use]
    pub fn truncated(mut self) -> Self {
        self.0.truncated = true;
        self
    }

    /// The client has this address. With that of a Unix socket the transport is `unixgram`.
    #[must_use]
    pub fn at(mut self, address: Address) -> Self {
        if matches!(address, Address::Unix(_)) {
            self.0.server.transport = Transport::Unixgram;
        }
        self.0.client = address;
        self
    }

    /// This is the server's request of that number; without it, the first.
    #[must_use]
    pub fn request_id(mut self, number: u64) -> Self {
        self.0.server.request_id = number;
        self
    }

    /// The operator granted packets to this address: [`Datagram::sendto`] sends them.
    #[must_use]
    pub fn grants(mut self, address: Address) -> Self {
        self.0.granted.push(address);
        self
    }

    /// Lets a new handler serve this packet.
    #[must_use]
    pub fn serve<H: BaseRequestHandler<Datagram>>(self) -> ServedDatagram {
        let record = Rc::clone(&self.0.record);
        let result = base::serve::<H, _>(Datagram::new(self.0));
        let record = record.take();
        ServedDatagram {
            result,
            sent: record.sent,
            sent_to: record.sent_to,
        }
    }
}
