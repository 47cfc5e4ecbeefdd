//! Datagrams: their length, their silence, and the address that an answer leaves from.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use tests::{Address, Client, PATIENCE, Serve, guest};

fn serve() -> Serve {
    Serve::new(guest("misbehave")).args(["--proto", "udp"])
}

#[test]
fn a_packet_that_is_too_long_is_delivered_cut_short_and_marked() {
    let server = serve().args(["--max-packet-size", "100"]).start();
    let packet = |length: usize| {
        let mut packet = b"length\n".to_vec();
        packet.resize(length, b'x');
        packet
    };
    assert_eq!(server.ask(packet(100)), "100 false");
    assert_eq!(server.ask(packet(101)), "100 true");
    assert_eq!(server.ask(packet(9000)), "100 true");
}

#[test]
fn the_default_takes_8192_bytes_and_any_packet_can_be_taken_whole() {
    let mut packet = b"length\n".to_vec();
    packet.resize(8193, b'x');
    assert_eq!(serve().start().ask(&packet), "8192 true");
    packet.resize(65_507, b'x');
    let server = serve().args(["--max-packet-size", "65535"]).start();
    assert_eq!(server.ask(&packet), "65507 false");
}

/// Else one packet that somebody sends in the server's name would be answered without end.
#[test]
fn a_packet_that_claims_to_come_from_the_server_itself_is_dropped() {
    let server = serve().args(["--send-to", "127.0.0.1:*", "--access-log", "all"]);
    let server = server.start();
    let Address::Udp(itself) = server.address() else {
        panic!("{server}")
    };
    assert_eq!(server.ask(format!("send-to {itself} reply again")), "sent");
    assert_eq!(server.ask("reply x"), "x");
    let line = server.end_of(2);
    assert!(
        line.contains("bytes_in=7"),
        "the second is the client's: {line}"
    );
}

#[test]
fn a_long_unix_packet_is_cut_short_and_marked_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let serve = Serve::new(guest("misbehave")).on("unixgram", folder.path());
    let server = serve.args(["--max-packet-size", "10"]).start();
    assert_eq!(server.ask("length\nand more than ten"), "10 true");
}

#[test]
fn a_handler_may_stay_silent_and_may_send_nothing_on_purpose() {
    let server = serve().start();
    let mut client = server.connect();
    client.send(b"silence").expect("sent");
    assert_eq!(client.ask(b"empty").expect("an empty packet"), "");
    assert_eq!(client.ask(b"upper after").expect("an answer"), "AFTER");
    assert_eq!(client.ask(b"twice").expect("the first"), "one");
    assert_eq!(client.answer().expect("the second"), "two");
}

#[test]
fn a_handler_that_failed_sends_nothing() {
    let server = serve().args(["--schedule", "sync"]).start();
    let mut client = server.connect();
    for request in ["error x", "panic x", "trap", "exit 0"] {
        client.send(request.as_bytes()).expect("sent");
    }
    assert_eq!(client.ask(b"upper next").expect("an answer"), "NEXT");
}

#[test]
fn an_empty_packet_is_a_request() {
    let server = serve().args(["--access-log", "all"]).start();
    let mut client = server.connect();
    client.send(b"").expect("sent");
    // The empty command is none, which is an error of this handler.
    let _ = server.said(&["id=1", "no such command", "bytes_in=0"]);
    server.assert_well();
}

#[test]
fn an_answer_that_is_too_long_is_an_error_that_the_handler_sees() {
    let server = serve().args(["--max-amplification", "none"]).start();
    assert_eq!(server.ask("long 65507").len(), 65_507);
    assert_eq!(server.ask("long 65508"), "message-too-long");
}

#[test]
fn a_client_whose_port_is_closed_does_not_disturb_the_others() {
    let server = serve().args(["--schedule", "sync"]).start();
    for _ in 0..5 {
        let mut gone = server.connect();
        gone.send(b"compute 20").expect("sent");
        drop(gone);
        server.assert_well();
    }
}

/// Asks from a socket that is not connected, and returns who answered.
fn answered_by(server: SocketAddr, request: &[u8]) -> (SocketAddr, String) {
    let client = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a socket");
    client.set_read_timeout(Some(PATIENCE)).expect("set");
    client.send_to(request, server).expect("sent");
    let mut buffer = [0; 1000];
    let (count, from) = client.recv_from(&mut buffer).expect("an answer");
    (from, String::from_utf8_lossy(&buffer[..count]).into_owned())
}

#[test]
fn an_answer_leaves_from_the_address_that_the_packet_came_to() {
    for everywhere in ["0.0.0.0:0", ":0"] {
        let server = serve().bind(everywhere).start();
        let port = server.address().port();
        for host in [[127, 0, 0, 1], [127, 0, 0, 2], [127, 1, 2, 3]] {
            let address = SocketAddr::from((host, port));
            let (from, told) = answered_by(address, b"server");
            assert_eq!(from, address, "{everywhere}");
            assert_eq!(told, format!("ipv4 {address}"));
        }
    }
}

/// The first packet may be there before anybody serves.
#[test]
fn so_does_the_answer_to_the_very_first_packet() {
    for _ in 0..10 {
        let server = serve().bind("0.0.0.0:0").start();
        let address = SocketAddr::from(([127, 0, 0, 2], server.address().port()));
        assert_eq!(
            answered_by(address, b"upper first"),
            (address, "FIRST".to_owned())
        );
    }
}

#[test]
fn a_flood_of_packets_is_answered_while_there_is_room() {
    let server = serve().args(["--receive-buffer", "4MiB"]).start();
    let mut clients: Vec<Client> = (0..20).map(|_| server.connect()).collect();
    for round in 0..20 {
        for client in &mut clients {
            client
                .send(format!("reply {round}").as_bytes())
                .expect("sent");
        }
        for client in &mut clients {
            assert_eq!(client.answer().expect("an answer"), round.to_string());
        }
    }
    server.stop().assert(0, &[]);
}
