//! What a datagram can be told to do.

use crate::Ended;
use crate::commands::{self, number};
use crate::socketserver::handler::types::DatagramRequest;

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
        "client" => send(commands::address(&request.client_address()).as_bytes()),
        "server" => send(commands::address(&request.server_address()).as_bytes()),
        _ => commands::run(command, argument, &mut |bytes| send(bytes))
            .unwrap_or_else(|| Err(format!("no such command: {line}"))),
    }
}
