//! Children that fault, end early or lie to their server, as whoever got out of the sandbox can make them: each ends its own
//! request, and the log says how.
//!
//! The messages are bytes here, as `runtime/src/forking/message.rs` is written by postcard.

use nix::libc::{SYS_exit_group, SYS_write};
use nix::sys::signal::Signal::SIGKILL;
use tests::{Said, Server, Taken};

use super::{assert_all_gone, in_mid_request, only_child, server};

/// How a request ends whose child is taken over in the middle of it; the next one is served, by the same zygote.
fn ended_after(take_over: impl FnOnce(Taken, u64)) -> String {
    let server = server(&["--max-children", "1"]);
    let zygote = server.zygote();
    let mut client = in_mid_request(&server);
    let child = only_child(&server);
    let channel = child.descriptors().into_iter();
    let mut channel = channel.filter(|(_, what)| what == "unix seqpacket socket");
    let (channel, _) = channel.next().expect("the channel to the server");
    take_over(Taken::take(child), channel);
    assert_eq!(client.answer().unwrap_or_default(), "");
    let line = server.end_of(1);
    assert_serves_on(&server);
    assert_eq!(server.zygote(), zygote, "{server}");
    line
}

fn assert_serves_on(server: &Server) {
    server.assert_well();
    assert_all_gone(server);
}

/// How it ends if the child says `message` and lives on.
fn ended_after_message(message: &[u8]) -> String {
    ended_after(|taken, channel| {
        let length = message.len() as u64;
        let at = taken.bytes(message);
        let said = taken.call(SYS_write, [channel, at, length, 0, 0, 0]);
        // It may be killed for it before it hears that it was sent.
        let possible = [Said::Done(length.cast_signed()), Said::Killed(SIGKILL)];
        assert!(possible.contains(&said), "{said:?}");
        taken.let_go();
    })
}

#[track_caller]
fn assert_told(line: &str, parts: &[&str]) {
    for part in parts {
        assert!(line.contains(part), "no {part} in {line}");
    }
}

#[test]
fn a_child_that_faults_is_killed_by_that() {
    let line = ended_after(|taken, _| taken.leap_into_nothing());
    assert_told(&line, &["outcome=\"killed\"", "fault=handler", "SIGSEGV"]);
}

#[test]
fn a_child_that_ends_early_is_told_of() {
    let line = ended_after(|taken, _| {
        let said = taken.call(SYS_exit_group, [3, 0, 0, 0, 0, 0]);
        assert_eq!(said, Said::Exited(3));
    });
    assert_told(
        &line,
        &[
            "outcome=\"host\"",
            "fault=host",
            "ended early, with status 3",
        ],
    );
}

#[test]
fn a_child_whose_message_is_none_is_killed() {
    for message in [&b"\xff\xff\xff"[..], b"\x04", &[b'x'; 1000]] {
        let line = ended_after_message(message);
        assert_told(&line, &["outcome=\"killed\"", "fault=handler", "SIGKILL"]);
    }
}

/// The number of the message that tells how a request ended.
const ENDED: u8 = 4;

/// No memory, nothing denied, no bytes in or out.
const REST: [u8; 4] = [0; 4];

/// Only a server says so, and nobody is to blame it for what a child did.
#[test]
fn a_child_that_says_what_only_a_server_says_talks_nonsense() {
    let outcomes: [(&str, &[u8]); 3] = [
        ("killed by X", &[16, 1, b'X']),
        ("refused since the server was full", &[18, 0]),
        ("aborted", &[19]),
    ];
    for (what, outcome) in outcomes {
        let line = ended_after_message(&[&[ENDED], outcome, &REST].concat());
        println!("{what}: {line}");
        assert_told(&line, &["outcome=\"host\"", "talks nonsense"]);
    }
}

/// What it says of its own request is believed, and it is one line however it is put.
#[test]
fn a_child_that_lies_of_its_own_request_forges_no_line() {
    let text = b"x\" outcome=\"ok\"\n2026 INFO forged";
    let outcome = [&[1, text.len() as u8], &text[..]].concat();
    let line = ended_after_message(&[&[ENDED], &outcome[..], &REST].concat());
    assert_told(
        &line,
        &["outcome=\"handler-error\"", "fault=handler", "forged"],
    );
}
