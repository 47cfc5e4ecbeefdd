//! Datagrams: a child has no socket, and its answers are the server's to send, under limits that hold across requests.

use std::net::{Ipv4Addr, UdpSocket};
use std::os::unix::net::UnixDatagram;

use rustix::process::Signal;
use tests::{Client, PATIENCE, Server, until};

use super::{assert_all_gone, serve};

fn server(flags: &[&str]) -> Server {
    serve().args(["--proto", "udp"]).args(flags).start()
}

fn from(last: u8, server: &Server) -> Client {
    Client::connect_from(Ipv4Addr::new(127, 0, 0, last), &server.address())
}

#[test]
fn the_longest_packets_come_and_go() {
    let flags = ["--max-packet-size", "65535", "--max-amplification", "none"];
    let server = server(&flags);
    let mut packet = b"length\n".to_vec();
    packet.resize(65_507, b'x');
    assert_eq!(server.ask(&packet), "65507 false");
    assert_eq!(server.ask("long 65507"), "x".repeat(65_507));
    let line = server.end_of(1);
    assert!(line.contains("bytes_in=65507 bytes_out=11"), "{line}");
}

#[test]
fn so_they_do_on_a_unix_socket() {
    let folder = tempfile::tempdir().expect("a folder");
    let serve = serve().on("unixgram", folder.path());
    let server = serve.args(["--max-packet-size", "65535"]).start();
    let mut packet = b"length\n".to_vec();
    packet.resize(65_535, b'x');
    assert_eq!(server.ask(&packet), "65535 false");
    assert_eq!(server.ask("long 65535").len(), 65_535);
}

#[test]
fn an_answer_that_is_too_long_is_an_error_that_the_handler_sees() {
    let server = server(&["--max-amplification", "none"]);
    assert_eq!(server.ask("long 65508"), "message-too-long");
}

#[test]
fn a_client_without_a_name_cannot_be_answered_which_is_its_fault() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = serve().on("unixgram", folder.path()).start();
    let nameless = UnixDatagram::unbound().expect("a socket");
    let sent = nameless.send_to(b"upper x", server.address().path());
    assert_eq!(sent.expect("sent"), 7);
    let line = server.end_of(1);
    assert!(
        line.contains("outcome=\"client-gone\" fault=client"),
        "{line}"
    );
    server.assert_well();
}

#[test]
fn a_client_that_is_gone_cannot_be_answered_which_is_its_fault() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = serve().on("unixgram", folder.path()).start();
    let zygote = server.zygote();
    zygote.hold();
    let mut gone = server.connect();
    gone.send(b"upper x").expect("sent");
    drop(gone);
    assert!(zygote.signal(Signal::CONT));
    let line = server.end_of(1);
    assert!(
        line.contains("outcome=\"client-gone\" fault=client"),
        "{line}"
    );
    server.assert_well();
}

#[test]
fn many_answers_arrive_in_their_order() {
    let server = server(&["--max-amplification", "none", "--max-datagrams-out", "none"]);
    let mut client = server.connect();
    client.send(b"many 200").expect("sent");
    for number in 0..200 {
        let answer = client.answer().expect("a packet");
        assert_eq!(answer, number.to_string(), "{server}");
    }
    assert!(server.end_of(1).contains("outcome=\"ok\""), "{server}");
    assert_all_gone(&server);
}

#[test]
fn the_cap_of_amplification_is_the_servers() {
    let server = server(&[]);
    let mut client = from(2, &server);
    // 20 * (28 + 9) = 10 * (28 + 1) + 15 * (28 + 2): 25 packets.
    client.send(b"many 1000").expect("sent");
    for number in 0..25 {
        assert_eq!(client.answer().expect("a packet"), number.to_string());
    }
    let line = server.end_of(1);
    assert!(line.contains("outcome=\"bytes-out\""), "{line}");
    assert!(line.contains("max-amplification"), "{line}");
    assert_eq!(client.ask(b"upper next").expect("an answer"), "NEXT");
}

#[test]
fn the_number_of_answers_is_limited() {
    let server = server(&["--max-datagrams-out", "3", "--max-amplification", "none"]);
    let mut client = server.connect();
    client.send(b"many 10").expect("sent");
    for number in 0..3 {
        assert_eq!(client.answer().expect("a packet"), number.to_string());
    }
    assert!(server.end_of(1).contains("max-datagrams-out"), "{server}");
    assert_eq!(client.ask(b"upper next").expect("an answer"), "NEXT");
}

/// One child after the other answers this source, and none knows of the others.
#[test]
fn what_a_source_is_sent_counts_across_children() {
    let rate = ["--max-reply-rate-per-source", "1000"];
    let server = server(&[rate.as_slice(), &["--max-amplification", "none"]].concat());
    let ask = |last| from(last, &server).ask(b"long 900").expect("an answer");
    assert_eq!(ask(2).len(), 900);
    until("a reply is not sent", || ask(2) == "limit-reached");
    assert_eq!(ask(3).len(), 900);
}

#[test]
fn packets_that_were_cut_short_are_marked_and_counted() {
    let server = server(&["--max-packet-size", "10"]);
    assert_eq!(server.ask("length\nand more than ten"), "10 true");
    assert_eq!(server.ask("length\n"), "7 false");
    server.stop().assert(0, &["1 datagrams were cut short"]);
}

#[test]
fn an_answer_leaves_from_the_servers_own_address_and_a_grant_sends_to_others() {
    let other = UdpSocket::bind("127.0.0.1:0").expect("a port");
    other.set_read_timeout(Some(PATIENCE)).expect("set");
    let address = other.local_addr().expect("bound");
    let granted = format!("127.0.0.1:{}", address.port());
    let server = server(&["--send-to", &granted]);
    assert_eq!(server.ask(format!("send-to {address} forwarded")), "sent");
    let mut buffer = [0; 100];
    let (count, sender) = other.recv_from(&mut buffer).expect("a packet");
    assert_eq!(&buffer[..count], b"forwarded");
    assert_eq!(sender.port(), server.address().port());
    assert_eq!(server.ask("send-to 127.0.0.2:9 x"), "access-denied");
    let _ = server.said(&["denied: send to 127.0.0.2:9"]);
    assert_eq!(server.ask("send-to-client back"), "back");
}

#[test]
fn a_flood_of_packets_is_answered_while_there_is_room() {
    let server = server(&["--max-children", "4"]);
    let mut client = server.connect();
    for _ in 0..50 {
        client.send(b"upper x").expect("sent");
    }
    for _ in 0..50 {
        assert_eq!(client.answer().expect("an answer"), "X", "{server}");
    }
    assert_all_gone(&server);
}
