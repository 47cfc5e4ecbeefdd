//! Packets: silence, an empty reply on purpose, two replies, nobody to reply to.

use std::io::{self, ErrorKind, Write};

use guest_sdk::testing::{self, DatagramClient};
use guest_sdk::{
    Address, BaseRequestHandler, Datagram, DatagramRequest, DatagramRequestHandler, Request,
    RequestHandler, UnixAddress, UnixName,
};

/// Does what the packet says.
#[derive(Default)]
struct Told;

impl DatagramRequestHandler for Told {
    fn handle(&mut self, request: &mut DatagramRequest) -> io::Result<()> {
        let command = request.rfile.readline(100)?;
        match command.trim_ascii() {
            b"silence" => Ok(()),
            b"write nothing" => request.wfile.write_all(b""),
            b"empty" => request.send(b""),
            b"twice" => {
                request.wfile.write_all(b"later, ")?;
                request.send(b"now")?;
                request.wfile.write_all(b"together")
            }
            b"fail" => {
                request.wfile.write_all(b"partial")?;
                Err(io::Error::other("asked to"))
            }
            b"packet" => request
                .wfile
                .write_all(&request.packet().to_ascii_uppercase()),
            _ => Ok(()),
        }
    }
}

fn told(packet: &str) -> Vec<String> {
    let sent = testing::datagram::<Told>(packet).sent;
    sent.into_iter()
        .map(|packet| String::from_utf8(packet).unwrap())
        .collect()
}

#[test]
fn a_handler_that_wrote_nothing_is_silent() {
    assert!(told("silence").is_empty());
    assert!(told("write nothing").is_empty());
    assert!(told("").is_empty());
}

#[test]
fn an_empty_packet_is_sent_on_purpose() {
    assert_eq!(told("empty"), [""]);
}

#[test]
fn what_was_written_goes_out_as_one_packet_at_the_end() {
    assert_eq!(told("twice"), ["now", "later, together"]);
}

#[test]
fn a_handler_that_failed_sends_nothing() {
    let served = testing::datagram::<Told>("fail");
    assert!(served.sent.is_empty());
    assert_eq!(served.result.unwrap_err().to_string(), "asked to");
}

#[test]
fn the_packet_is_there_as_a_whole() {
    assert_eq!(told("packet\nand more"), ["PACKET\nAND MORE"]);
}

/// The same intent from a handler of both kinds.
#[derive(Default)]
struct Empty;

impl RequestHandler for Empty {
    fn handle(&mut self, request: &mut Request<'_>) -> io::Result<()> {
        request.send_packet(b"")
    }
}

#[test]
fn a_handler_of_both_can_send_an_empty_packet_and_a_stream_has_none() {
    assert_eq!(testing::datagram::<Empty>("x").sent, [b""]);
    let error = testing::stream::<Empty>(["x"]).result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[derive(Default)]
struct Raw;

impl BaseRequestHandler<Datagram> for Raw {
    fn handle(&mut self, request: &mut Datagram) -> io::Result<()> {
        let client = request.client_address();
        request.sendto(&request.packet, &client)?;
        request.sendto(b"x", &request.server_address())
    }
}

#[test]
fn only_the_client_can_be_sent_to_unless_more_is_granted() {
    let served = testing::datagram::<Raw>("hello");
    let error = served.result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert_eq!(served.sent, [b"hello"]);
    assert!(served.sent_to.is_empty());
}

#[test]
fn somebody_else_can_be_sent_to_if_it_is_granted() {
    let other = Address::Ip(([127, 0, 0, 1], 9999).into());
    let client = DatagramClient::new("hello").grants(other.clone());
    let served = client.serve::<Raw>();
    served.result.unwrap();
    assert_eq!(served.sent, [b"hello"]);
    assert_eq!(served.sent_to, [(other, b"x".to_vec())]);
}

#[test]
fn a_client_without_a_name_cannot_be_answered() {
    let unnamed = Address::Unix(UnixAddress {
        name: UnixName::Unnamed,
        peer: None,
    });
    let served = DatagramClient::new("hello").at(unnamed).serve::<Raw>();
    assert_eq!(served.result.unwrap_err().kind(), ErrorKind::NotConnected);
}
