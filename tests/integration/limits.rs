//! Memory, computing, wall and idle time: who meets a limit, and who must not.

use std::thread;

use runtime::Limits;
use rustix::process::Signal;
use tests::{SCHEDULES, Serve, guest, number_in};

use crate::zoo::with_memories;

fn serve() -> Serve {
    Serve::new(guest("misbehave"))
}

fn serve_under(schedule: &str) -> Serve {
    serve().args(["--schedule", schedule, "--access-log", "all"])
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
    let line = server.said(&["outcome=\"wall\"", "fault=handler"]);
    let took = number_in(&line, "duration_ms");
    // A busy machine may be late.
    assert!((10_000.0..15_000.0).contains(&took), "{line}");
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
    assert_eq!(Limits::default().stream_wall_limit, None);
    for schedule in SCHEDULES {
        let server = serve_under(schedule).args(["--wall-limit", "200ms"]);
        let server = server.start();
        assert_eq!(server.ask("sleep 3600000\n"), "");
        let _ = server.said(&["outcome=\"wall\"", "fault=handler"]);
        server.assert_well();
    }
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
        .args(["--idle-limit", "2s", "--send-buffer", "64KiB"])
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
    for schedule in SCHEDULES {
        let server = serve_under(schedule).args(["--max-memory", "16MiB"]);
        let server = server.start();
        assert_eq!(server.ask("allocate 8000000\n"), "8000000");
        assert_eq!(server.ask("allocate 20000000\n"), "");
        let _ = server.said(&["outcome=\"memory\"", "fault=handler"]);
        server.assert_well();
    }
}

/// All that it had at once, and little more.
#[test]
fn the_most_memory_that_a_handler_had_is_told() {
    for schedule in SCHEDULES {
        let server = serve_under(schedule).start();
        for (id, bytes) in [(1, 1_000_000), (2, 20_000_000), (3, 2_000_000)] {
            let answer = server.ask(format!("allocate {bytes}\n"));
            assert_eq!(answer, bytes.to_string());
            let line = server.end_of(id);
            let peak = number_in(&line, "peak_memory");
            let least = f64::from(bytes);
            assert!((least..least + 3e6).contains(&peak), "{schedule}: {line}");
        }
    }
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
    let folder = tempfile::tempdir().expect("a folder");
    let four = with_memories(&folder, 4);
    let says = ["begins with 4 memories, and max-memories is 3:", "raise it"];
    let ended = Serve::new(&four).args(["--max-memories", "3"]).run();
    ended.assert_one_line(1, &says);
    let served = Serve::new(&four).args(["--max-memories", "4"]).start();
    served.stop().assert(0, &[]);
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
    let mut dots = Vec::new();
    for schedule in SCHEDULES {
        let server = serve_under(schedule).args(["--max-fuel", "10000000"]);
        let server = server.start();
        server.assert_well();
        for _ in 0..2 {
            let mut client = server.connect();
            client.send(b"dots\n").expect("sent");
            dots.push(client.answer().expect("the stream's end").len());
        }
        server.assert_well();
        let ended = server.stop();
        let met = ended.stderr.matches("outcome=\"fuel\"").count();
        assert_eq!(met, 2, "{ended}");
    }
    let same = dots.iter().all(|number| *number == dots[0]);
    assert!(dots[0] > 100 && same, "{dots:?}");
}

#[test]
fn a_long_conversation_meets_the_total_cpu_limit() {
    for schedule in SCHEDULES {
        let limits = ["--cpu-limit", "1s", "--total-cpu-limit", "300ms"];
        let server = serve_under(schedule).args(limits).start();
        let mut client = server.connect();
        client.send(b"talk 100\n").expect("sent");
        let mut words = 0;
        while client.send(b"word").is_ok() && client.exactly(4).is_ok_and(|word| word == "word") {
            words += 1;
            // Each computes for a tenth of a second on the wall, of which a busy machine may give it little.
            assert!(words < 300, "{server}");
        }
        let _ = server.said(&["outcome=\"cpu\"", "fault=handler", "total-cpu-limit"]);
        server.assert_well();
    }
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
