//! The communication loop: read, upper-case, send, until the client leaves.
//!
//! Nothing is stripped. A client that resets has left, too: that is no error.

use std::io;

use guest_sdk::{BaseRequestHandler, Connection};

/// The most that one round reads, in bytes.
const MOST: usize = 8192;

#[derive(Default)]
struct UpperLoop;

impl BaseRequestHandler<Connection> for UpperLoop {
    fn handle(&mut self, request: &mut Connection) -> io::Result<()> {
        match converse(request) {
            Err(error) if has_left(&error) => Ok(()),
            other => other,
        }
    }
}

fn converse(client: &Connection) -> io::Result<()> {
    loop {
        let mut bytes = client.recv(MOST)?;
        if bytes.is_empty() {
            return Ok(());
        }
        bytes.make_ascii_uppercase();
        client.sendall(&bytes)?;
    }
}

fn has_left(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
    )
}

guest_sdk::export!(UpperLoop: BaseRequestHandler<Connection>);

#[cfg(test)]
mod tests {
    use guest_sdk::testing::{StreamClient, stream};

    use super::UpperLoop;

    #[test]
    fn every_read_is_answered_by_itself() {
        let served = stream::<UpperLoop>(["hello", " world\n"]);
        assert_eq!(served.writes, [b"HELLO".as_slice(), b" WORLD\n"]);
        assert!(served.result.is_ok());
    }

    #[test]
    fn a_reset_is_no_error() {
        let served = StreamClient::new()
            .sends("hello")
            .resets()
            .serve::<UpperLoop>();
        assert!(served.result.is_ok());
        assert_eq!(served.sent, b"HELLO");
    }
}
