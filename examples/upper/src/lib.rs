//! The first program of every tutorial: what one read or one packet gave, in upper case.
//!
//! White space is stripped from both ends, ASCII letters are upper-cased, every other byte is left alone.

use std::io;

use guest_sdk::{BaseRequestHandler, Connection, Datagram};

/// The most that is read and answered, in bytes.
const MOST: usize = 1024;

#[derive(Default)]
struct Upper;

impl BaseRequestHandler<Connection> for Upper {
    fn handle(&mut self, request: &mut Connection) -> io::Result<()> {
        request.sendall(&upper(&request.recv(MOST)?))
    }
}

impl BaseRequestHandler<Datagram> for Upper {
    fn handle(&mut self, request: &mut Datagram) -> io::Result<()> {
        let packet = &request.packet;
        request.send(&upper(packet.get(..MOST).unwrap_or(packet)))
    }
}

fn upper(bytes: &[u8]) -> Vec<u8> {
    bytes.trim_ascii().to_ascii_uppercase()
}

guest_sdk::export!(Upper: BaseRequestHandler<Connection> + BaseRequestHandler<Datagram>);

#[cfg(test)]
mod tests {
    use guest_sdk::testing::{datagram, stream};

    use super::{MOST, Upper};

    #[test]
    fn one_read_is_answered() {
        assert_eq!(
            stream::<Upper>(["hello world\n", "more"]).sent,
            b"HELLO WORLD"
        );
    }

    #[test]
    fn a_packet_is_answered_by_one() {
        assert_eq!(datagram::<Upper>(" hello \r\n").sent, [b"HELLO"]);
        assert_eq!(datagram::<Upper>("\n").sent, [b""]);
    }

    #[test]
    fn other_bytes_are_left_alone() {
        let served = stream::<Upper>(["grüß\0dich\u{7f}"]);
        assert_eq!(served.sent, "GRüß\0DICH\u{7f}".as_bytes());
    }

    #[test]
    fn no_more_is_answered_than_the_limit() {
        let long = [b'a'; 2 * MOST];
        assert_eq!(stream::<Upper>([long]).sent, [b'A'; MOST]);
        assert_eq!(datagram::<Upper>(long).sent, [[b'A'; MOST]]);
    }
}
