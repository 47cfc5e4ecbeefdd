//! Prints one line for every datagram, with its sender before it, and answers nothing at all.

#![expect(
    clippy::print_stdout,
    reason = "the lines are what the operator collects"
)]

use std::io;

use guest_sdk::{DatagramRequest, DatagramRequestHandler};

#[derive(Default)]
struct LogCollector;

impl DatagramRequestHandler for LogCollector {
    fn handle(&mut self, request: &mut DatagramRequest) -> io::Result<()> {
        let cut = if request.truncated() { "…" } else { "" };
        println!(
            "{} {}{cut}",
            request.client_address(),
            one_line(request.packet())
        );
        Ok(())
    }
}

/// What somebody sent, as one line: what is not UTF-8 is replaced, and what would end the line or drive a
/// terminal is escaped, so that nobody can make up a line of somebody else.
fn one_line(packet: &[u8]) -> String {
    let mut line = String::new();
    for c in String::from_utf8_lossy(packet.trim_ascii_end()).chars() {
        if c.is_control() {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    line
}

guest_sdk::export!(LogCollector: DatagramRequestHandler);

#[cfg(test)]
mod tests {
    use guest_sdk::testing::datagram;

    use super::{LogCollector, one_line};

    #[test]
    fn nothing_is_answered() {
        let served = datagram::<LogCollector>("<13>hello");
        assert!(served.sent.is_empty());
        assert!(served.result.is_ok());
    }

    #[test]
    fn a_packet_is_one_line_whatever_it_holds() {
        assert_eq!(one_line("größer\n".as_bytes()), "größer");
        assert_eq!(
            one_line(b"one\ntwo\x1b[31m\xff\r\n"),
            "one\\ntwo\\u{1b}[31m\u{fffd}"
        );
        assert_eq!(one_line(b""), "");
    }
}
