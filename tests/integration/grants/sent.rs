//! Packets that a handler sends by the server's own socket.

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;

use tests::{PATIENCE, answerer};

use super::serve;

/// Somebody who waits for packets.
fn receiver() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.set_read_timeout(Some(PATIENCE)).expect("set");
    let address = socket.local_addr().expect("bound");
    (socket, address)
}

#[test]
fn a_packet_is_sent_to_somebody_else_if_that_is_granted() {
    let (socket, address) = receiver();
    let pattern = format!("127.0.0.0/8:{}", address.port());
    let flags = ["--proto", "udp", "--access-log", "all"];
    let server = serve().args(flags).args(["--send-to", &pattern]).start();
    assert_eq!(server.ask(format!("send-to {address} forwarded")), "sent");
    let mut buffer = [0; 100];
    let (count, from) = socket.recv_from(&mut buffer).expect("a packet");
    assert_eq!(&buffer[..count], b"forwarded");
    assert_eq!(from.port(), server.address().port());
    let _ = server.said(&["outcome=\"ok\"", "bytes_out=13"]);
    assert_eq!(server.ask("send-to [::1]:9 x"), "access-denied");
}

/// 28 + 33 bytes came: 28 + 9 of them were sent on, and 28 + 4 more are too many.
#[test]
fn what_is_sent_to_somebody_else_counts_for_the_cap() {
    let (socket, address) = receiver();
    let flags = ["--proto", "udp", "--max-amplification", "1"];
    let server = serve().args(flags);
    let server = server.args(["--send-to", "127.0.0.0/8:*"]).start();
    let packet = format!("send-to {address} forwarded");
    server.connect().send(packet.as_bytes()).expect("sent");
    let count = socket.recv(&mut [0; 100]).expect("a packet");
    assert_eq!(count, "forwarded".len());
    let _ = server.said(&["outcome=\"bytes-out\"", "max-amplification"]);
}

#[test]
fn a_packet_is_sent_to_nobody_else_if_that_is_not_granted() {
    let (socket, address) = receiver();
    socket.set_nonblocking(true).expect("set");
    let other_port = format!("127.0.0.1:{}", answerer().port());
    for flags in [
        &[][..],
        &["--send-to", &other_port],
        &["--connect", "udp://127.0.0.1:*"],
    ] {
        let server = serve().args(["--proto", "udp"]).args(flags).start();
        assert_eq!(server.ask(format!("send-to {address} x")), "access-denied");
        let _ = server.said(&[&format!("denied: send to {address}")]);
        assert_eq!(server.ask("send-to-client to the client"), "to the client");
    }
    assert!(socket.recv(&mut [0]).is_err(), "a packet came");
}

#[test]
fn a_packet_of_ipv6_is_not_for_a_socket_of_ipv4() {
    let flags = ["--proto", "udp", "--send-to", "[::1]:*"];
    let server = serve().args(flags).start();
    assert_eq!(server.ask("send-to [::1]:9 x"), "not-supported");
}

#[test]
fn a_handler_on_a_unix_socket_sends_to_its_client_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = serve().on("unixgram", folder.path());
    let server = server.args(["--send-to", "127.0.0.1:*"]).start();
    assert_eq!(server.ask("send-to-client back"), "back");
    let somebody = Path::new("/run/systemd/journal/socket")
        .display()
        .to_string();
    assert_eq!(
        server.ask(format!("send-to-path {somebody}")),
        "access-denied"
    );
    assert_eq!(server.ask("send-to 127.0.0.1:9 x"), "not-supported");
}
