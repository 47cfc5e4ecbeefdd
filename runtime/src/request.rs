//! A request, from the moment it was taken, and its end: Python's `shutdown_request`.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::address::{ClientAddress, Transport};
use crate::listen::Arrival;
use crate::stream::{Connection, Failure, Half};

/// One connection or one packet, with its number and its client: what
/// [`Hooks::verify_request`](crate::Hooks::verify_request) decides on.
///
/// ```
/// use runtime::Request;
///
/// fn is_short(request: &Request) -> bool {
///     request.packet().is_none_or(|packet| packet.len() < 512)
/// }
/// ```
pub struct Request {
    pub(crate) id: u64,
    pub(crate) transport: Transport,
    pub(crate) client_address: ClientAddress,
    pub(crate) taken: Instant,
    pub(crate) arrival: Arrival,
}

impl Request {
    /// The request's number: 1, 2, 3, … in the order in which the server took them.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// How it came.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// Who sent it.
    #[must_use]
    pub fn client_address(&self) -> &ClientAddress {
        &self.client_address
    }

    /// What was sent, if it is a datagram.
    #[must_use]
    pub fn packet(&self) -> Option<&[u8]> {
        match &self.arrival {
            Arrival::Packet(packet, _) => Some(&packet.bytes),
            Arrival::Connection(_) => None,
        }
    }
}

/// The end of a connection whose client may still be sending.
///
/// To close a socket with unread bytes in it makes the kernel reset the connection, and the reset can
/// overtake the reply. So they are read first, within bounds.
pub(crate) struct Linger(Connection);

/// Python's `shutdown_request`: ends the output, by closing the connection unless it has to linger.
pub(crate) fn shutdown_request(connection: Connection) -> Option<Linger> {
    let lingers = connection.has_unread();
    if lingers || !connection.ends_when_closed() {
        // A client that has gone needs no end of stream.
        let _ = connection.shutdown(Half::Send);
    }
    lingers.then_some(Linger(connection))
}

impl Linger {
    /// The most bytes that are read for politeness.
    const BYTES: usize = 64 * 1024;
    /// The longest time that it takes.
    pub(crate) const TIME: Duration = Duration::from_secs(1);

    /// Reads until the client has ended its stream, or the bounds are reached; then closes.
    pub(crate) async fn close(self) {
        drop(timeout(Self::TIME, self.discard()).await);
    }

    async fn discard(&self) -> Result<(), Failure> {
        let mut left = Self::BYTES;
        while left > 0 {
            match self.0.discard().await? {
                0 => break,
                count => left = left.saturating_sub(count),
            }
        }
        Ok(())
    }
}
