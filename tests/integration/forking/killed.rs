//! Children that are killed in mid-request, and zygotes that are killed under load.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

use rustix::process::Signal;
use tests::{Client, Process, Server, TRANSPORTS, number_in, until};

use super::{assert_all_gone, in_mid_request, only_child, serve, server};

/// Kills with a signal that a handler may have been set for: std's ends a process the second time only.
fn kill_at_last(process: Process, signal: Signal) {
    until("the process is killed", || {
        !process.signal(signal) || process.is_zombie()
    });
}

/// The zygotes that the server said have died.
fn deaths(server: &Server) -> usize {
    server.stderr().matches("the zygote died").count()
}

#[test]
fn a_child_that_is_killed_ends_its_request_only() {
    let signals = [
        (Signal::KILL, "SIGKILL"),
        (Signal::SEGV, "SIGSEGV"),
        (Signal::ABORT, "SIGABRT"),
    ];
    for (signal, name) in signals {
        let server = server(&[]);
        let mut killed = in_mid_request(&server);
        let child = only_child(&server);
        let mut other = in_mid_request(&server);
        kill_at_last(child, signal);
        assert_eq!(killed.answer().unwrap_or_default(), "", "{server}");
        let line = server.end_of(1);
        assert!(line.contains("outcome=\"killed\""), "{line}");
        assert!(
            line.contains(name) && line.contains("fault=handler"),
            "{line}"
        );
        assert!(line.contains(&format!("pid={}", child.pid())), "{line}");
        assert_eq!(other.ask(b"bye").expect("an answer"), "bye");
        server.assert_well();
        assert_all_gone(&server);
        assert_eq!(deaths(&server), 0, "{server}");
        server.stop().assert(0, &["1 killed"]);
    }
}

#[test]
fn so_does_one_that_serves_a_packet() {
    let server = server(&["--proto", "udp", "--wall-limit", "none"]);
    let mut client = server.connect();
    client.send(b"sleep 3600000").expect("sent");
    until("it is served", || server.zygote().children().len() == 1);
    assert!(only_child(&server).signal(Signal::KILL));
    let line = server.end_of(1);
    assert!(line.contains("outcome=\"killed\""), "{line}");
    assert_eq!(client.ask(b"upper next").expect("an answer"), "NEXT");
}

#[test]
fn the_signals_of_a_terminal_end_no_child_and_no_zygote() {
    let server = server(&[]);
    let mut client = in_mid_request(&server);
    for process in [only_child(&server), server.zygote()] {
        for signal in [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM] {
            assert!(process.signal(signal));
        }
    }
    assert_eq!(client.ask(b"bye").expect("an answer"), "bye");
    server.assert_well();
    assert_eq!(deaths(&server), 0, "{server}");
}

#[test]
fn requests_under_load_do_not_notice_that_the_zygote_was_killed() {
    for transport in TRANSPORTS {
        let folder = tempfile::tempdir().expect("a folder");
        let server = serve().on(transport, folder.path()).start();
        let address = server.address();
        let mut zygote = server.zygote();
        let answers = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        let answer = Client::connect(&address).ask(b"upper x\n");
                        assert_eq!(answer.expect("an answer"), "X", "{server}");
                        answers.fetch_add(1, Relaxed);
                    }
                });
            }
            for _ in 0..5 {
                let before = answers.load(Relaxed);
                assert!(zygote.signal(Signal::KILL));
                zygote = server.zygote_after(zygote);
                // More than those that were running: it forks.
                until("the next one serves", || answers.load(Relaxed) > before + 8);
            }
        });
        server.assert_well();
        assert_eq!(deaths(&server), 5, "one line each: {server}");
        server.stop().assert(0, &["401 requests: 401 ok"]);
    }
}

#[test]
fn requests_that_a_zygote_had_not_forked_for_are_served_by_the_next_one() {
    for transport in TRANSPORTS {
        let folder = tempfile::tempdir().expect("a folder");
        let server = serve().on(transport, folder.path()).start();
        let zygote = server.zygote();
        zygote.hold();
        let mut clients: Vec<Client> = (0..20).map(|_| server.connect()).collect();
        for client in &mut clients {
            client.send(b"upper patience\n").expect("sent");
        }
        assert!(zygote.signal(Signal::KILL));
        for client in &mut clients {
            assert_eq!(client.answer().expect("an answer"), "PATIENCE", "{server}");
        }
        let line = server.said(&["the zygote died", "starting another"]);
        assert!(line.contains("signal: 9"), "{line}");
        assert_eq!(deaths(&server), 1, "{server}");
        server.stop().assert(0, &["20 requests: 20 ok"]);
    }
}

#[test]
fn the_children_of_a_dead_zygote_finish_and_are_heard() {
    let server = server(&[]);
    let mut client = in_mid_request(&server);
    let (zygote, child) = (server.zygote(), only_child(&server));
    assert!(zygote.signal(Signal::KILL));
    let next = server.zygote_after(zygote);
    server.assert_well();
    assert_eq!(client.ask(b"bye").expect("an answer"), "bye");
    let line = server.end_of(1);
    assert!(line.contains("outcome=\"ok\""), "{line}");
    assert!(line.contains(&format!("pid={}", child.pid())), "{line}");
    assert!(line.contains("bytes_out=8"), "{line}");
    until("the orphan has gone", || {
        !child.is_there() || child.is_zombie()
    });
    assert!(next.is_there() && !zygote.is_there(), "{server}");
}

#[test]
fn a_child_that_is_killed_after_its_zygote_ends_its_request_all_the_same() {
    let server = server(&["--max-children", "1"]);
    let mut client = in_mid_request(&server);
    let (zygote, child) = (server.zygote(), only_child(&server));
    assert!(zygote.signal(Signal::KILL));
    let _ = server.zygote_after(zygote);
    assert!(child.signal(Signal::KILL));
    assert_eq!(client.answer().unwrap_or_default(), "");
    let line = server.end_of(1);
    assert!(line.contains("outcome=\"killed\""), "{line}");
    server.assert_well();
}

/// A child that is held in the kernel, or belongs to somebody who got out, says nothing: the server has the last word.
#[test]
fn a_child_that_comes_to_a_stand_gives_its_place_back() {
    let server = server(&["--max-children", "1", "--wall-limit", "100ms"]);
    let mut client = in_mid_request(&server);
    assert!(only_child(&server).signal(Signal::STOP));
    assert_eq!(client.answer().unwrap_or_default(), "");
    assert!(server.end_of(1).contains("outcome=\"wall\""), "{server}");
    server.assert_well();
}

/// The same where no limit is set: ten seconds without a sign are enough.
#[test]
fn a_child_that_stands_still_is_missed_without_any_limit() {
    let limits = ["--wall-limit", "none", "--idle-limit", "none"];
    let server = server(&[&["--max-children", "1"], &limits[..]].concat());
    let mut client = in_mid_request(&server);
    assert!(only_child(&server).signal(Signal::STOP));
    assert_eq!(client.answer().unwrap_or_default(), "");
    let line = server.end_of(1);
    assert!(line.contains("outcome=\"host\""), "{line}");
    assert!(line.contains("has come to a stand"), "{line}");
    // A busy machine may be late.
    let took = number_in(&line, "duration_ms");
    assert!((10_000.0..15_000.0).contains(&took), "{line}");
    server.assert_well();
}

/// Whoever starts the server may have no wish to hear of its own children.
#[test]
fn a_server_that_was_started_to_ignore_its_children_hears_of_them() {
    let server = serve().args(["--max-children", "1"]);
    let server = server.ignoring_children().start();
    for id in 1..=2 {
        let mut client = in_mid_request(&server);
        kill_at_last(only_child(&server), Signal::KILL);
        assert_eq!(client.answer().unwrap_or_default(), "");
        assert!(server.end_of(id).contains("SIGKILL"), "{server}");
    }
}
