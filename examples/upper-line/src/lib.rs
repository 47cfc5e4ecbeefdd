//! The documentation's second version: one line in upper case, by `rfile` and `wfile`.
//!
//! Written once for streams and datagrams: a packet is a file, too.

use std::io::{self, Write};

use guest_sdk::{Request, RequestHandler};

/// The longest line, in bytes: what is longer is answered up to there.
const LONGEST: usize = 8192;

#[derive(Default)]
struct UpperLine;

impl RequestHandler for UpperLine {
    fn handle(&mut self, request: &mut Request<'_>) -> io::Result<()> {
        let line = request.rfile.readline(LONGEST)?;
        request
            .wfile
            .write_all(&line.trim_ascii().to_ascii_uppercase())
    }
}

guest_sdk::export!(UpperLine: RequestHandler);

#[cfg(test)]
mod tests {
    use guest_sdk::testing::{datagram, stream};

    use super::UpperLine;

    #[test]
    fn a_line_is_answered_however_it_comes() {
        assert_eq!(
            stream::<UpperLine>(["hello ", "world\nmore\n"]).sent,
            b"HELLO WORLD"
        );
    }

    #[test]
    fn a_line_may_end_with_the_stream() {
        assert_eq!(stream::<UpperLine>(["hello"]).sent, b"HELLO");
    }

    #[test]
    fn a_packet_is_a_file() {
        assert_eq!(datagram::<UpperLine>("hello\nmore\n").sent, [b"HELLO"]);
    }
}
