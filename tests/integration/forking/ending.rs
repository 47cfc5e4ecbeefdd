//! Draining, and the server's own death: in the end no process is left.

use rustix::process::Signal;
use tests::{Client, Ended, Process, Server, until};

use super::{in_mid_request, only_child, serve, server};

/// The zygote and its children.
fn family(server: &Server) -> Vec<Process> {
    let zygote = server.zygote();
    [vec![zygote], zygote.children()].concat()
}

/// A zombie is gone, too: whoever adopted it may take his time.
#[track_caller]
fn assert_gone(family: &[Process]) {
    for process in family {
        until("a process of the server has gone", || {
            !process.is_there() || process.is_zombie()
        });
    }
}

/// A request that computes without end, as soon as it does.
fn spinner(server: &Server) -> Client {
    let mut client = server.connect();
    client.send(b"talk 3600000\nstarted").expect("sent");
    assert_eq!(client.exactly(7).expect("an echo"), "started");
    client.send(b"spin now").expect("sent");
    client
}

#[test]
fn a_running_request_is_finished_after_a_signal_to_all_of_the_group() {
    for signal in [Signal::TERM, Signal::INT] {
        let server = serve().in_a_group().start();
        let mut client = in_mid_request(&server);
        let family = family(&server);
        server.signal_group(signal);
        let _ = server.said(&["stopping"]);
        assert_eq!(client.ask(b"bye").expect("an answer"), "bye");
        let ended = server.wait();
        ended.assert(0, &["stopping", "outcome=\"ok\""]);
        assert!(!ended.stderr.contains("the zygote died"), "{ended}");
        assert_gone(&family);
    }
}

fn assert_cut_short(server: Server, mut waiting: Client, family: &[Process]) -> Ended {
    let ended = server.wait();
    ended.assert(3, &["cut short", "aborted"]);
    assert_eq!(waiting.answer().unwrap_or_default(), "");
    assert_gone(family);
    ended
}

#[test]
fn a_drain_that_takes_too_long_kills_with_3() {
    let server = server(&["--drain-timeout", "200ms", "--cpu-limit", "none"]);
    let (waiting, _spinning) = (in_mid_request(&server), spinner(&server));
    let family = family(&server);
    assert_eq!(family.len(), 3);
    server.signal(Signal::TERM);
    let _ = assert_cut_short(server, waiting, &family);
}

#[test]
fn a_second_signal_kills_now() {
    let server = server(&["--drain-timeout", "1h"]);
    let waiting = in_mid_request(&server);
    let family = family(&server);
    server.signal(Signal::TERM);
    let _ = server.said(&["stopping"]);
    server.signal(Signal::INT);
    let _ = assert_cut_short(server, waiting, &family);
}

#[test]
fn closing_need_not_block() {
    let server = server(&["--drain-timeout", "1h", "--block-on-close", "false"]);
    let waiting = in_mid_request(&server);
    let family = family(&server);
    server.signal(Signal::TERM);
    let _ = assert_cut_short(server, waiting, &family);
}

#[test]
fn a_number_of_requests_and_then_the_end() {
    let server = server(&["--requests", "3"]);
    let family = family(&server);
    for _ in 0..3 {
        server.assert_well();
    }
    server.wait().assert(0, &["3 requests: 3 ok"]);
    assert_gone(&family);
}

#[test]
fn a_server_that_is_killed_leaves_no_process_behind() {
    let limits = ["--cpu-limit", "none", "--total-cpu-limit", "none"];
    let server = server(&limits);
    // One that waits for its client, one that sleeps, one whose client reads nothing, one that computes.
    let _waiting = in_mid_request(&server);
    let mut clients = [server.connect(), server.connect()];
    for (client, request) in clients.iter_mut().zip(["sleep 3600000\n", "dots\n"]) {
        client.send(request.as_bytes()).expect("sent");
    }
    let _spinning = spinner(&server);
    until("all of them are served", || family(&server).len() == 5);
    let family = family(&server);
    server.signal(Signal::KILL);
    assert_gone(&family);
}

#[test]
fn so_it_is_with_packets() {
    let limits = ["--cpu-limit", "none", "--wall-limit", "none"];
    let server = serve().args(["--proto", "udp"]).args(limits).start();
    let mut clients = [server.connect(), server.connect()];
    for (client, request) in clients.iter_mut().zip(["sleep 3600000", "spin"]) {
        client.send(request.as_bytes()).expect("sent");
    }
    until("both are served", || family(&server).len() == 3);
    let family = family(&server);
    server.signal(Signal::KILL);
    assert_gone(&family);
}

/// They have nobody but the server to end for.
#[test]
fn so_it_is_with_children_whose_zygote_was_killed_before() {
    let limits = ["--cpu-limit", "none", "--total-cpu-limit", "none"];
    let server = server(&limits);
    let _waiting = in_mid_request(&server);
    let _spinning = spinner(&server);
    let first = family(&server);
    assert!(first[0].signal(Signal::KILL));
    let next = server.zygote_after(first[0]);
    let _third = in_mid_request(&server);
    let orphans = &first[1..];
    assert!(orphans.iter().all(|orphan| orphan.is_there()));
    let last = only_child(&server);
    server.signal(Signal::KILL);
    assert_gone(&[&first, [next, last].as_slice()].concat());
}

/// What it has handed over to a zygote that does not run is not forked for any more.
#[test]
fn so_it_is_with_requests_that_nobody_has_forked_for() {
    let server = server(&[]);
    let zygote = server.zygote();
    zygote.hold();
    let mut client = server.connect();
    client.send(b"greet\n").expect("sent");
    server.signal(Signal::KILL);
    until("the server has gone", || server.process().is_zombie());
    assert!(zygote.signal(Signal::CONT));
    assert_gone(&[zygote]);
    // It may have been forked for all the same, and then it has ended with the server.
    drop(client.answer());
}
