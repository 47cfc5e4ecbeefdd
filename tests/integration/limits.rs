//! Memory, computing, wall and idle time: who meets a limit, and who must not.

use std::thread;

use rustix::process::Signal;
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
    ended.assert_one_line(
        1,
        &["begins with", "bytes of memory, and max-memory is 65536"],
    );
}

#[test]
fn a_component_of_too_many_parts_is_not_served() {
    for (limit, most, what) in [
        ("--max-instances", "1", "instances, and max-instances is 1:"),
        ("--max-tables", "1", "tables, and max-tables is 1:"),
        (
            "--max-table-elements",
            "2",
            "elements in a table, and max-table-elements is 2:",
        ),
    ] {
        let ended = serve().args([limit, most]).run();
        ended.assert_one_line(1, &["misbehave begins with", what, "raise it"]);
    }
}

/// What compiled code keeps on its stack, not what a language keeps on one of its own.
#[test]
fn a_stack_is_as_deep_as_it_may_be() {
    let server = serve().args(["--max-stack", "1MiB"]).start();
    assert_ne!(server.ask("recurse 1000\n"), "");
    let server = serve().args(["--max-stack", "64KiB"]).start();
    assert_eq!(server.ask("recurse 1000\n"), "");
    let _ = server.said(&["outcome=\"stack\"", "fault=handler"]);
    server.assert_well();
}

#[test]
fn fuel_ends_at_the_same_instruction_each_time() {
    let server = serve()
        .args(["--max-fuel", "10000000", "--access-log", "all"])
        .start();
    server.assert_well();
    let dots: Vec<_> = (0..2)
        .map(|_| {
            let mut client = server.connect();
            client.send(b"dots\n").expect("sent");
            client.answer().expect("the stream's end").len()
        })
        .collect();
    assert!(dots[0] > 100 && dots[0] == dots[1], "{dots:?}");
    server.assert_well();
    let ended = server.stop();
    assert_eq!(
        ended.stderr.matches("outcome=\"fuel\"").count(),
        2,
        "{ended}"
    );
}

#[test]
fn a_long_conversation_meets_the_total_cpu_limit() {
    let limits = ["--cpu-limit", "1s", "--total-cpu-limit", "300ms"];
    let server = serve().args(limits).start();
    let mut client = server.connect();
    client.send(b"talk 100\n").expect("sent");
    let mut words = 0;
    while client.send(b"word").is_ok() && client.exactly(4).is_ok_and(|word| word == "word") {
        words += 1;
        assert!(words < 10, "{server}");
    }
    let _ = server.said(&["outcome=\"cpu\"", "fault=handler", "total-cpu-limit"]);
    server.assert_well();
}

#[test]
fn a_client_that_says_nothing_meets_the_first_byte_timeout() {
    let server = serve().args(["--first-byte-timeout", "200ms"]).start();
    let mut silent = server.connect();
    assert_eq!(silent.answer().expect("the stream's end"), "");
    let _ = server.said(&["outcome=\"first-byte\"", "fault=client"]);
    server.assert_well();
}

/// Neither does who is served without having to ask, nor who has begun.
#[test]
fn who_has_said_something_does_not_meet_the_first_byte_timeout() {
    let server = serve().args(["--first-byte-timeout", "100ms"]).start();
    let mut client = server.connect();
    client.send(b"g").expect("sent");
    let mut silent = server.connect();
    assert_eq!(silent.answer().expect("the stream's end"), "");
    client.send(b"reet\n").expect("sent");
    assert_eq!(client.exactly(5).expect("a greeting"), "hello");
}

#[test]
fn a_client_that_reads_nothing_meets_the_write_timeout() {
    for write in ["wfile-write", "socket-send", "blocking-write"] {
        let server = serve()
            .args(["--write-timeout", "200ms", "--send-buffer", "64KiB"])
            .start();
        let mut client = server.connect();
        client
            .send(format!("{write} 1000000\n").as_bytes())
            .expect("sent");
        let _ = server.said(&["outcome=\"write\"", "fault=client"]);
        drop(client);
        server.assert_well();
    }
}

#[test]
fn a_client_that_reads_slowly_does_not_meet_the_write_timeout() {
    let server = serve()
        .args(["--write-timeout", "1s", "--send-buffer", "64KiB"])
        .args(["--cpu-limit", "none", "--access-log", "all"])
        .start();
    let mut client = server.connect();
    client.send(b"wfile-write 4194304\n").expect("sent");
    assert_eq!(client.bytes().expect("an answer").len(), 4 << 20);
    let _ = server.said(&["outcome=\"ok\""]);
}

#[test]
fn a_client_that_sends_too_much_is_ended() {
    let server = serve().args(["--max-bytes-in", "100"]).start();
    let mut client = server.connect();
    client.send(b"length\n").expect("sent");
    client.send(&[b'x'; 93]).expect("sent");
    client.half_close().expect("half closed");
    assert_eq!(client.answer().expect("an answer"), "93");
    let mut client = server.connect();
    client.send(b"length\n").expect("sent");
    client.send(&[b'x'; 94]).expect("sent");
    assert_eq!(client.answer().expect("the stream's end"), "");
    let _ = server.said(&["outcome=\"bytes-in\"", "fault=client", "bytes_in=100"]);
    server.assert_well();
}

#[test]
fn a_handler_that_sends_too_much_is_ended() {
    for write in ["wfile-write", "socket-send", "blocking-write"] {
        let server = serve()
            .args(["--max-bytes-out", "70000", "--access-log", "all"])
            .start();
        let ask = |length: u32| {
            let mut client = server.connect();
            client
                .send(format!("{write} {length}\n").as_bytes())
                .expect("sent");
            client.bytes().expect("an answer").len()
        };
        assert_eq!(ask(70_000), 70_000);
        let _ = server.said(&["outcome=\"ok\""]);
        assert_eq!(ask(70_001), 70_000, "{write}: {server}");
        let _ = server.said(&["outcome=\"bytes-out\"", "fault=handler", "bytes_out=70000"]);
    }
}

#[test]
fn a_packets_handler_that_sends_too_much_is_ended() {
    let limits = ["--max-bytes-out", "100", "--max-amplification", "none"];
    let server = serve().args(["--proto", "udp"]).args(limits).start();
    assert_eq!(server.ask("long 100").len(), 100);
    assert_eq!(server.ask("long 101"), "limit-reached");
    let _ = server.said(&["outcome=\"bytes-out\"", "fault=handler", "max-bytes-out"]);
}

#[test]
fn a_packets_handler_that_sends_too_often_is_ended() {
    let limits = ["--max-datagrams-out", "3", "--max-amplification", "none"];
    let server = serve().args(["--proto", "udp"]).args(limits).start();
    let mut client = server.connect();
    client.send(b"many 100").expect("sent");
    for number in 0..3 {
        assert_eq!(client.answer().expect("a packet"), number.to_string());
    }
    let _ = server.said(&["outcome=\"bytes-out\"", "max-datagrams-out"]);
    assert_eq!(client.ask(b"upper next").expect("an answer"), "NEXT");
}

#[test]
fn counters_are_told_at_the_end_and_when_somebody_asks() {
    let server = serve().args(["--log-level", "warn"]).start();
    server.assert_well();
    assert_eq!(server.ask("panic x\n"), "");
    let _ = server.said(&["outcome=\"trap\""]);
    server.signal(Signal::USR1);
    let _ = server.said(&["2 requests: 1 ok, 1 trap"]);
    let server = serve().start();
    server.assert_well();
    assert_eq!(server.ask("exit 1\n"), "");
    server.stop().assert(0, &["2 requests: 1 ok, 1 exit"]);
}

#[test]
fn a_handler_that_sleeps_is_to_blame_for_an_idle_connection() {
    let server = serve().args(["--idle-limit", "200ms"]).start();
    let mut client = server.connect();
    client.send(b"sleep 3600000\n").expect("sent");
    let _ = server.said(&["outcome=\"idle\"", "fault=handler"]);
    server.assert_well();
}

#[test]
fn the_memory_of_all_requests_together_is_limited() {
    let server = serve()
        .args(["--max-total-memory", "24MiB", "--access-log", "all"])
        .start();
    let mut one = server.connect();
    one.send(b"allocate-and-echo 16000000\n").expect("sent");
    assert_eq!(one.exactly(8).expect("an answer"), "16000000");
    assert_eq!(server.ask("allocate-and-echo 16000000\n"), "");
    let _ = server.said(&["outcome=\"memory\"", "fault=operator", "max-total-memory"]);
    drop(one);
    let _ = server.said(&["outcome=\"ok\"", "id=1"]);
    // What the first one had is there again.
    assert_eq!(server.ask("allocate 16000000\n"), "16000000");
}
