//! Limits of what moves between a client and its handler, under every schedule: the first byte, bytes that nobody reads,
//! bytes in and out, packets.

use tests::{Client, SCHEDULES, Serve, Server, guest};

fn server(schedule: &str, limits: &[&str]) -> Server {
    // Shown if the test fails.
    println!("{schedule}, {limits:?}");
    let serve = Serve::new(guest("misbehave")).args(["--schedule", schedule]);
    serve.args(limits).args(["--access-log", "all"]).start()
}

fn connect(server: &Server, request: &str) -> Client {
    let mut client = server.connect();
    client.send(request.as_bytes()).expect("sent");
    client
}

#[test]
fn a_client_that_says_nothing_meets_the_first_byte_timeout() {
    for schedule in SCHEDULES {
        let server = server(schedule, &["--first-byte-timeout", "200ms"]);
        let mut silent = server.connect();
        assert_eq!(silent.answer().expect("the stream's end"), "");
        let _ = server.said(&["outcome=\"first-byte\"", "fault=client"]);
        server.assert_well();
    }
}

/// Neither does who is served without having to ask, nor who has begun.
#[test]
fn who_has_said_something_does_not_meet_the_first_byte_timeout() {
    for schedule in ["threaded", "forking"] {
        let server = server(schedule, &["--first-byte-timeout", "100ms"]);
        let mut client = connect(&server, "g");
        let mut silent = server.connect();
        assert_eq!(silent.answer().expect("the stream's end"), "");
        client.send(b"reet\n").expect("sent");
        assert_eq!(client.exactly(5).expect("a greeting"), "hello");
    }
}

/// The ways in which a handler can write.
const WRITES: [&str; 3] = ["wfile-write", "socket-send", "blocking-write"];

#[test]
fn a_client_that_reads_nothing_meets_the_write_timeout() {
    for schedule in SCHEDULES {
        for write in WRITES {
            let limits = ["--write-timeout", "200ms", "--send-buffer", "64KiB"];
            let server = server(schedule, &limits);
            let client = connect(&server, &format!("{write} 1000000\n"));
            let _ = server.said(&["outcome=\"write\"", "fault=client"]);
            drop(client);
            server.assert_well();
        }
    }
}

#[test]
fn a_client_that_reads_slowly_does_not_meet_the_write_timeout() {
    for schedule in SCHEDULES {
        let limits = ["--write-timeout", "1s", "--send-buffer", "64KiB"];
        let limits = [&limits[..], &["--cpu-limit", "none"]].concat();
        let server = server(schedule, &limits);
        let mut client = connect(&server, "wfile-write 4194304\n");
        assert_eq!(client.bytes().expect("an answer").len(), 4 << 20);
        let _ = server.said(&["outcome=\"ok\""]);
    }
}

#[test]
fn a_client_that_sends_too_much_is_ended() {
    for schedule in SCHEDULES {
        let server = server(schedule, &["--max-bytes-in", "100"]);
        let mut client = connect(&server, "length\n");
        client.send(&[b'x'; 93]).expect("sent");
        client.half_close().expect("half closed");
        assert_eq!(client.answer().expect("an answer"), "93");
        let mut client = connect(&server, "length\n");
        client.send(&[b'x'; 94]).expect("sent");
        assert_eq!(client.answer().expect("the stream's end"), "");
        let _ = server.said(&["outcome=\"bytes-in\"", "fault=client", "bytes_in=100"]);
        server.assert_well();
    }
}

#[test]
fn a_handler_that_sends_too_much_is_ended() {
    for schedule in SCHEDULES {
        for write in WRITES {
            let server = server(schedule, &["--max-bytes-out", "70000"]);
            let ask = |length: u32| {
                let mut client = connect(&server, &format!("{write} {length}\n"));
                client.bytes().expect("an answer").len()
            };
            assert_eq!(ask(70_000), 70_000);
            let _ = server.said(&["outcome=\"ok\""]);
            assert_eq!(ask(70_001), 70_000, "{write}: {server}");
            let _ = server.said(&["outcome=\"bytes-out\"", "fault=handler", "bytes_out=70000"]);
        }
    }
}

#[test]
fn a_packets_handler_that_sends_too_much_is_ended() {
    for schedule in SCHEDULES {
        let limits = ["--max-bytes-out", "100", "--max-amplification", "none"];
        let server = server(schedule, &[&["--proto", "udp"], &limits[..]].concat());
        assert_eq!(server.ask("long 100").len(), 100);
        assert_eq!(server.ask("long 101"), "limit-reached");
        let _ = server.said(&["outcome=\"bytes-out\"", "fault=handler", "max-bytes-out"]);
    }
}

#[test]
fn a_packets_handler_that_sends_too_often_is_ended() {
    for schedule in SCHEDULES {
        let limits = ["--max-datagrams-out", "3", "--max-amplification", "none"];
        let server = server(schedule, &[&["--proto", "udp"], &limits[..]].concat());
        let mut client = connect(&server, "many 100");
        for number in 0..3 {
            assert_eq!(client.answer().expect("a packet"), number.to_string());
        }
        let _ = server.said(&["outcome=\"bytes-out\"", "max-datagrams-out"]);
        assert_eq!(client.ask(b"upper next").expect("an answer"), "NEXT");
    }
}
