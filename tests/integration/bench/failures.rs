//! What is no reply: the wrong one, one that is late or never comes, and nobody who could give one.

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};

use super::other::{Other, echo, read_request, wait_until_left};
use super::{PAYLOAD, assert_failed, bench, measured};

#[test]
fn a_wrong_reply_is_shown_and_not_counted() {
    let other = Other::new(|stream| {
        let request = read_request(stream)?;
        stream.write_all(&request[..4])?;
        stream.write_all(b"\x1b[2J")
    });
    let flags = ["-n", "10", "--expect", "echo"];
    assert_failed(&measured(&other.address, &flags, 3), "wrong", 10);
    let run = bench(&other.address, &flags);
    let shown = r#"the first wrong: at byte 4 of 32: expected "efghijklmnopqrstuvwxyz01234\n", got "\u{1b}[2J""#;
    assert!(run.stdout.contains(shown), "{}", run.stdout);
    assert!(
        run.stdout.contains("errors     10: 10 wrong"),
        "{}",
        run.stdout
    );
}

#[test]
fn a_reply_that_goes_on_is_wrong() {
    let other = Other::new(|stream| {
        let request = read_request(stream)?;
        stream.write_all(&request)?;
        wait_until_left(stream)?;
        stream.write_all(b"more")
    });
    let found = measured(&other.address, &["-n", "4", "--expect", "echo"], 3);
    assert_failed(&found, "wrong", 4);
}

#[test]
fn a_reply_that_stops_is_wrong_or_none() {
    let other = Other::new(|stream| {
        let request = read_request(stream)?;
        stream.write_all(&request[..4])
    });
    let found = measured(&other.address, &["-n", "4", "--expect", "echo"], 3);
    assert_failed(&found, "wrong", 4);
    let flags = [
        "-n",
        "4",
        "--expect",
        "echo",
        "--requests-per-connection",
        "2",
    ];
    assert_failed(&measured(&other.address, &flags, 3), "closed", 4);
}

#[test]
fn a_server_that_closes_without_a_word_has_not_served() {
    let other = Other::new(|stream| read_request(stream).map(drop));
    for expect in ["any", "echo"] {
        let found = measured(&other.address, &["-n", "4", "--expect", expect], 3);
        assert_failed(&found, "closed", 4);
    }
}

#[test]
fn a_reset_is_counted() {
    let other = Other::new(|stream| {
        let _ = read_request(stream)?;
        SockRef::from(&*stream).set_linger(Some(Duration::ZERO))
    });
    assert_failed(&measured(&other.address, &["-n", "4"], 3), "reset", 4);
}

#[test]
fn a_server_that_never_answers_runs_into_time_outs() {
    let other = Other::new(wait_until_left);
    let flags = ["-n", "4", "-c", "2", "--timeout", "100ms"];
    assert_failed(&measured(&other.address, &flags, 3), "timeout", 4);
    let silent = UdpSocket::bind("127.0.0.1:0").expect("bound");
    let address = format!("udp://{}", silent.local_addr().expect("it is bound"));
    assert_failed(&measured(&address, &flags, 3), "timeout", 4);
}

/// The first packet is answered when the second one has come: that one is not answered at all.
#[test]
fn a_late_datagram_is_not_the_next_ones_reply() {
    let server = UdpSocket::bind("127.0.0.1:0").expect("bound");
    let address = format!("udp://{}", server.local_addr().expect("it is bound"));
    let serving = std::thread::spawn(move || {
        let mut packet = [0; PAYLOAD];
        let (_, first) = server.recv_from(&mut packet).expect("a packet");
        let (_, second) = server.recv_from(&mut packet).expect("another");
        server.send_to(&packet, first).expect("sent");
        assert_ne!(first, second, "the socket is a new one");
    });
    let found = measured(&address, &["-n", "2", "-c", "1", "--timeout", "200ms"], 3);
    assert_failed(&found, "timeout", 2);
    serving.join().expect("no panic");
}

/// An address at which nobody answers, and that nobody else is given while its socket lives: a stream's does not
/// listen, a datagram's talks to itself only.
fn deaf(kind: Type) -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, kind, None).expect("a socket");
    let any: SocketAddr = "127.0.0.1:0".parse().expect("an address");
    socket.bind(&any.into()).expect("bound");
    let own = socket.local_addr().expect("it is bound");
    if kind == Type::DGRAM {
        socket.connect(&own).expect("connected");
    }
    (socket, own.as_socket().expect("one of IP"))
}

#[test]
fn nobody_there_is_one_line() {
    let ((_tcp, tcp), (_udp, udp)) = (deaf(Type::STREAM), deaf(Type::DGRAM));
    for (address, reason) in [
        (format!("tcp://{tcp}"), "connection refused"),
        (format!("udp://{udp}"), "connection refused"),
        (
            "unix:///no/such.sock".to_owned(),
            "no such file or directory",
        ),
        ("unixgram:@nobody-is-here".to_owned(), "connection refused"),
    ] {
        let run = bench(&address, &["-d", "20s"]);
        let line = format!("error: {address}: {reason}: is the server running?\n");
        assert_eq!((run.code, run.stderr), (Some(1), line));
        assert_eq!(run.stdout, "");
    }
    let run = bench("tcp://no.such.host.invalid:1", &[]);
    assert_eq!(run.code, Some(1));
    assert!(
        run.stderr.contains("cannot resolve no.such.host.invalid"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_server_that_goes_away_does_not_end_the_run() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = format!("tcp://{}", listener.local_addr().expect("it is bound"));
    let serving = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        drop(listener);
        echo(&mut stream).expect("an answer");
    });
    let flags = [
        "-d",
        "300ms",
        "-c",
        "1",
        "--warm-up",
        "0s",
        "--expect",
        "echo",
    ];
    let found = measured(&address, &flags, 3);
    serving.join().expect("no panic");
    assert_eq!(found["requests"], 1, "{found}");
    let refused = found["errors_by_kind"]["connect"]
        .as_u64()
        .expect("a number");
    assert!(
        (1..100).contains(&refused),
        "it rests between them: {found}"
    );
}
