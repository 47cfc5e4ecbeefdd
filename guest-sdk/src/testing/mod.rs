//! Clients for a handler's own tests: no wasm, no server, no socket. Not there on wasm32.
//!
//! [`stream`] and [`datagram`] let a new handler serve a client in memory, exactly as the server would: a
//! handler by `Default`, `setup`, `handle`, `finish`, and what is left is sent. What comes back is what the
//! handler returned and what it sent.
//!
//! ```
//! use guest_sdk::testing;
//! # use guest_sdk::{BaseRequestHandler, Connection};
//! # #[derive(Default)]
//! # struct Upper;
//! # impl BaseRequestHandler<Connection> for Upper {
//! #     fn handle(&mut self, request: &mut Connection) -> std::io::Result<()> {
//! #         request.sendall(&request.recv(1024)?.to_ascii_uppercase())
//! #     }
//! # }
//!
//! let served = testing::stream::<Upper>(["hel", "lo"]);
//! assert_eq!(served.sent, b"HEL"); // a piece is what one read gives
//! assert!(served.result.is_ok());
//! ```
//!
//! [`StreamClient`] and [`DatagramClient`] are for clients that do more: be quiet, reset, come from elsewhere.

mod datagram;
mod stream;

pub use datagram::{DatagramClient, ServedDatagram};
pub use stream::{ServedStream, StreamClient};

use crate::host::memory::ServerInfo;
use crate::{Address, BaseRequestHandler, Connection, Datagram, Transport};

/// Serves a client that sends these pieces and then closes its side. Each piece is what one read gives, or as
/// much of it as the read asks for.
#[must_use]
pub fn stream<H: BaseRequestHandler<Connection>>(
    pieces: impl IntoIterator<Item: AsRef<[u8]>>,
) -> ServedStream {
    let client = pieces
        .into_iter()
        .fold(StreamClient::new(), StreamClient::sends);
    client.serve::<H>()
}

/// Serves a client that sends this packet.
#[must_use]
pub fn datagram<H: BaseRequestHandler<Datagram>>(packet: impl AsRef<[u8]>) -> ServedDatagram {
    DatagramClient::new(packet).serve::<H>()
}

fn server(transport: Transport) -> ServerInfo {
    ServerInfo {
        address: local(9999),
        transport,
        request_id: 1,
    }
}

fn local(port: u16) -> Address {
    Address::Ip(([127, 0, 0, 1], port).into())
}
