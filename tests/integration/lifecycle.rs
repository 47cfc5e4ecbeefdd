//! Signals, draining, a number of requests: how a server ends.

use rustix::process::Signal;
use tests::{SCHEDULES, Serve, Server, TRANSPORTS, guest};

fn serve() -> Serve {
    Serve::new(guest("misbehave"))
}

/// A connection in the middle of its request: its handler has greeted, and waits for the answer.
fn in_mid_request(server: &Server) -> tests::Client {
    let mut client = server.connect();
    client.send(b"greet\n").expect("sent");
    assert_eq!(client.exactly(5).expect("a greeting"), "hello");
    client
}

#[test]
fn both_signals_end_a_server_with_0() {
    for transport in TRANSPORTS {
        for signal in [Signal::TERM, Signal::INT] {
            let folder = tempfile::tempdir().expect("a folder");
            let server = serve().on(transport, folder.path()).start();
            server.assert_well();
            server.signal(signal);
            server.wait().assert(0, &["stopping"]);
            assert!(
                !folder.path().join("socket").exists(),
                "the socket's file is left"
            );
        }
    }
}

#[test]
fn a_running_request_is_finished_after_the_signal() {
    for schedule in SCHEDULES {
        let server = serve().args(["--schedule", schedule]).start();
        let mut client = in_mid_request(&server);
        server.signal(Signal::TERM);
        let _ = server.said(&["stopping"]);
        assert_eq!(client.ask(b"bye").expect("an answer"), "bye");
        server.wait().assert(0, &[]);
    }
}

#[test]
fn a_packet_that_was_taken_before_the_signal_is_answered() {
    let server = serve().args(["--proto", "udp"]).start();
    let mut client = server.connect();
    client.send(b"sleep 500").expect("sent");
    // It is being served when a later one has been.
    assert_eq!(client.ask(b"upper later").expect("an answer"), "LATER");
    server.signal(Signal::TERM);
    assert_eq!(client.answer().expect("an answer"), "slept");
    server.wait().assert(0, &[]);
}

#[test]
fn a_drain_that_takes_too_long_is_cut_short_with_3() {
    for schedule in SCHEDULES {
        let arguments = ["--drain-timeout", "200ms", "--schedule", schedule];
        let server = serve().args(arguments).start();
        let mut client = in_mid_request(&server);
        server.signal(Signal::TERM);
        let ended = server.wait();
        ended.assert(3, &["stopping", "cut short", "1 requests: 1 aborted"]);
        assert_eq!(client.answer().expect("the stream's end"), "");
    }
}

#[test]
fn a_spinning_request_does_not_keep_a_cut_short_drain() {
    for schedule in SCHEDULES {
        let arguments = [
            "--drain-timeout",
            "100ms",
            "--cpu-limit",
            "1h",
            "--schedule",
            schedule,
        ];
        let server = serve().args(arguments).start();
        let mut client = server.connect();
        client.send(b"print spinning\n").expect("sent");
        assert_eq!(client.answer().expect("an answer"), "printed");
        let mut spinner = server.connect();
        spinner.send(b"talk 3600000\nstarted").expect("sent");
        assert_eq!(spinner.exactly(7).expect("an echo"), "started");
        spinner.send(b"spin now").expect("sent");
        server.signal(Signal::TERM);
        server.wait().assert(3, &["cut short"]);
    }
}

#[test]
fn a_second_signal_stops_now_with_3() {
    for schedule in SCHEDULES {
        let arguments = ["--drain-timeout", "1h", "--schedule", schedule];
        let server = serve().args(arguments).start();
        let _client = in_mid_request(&server);
        server.signal(Signal::TERM);
        let _ = server.said(&["stopping"]);
        server.signal(Signal::INT);
        server.wait().assert(3, &["cut short"]);
    }
}

#[test]
fn a_hangup_and_a_broken_pipe_are_ignored() {
    let server = serve().start();
    server.signal(Signal::HUP);
    server.assert_well();
    server.signal(Signal::PIPE);
    server.assert_well();
    server.stop().assert(0, &[]);
}

#[test]
fn a_number_of_requests_and_then_the_end() {
    for transport in TRANSPORTS {
        for schedule in SCHEDULES {
            let folder = tempfile::tempdir().expect("a folder");
            let arguments = ["--requests", "3", "--schedule", schedule];
            let server = serve().on(transport, folder.path()).args(arguments).start();
            for _ in 0..3 {
                server.assert_well();
            }
            server.wait().assert(0, &[]);
        }
    }
}

#[test]
fn the_last_of_a_number_of_requests_is_waited_for() {
    let server = serve().args(["--requests", "2"]).start();
    let mut first = in_mid_request(&server);
    let mut second = in_mid_request(&server);
    assert_eq!(second.ask(b"second").expect("an answer"), "second");
    assert_eq!(first.ask(b"first").expect("an answer"), "first");
    server.wait().assert(0, &[]);
}

#[test]
fn a_time_without_a_request_ends_with_0_and_a_line() {
    let server = serve()
        .args(["--requests", "2", "--timeout", "300ms"])
        .start();
    server.assert_well();
    server.wait().assert(0, &["no request has come in time"]);
}

/// No client is lost when one server takes over from another at the same port.
#[test]
fn a_restart_finds_its_port_free() {
    let server = serve().start();
    let port = server.address().port();
    // The server's side closes first, and is the one that lingers.
    for _ in 0..5 {
        server.assert_well();
    }
    server.stop().assert(0, &[]);
    let again = serve().bind(format!("127.0.0.1:{port}")).start();
    again.assert_well();
}

#[test]
fn connections_that_wait_in_the_queue_are_answered_by_a_server_that_goes_on() {
    let server = serve().args(["--schedule", "sync"]).start();
    let mut first = in_mid_request(&server);
    let mut waiting: Vec<_> = (0..20).map(|_| server.connect()).collect();
    for client in &mut waiting {
        client.send(b"upper queued\n").expect("sent");
    }
    assert_eq!(first.ask(b"go on").expect("an answer"), "go on");
    for mut client in waiting {
        assert_eq!(client.answer().expect("an answer"), "QUEUED");
    }
}

#[test]
fn a_number_of_requests_is_waited_for_however_long_they_take() {
    let arguments = ["--requests", "1", "--drain-timeout", "1ms"];
    let server = serve().args(arguments).start();
    let mut client = server.connect();
    client.send(b"talk 1\n").expect("sent");
    for _ in 0..50 {
        client.send(b"word").expect("sent");
        assert_eq!(client.exactly(4).expect("an answer"), "word", "{server}");
    }
    client.half_close().expect("half closed");
    server.wait().assert(0, &[]);
}

#[test]
fn a_signal_in_the_middle_of_a_number_of_requests_is_not_forgotten() {
    let arguments = ["--requests", "5", "--schedule", "sync"];
    let server = serve().args(arguments).start();
    let mut client = in_mid_request(&server);
    server.signal(Signal::TERM);
    let _ = server.said(&["stopping"]);
    assert_eq!(client.ask(b"bye").expect("an answer"), "bye");
    server.wait().assert(0, &[]);
}
