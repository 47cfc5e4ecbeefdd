//! Memory, computing, wall and idle time: who meets a limit, and who must not.

use std::thread;

use tests::{Serve, guest};

fn serve() -> Serve {
    Serve::new(guest("misbehave"))
}

#[test]
fn quick_requests_are_served_beside_more_spinning_guests_than_cores() {
    let server = serve().start();
    let cores = thread::available_parallelism().map_or(2, usize::from);
    let spinners = 2 * cores + 2;
    let mut spinning: Vec<_> = (0..spinners).map(|_| server.connect()).collect();
    for client in &mut spinning {
        client.send(b"spin\n").expect("sent");
    }
    for _ in 0..10 {
        server.assert_well();
    }
    let ended = server.stderr().matches("outcome=\"cpu\"").count();
    assert!(
        ended < spinners,
        "the quick ones waited for all the others: {server}"
    );
    for mut client in spinning {
        assert_eq!(client.answer().expect("the stream's end"), "");
    }
}

/// Nothing ends the spinning ones: whoever is answered was answered beside them.
#[test]
fn guests_that_spin_for_ever_on_every_core_keep_nobody_from_an_answer() {
    let cores = thread::available_parallelism().map_or(2, usize::from);
    for transport in ["tcp", "udp"] {
        let limits = ["--cpu-limit", "1h", "--wall-limit", "1h"];
        let arguments = ["--proto", transport, "--access-log", "all"];
        let server = serve().args(limits).args(arguments).start();
        let mut spinning: Vec<_> = (0..2 * cores + 2).map(|_| server.connect()).collect();
        for client in &mut spinning {
            client.send(b"spin\n").expect("sent");
            server.assert_well();
        }
        let ended = server.stderr().matches("outcome=").count();
        assert!(ended <= spinning.len(), "a spinning one ended: {server}");
    }
}

#[test]
fn a_conversation_may_be_longer_than_the_limits_of_computing_and_of_packets() {
    let limits = ["--cpu-limit", "100ms", "--idle-limit", "10s"];
    let server = serve().args(limits).start();
    let mut client = server.connect();
    client.send(b"talk 30\n").expect("sent");
    // 600 ms of computing in all. On a busy machine the next word may be there before the handler asks for
    // it: that it had none before is what counts.
    for _ in 0..20 {
        client.send(b"word").expect("sent");
        assert_eq!(client.exactly(4).expect("an answer"), "word", "{server}");
    }
    client.half_close().expect("half closed");
    assert_eq!(client.answer().expect("the stream's end"), "");
    assert_eq!(server.stop().stderr.matches("outcome").count(), 0);
}

#[test]
fn computing_counts_between_two_waits_for_the_client() {
    let server = serve().args(["--cpu-limit", "100ms"]).start();
    let mut client = server.connect();
    client.send(b"talk 10000\nfirst").expect("sent");
    assert_eq!(client.exactly(5).expect("an answer"), "first");
    assert_eq!(client.ask(b"more").expect("the stream's end"), "");
    let _ = server.said(&["outcome=\"cpu\"", "fault=handler"]);
    server.assert_well();
}

#[test]
fn a_packet_that_sleeps_meets_the_wall_limit() {
    let server = serve()
        .args(["--proto", "udp", "--wall-limit", "200ms"])
        .start();
    let mut client = server.connect();
    client.send(b"sleep 3600000").expect("sent");
    let _ = server.said(&["outcome=\"wall\"", "fault=handler"]);
    server.assert_well();
}

#[test]
fn a_packet_that_sleeps_meets_the_default_wall_limit_within_ten_seconds() {
    let server = serve().args(["--proto", "udp"]).start();
    let mut client = server.connect();
    client.send(b"sleep 3600000").expect("sent");
    let _ = server.said(&["outcome=\"wall\"", "fault=handler"]);
}

#[test]
fn sleeping_below_the_limits_is_no_offence() {
    let server = serve()
        .args(["--proto", "udp", "--cpu-limit", "100ms"])
        .start();
    assert_eq!(server.ask("sleep 400"), "slept");
}

#[test]
fn a_streams_wall_limit_is_off_unless_it_is_asked_for() {
    let server = serve().args(["--wall-limit", "200ms"]).start();
    assert_eq!(server.ask("sleep 3600000\n"), "");
    let _ = server.said(&["outcome=\"wall\"", "fault=handler"]);
    server.assert_well();
}

#[test]
fn a_silent_client_meets_the_idle_limit() {
    let server = serve().args(["--idle-limit", "300ms"]).start();
    let mut silent = server.connect();
    assert_eq!(silent.answer().expect("the stream's end"), "");
    let _ = server.said(&["outcome=\"idle\"", "fault=client"]);
    server.assert_well();
}

#[test]
fn a_client_that_reads_nothing_meets_the_idle_limit() {
    let server = serve()
        .args(["--idle-limit", "300ms", "--send-buffer", "64KiB"])
        .start();
    let mut client = server.connect();
    client.send(b"wfile-write 16777216\n").expect("sent");
    let _ = server.said(&["outcome=\"idle\"", "fault=client"]);
    drop(client);
    server.assert_well();
}

#[test]
fn bytes_that_move_keep_a_connection_from_being_idle() {
    let server = serve()
        .args(["--idle-limit", "1s", "--cpu-limit", "none"])
        .start();
    let mut client = server.connect();
    client.send(b"talk 150\n").expect("sent");
    for _ in 0..10 {
        client.send(b"word").expect("sent");
        assert_eq!(client.exactly(4).expect("an answer"), "word", "{server}");
    }
}

#[test]
fn memory_below_the_limit_is_given_and_above_it_refused() {
    let server = serve().args(["--max-memory", "16MiB"]).start();
    assert_eq!(server.ask("allocate 8000000\n"), "8000000");
    assert_eq!(server.ask("allocate 20000000\n"), "");
    let _ = server.said(&["outcome=\"memory\"", "fault=handler"]);
    server.assert_well();
}

#[test]
fn computing_below_the_limit_is_no_offence() {
    for proto in ["tcp", "udp"] {
        let server = serve()
            .args(["--cpu-limit", "400ms", "--proto", proto])
            .start();
        assert_eq!(server.ask("compute 100\n"), "computed");
    }
}

#[test]
fn a_handler_that_needs_more_memory_than_it_may_have_is_not_served() {
    let ended = serve().args(["--max-memory", "64KiB"]).run();
    ended.assert_one_line(1, &["begins with", "max-memory"]);
}

#[test]
fn a_handler_that_sleeps_is_to_blame_for_an_idle_connection() {
    let server = serve().args(["--idle-limit", "200ms"]).start();
    let mut client = server.connect();
    client.send(b"sleep 3600000\n").expect("sent");
    let _ = server.said(&["outcome=\"idle\"", "fault=handler"]);
    server.assert_well();
}
