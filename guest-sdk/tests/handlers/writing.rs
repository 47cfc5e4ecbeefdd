//! `wfile`: unbuffered unless it is asked for, and whole in any case.

use std::io::{self, ErrorKind, Write};

use guest_sdk::testing::{self, StreamClient};
use guest_sdk::{ErrorCode, StreamRequest, StreamRequestHandler};

/// Writes what it reads, line by line, and fails at the line `fail`.
#[derive(Default)]
struct Copy<const HELD_BACK: usize>;

impl<const HELD_BACK: usize> StreamRequestHandler for Copy<HELD_BACK> {
    const WBUFSIZE: usize = HELD_BACK;

    fn handle(&mut self, request: &mut StreamRequest) -> io::Result<()> {
        loop {
            match request.rfile.readline(1 << 20)?.as_slice() {
                b"" => return Ok(()),
                b"fail\n" => return Err(io::Error::other("asked to")),
                b"flush\n" => request.wfile.flush()?,
                line => request.wfile.write_all(line)?,
            }
        }
    }
}

fn writes<const HELD_BACK: usize>(input: &str) -> Vec<String> {
    let writes = testing::stream::<Copy<HELD_BACK>>([input]).writes;
    writes
        .into_iter()
        .map(|bytes| String::from_utf8(bytes).unwrap())
        .collect()
}

#[test]
fn without_a_buffer_each_write_goes_out_at_once() {
    assert_eq!(writes::<0>("one\ntwo\n"), ["one\n", "two\n"]);
}

#[test]
fn with_a_buffer_they_go_out_together() {
    assert_eq!(writes::<100>("one\ntwo\n"), ["one\ntwo\n"]);
    assert_eq!(writes::<100>("one\nflush\ntwo\n"), ["one\n", "two\n"]);
}

#[test]
fn a_full_buffer_goes_out_by_itself() {
    assert_eq!(writes::<8>("one\ntwo\nthree\n"), ["one\ntwo\n", "three\n"]);
    assert_eq!(
        writes::<8>("one\nlonger than that\n"),
        ["one\n", "longer than that\n"]
    );
}

#[test]
fn what_was_held_back_goes_out_after_an_error() {
    let served = testing::stream::<Copy<100>>(["one\nfail\n"]);
    assert_eq!(served.sent, b"one\n");
    assert_eq!(served.result.unwrap_err().to_string(), "asked to");
}

#[test]
fn a_big_write_goes_out_whole() {
    let line = "x".repeat(200_000) + "\n";
    let served = testing::stream::<Copy<0>>([&line]);
    assert!(
        served.writes.len() > 1,
        "one call moves 65,536 bytes at most"
    );
    assert_eq!(served.sent, line.as_bytes());
    assert_eq!(
        testing::stream::<Copy<300_000>>([&line]).sent,
        line.as_bytes()
    );
}

#[test]
fn a_client_that_left_is_an_error_at_once_or_at_the_end() {
    for code in [ErrorCode::BrokenPipe, ErrorCode::TimedOut] {
        let gone = || StreamClient::new().sends("one\n").refuses(code);
        for served in [gone().serve::<Copy<0>>(), gone().serve::<Copy<100>>()] {
            assert_eq!(ErrorCode::of(&served.result.unwrap_err()), Some(code));
        }
    }
    let served = StreamClient::new()
        .sends("one\n")
        .resets()
        .serve::<Copy<100>>();
    assert_eq!(
        served.result.unwrap_err().kind(),
        ErrorKind::ConnectionReset
    );
}
