//! What a datagram can be told to do.

use std::net::SocketAddr;

use crate::Ended;
use crate::commands::{self, number};
use crate::socketserver::handler::types::{
    Address, DatagramRequest, Ipv4Address, Ipv6Address, UnixAddress, UnixName,
};

pub(crate) fn handle(request: &DatagramRequest) -> Ended {
    let packet = request.packet();
    let line = packet
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let (command, argument) = line.split_once(' ').unwrap_or((&line, ""));
    let send = |bytes: &[u8]| {
        request
            .send(bytes)
            .map_err(|error| format!("send: {}", error.name()))
    };
    match command {
        "silence" => Ok(()),
        "empty" => send(b""),
        "twice" => send(b"one").and_then(|()| send(b"two")),
        "many" => (0..number(argument)).try_for_each(|place| send(place.to_string().as_bytes())),
        "length" => send(format!("{} {}", packet.len(), request.truncated()).as_bytes()),
        "long" => {
            let bytes = vec![b'x'; usize::try_from(number(argument)).unwrap_or(0)];
            match request.send(&bytes) {
                Ok(()) => Ok(()),
                // The request can still be used.
                Err(error) => send(error.name().as_bytes()),
            }
        }
        "send-to" => {
            let (to, text) = argument.split_once(' ').unwrap_or((argument, ""));
            match request.send_to(&ip_address(to)?, text.as_bytes()) {
                Ok(()) => send(b"sent"),
                Err(error) => send(error.name().as_bytes()),
            }
        }
        "send-to-client" => request
            .send_to(&request.client_address(), argument.as_bytes())
            .map_err(|error| error.name().to_owned()),
        "send-to-path" => {
            let address = Address::Unix(UnixAddress {
                name: UnixName::Path(argument.as_bytes().to_vec()),
                peer: None,
            });
            match request.send_to(&address, b"x") {
                Ok(()) => send(b"sent"),
                Err(error) => send(error.name().as_bytes()),
            }
        }
        "client" => send(commands::address(&request.client_address()).as_bytes()),
        "server" => send(commands::address(&request.server_address()).as_bytes()),
        _ => commands::run(command, argument, &mut |bytes| send(bytes))
            .unwrap_or_else(|| Err(format!("no such command: {line}"))),
    }
}

/// `127.0.0.1:514`, in the contract's words.
fn ip_address(text: &str) -> Result<Address, String> {
    let address: SocketAddr = text.parse().map_err(|_| format!("no address: {text}"))?;
    Ok(match address {
        SocketAddr::V4(v4) => Address::Ipv4(Ipv4Address {
            octets: v4.ip().octets().into(),
            port: v4.port(),
        }),
        SocketAddr::V6(v6) => Address::Ipv6(Ipv6Address {
            segments: v6.ip().segments().into(),
            port: v6.port(),
            flow_info: 0,
            scope_id: 0,
        }),
    })
}
