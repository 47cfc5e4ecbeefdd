//! `setup`, `handle`, `finish`: Python's order and error rules, the same for every base class.

use std::io::{self, Write};

use guest_sdk::testing;
use guest_sdk::{
    BaseRequestHandler, Connection, Datagram, Request, RequestHandler, StreamRequest,
    StreamRequestHandler,
};

/// Which of the three phases fail, as bits.
const SETUP: u8 = 1;
const HANDLE: u8 = 2;
const FINISH: u8 = 4;

fn phase(name: &str, fails: bool) -> io::Result<()> {
    if fails {
        Err(io::Error::other(name.to_owned()))
    } else {
        Ok(())
    }
}

#[derive(Default)]
struct Raw<const FAIL: u8>;

impl<const FAIL: u8> BaseRequestHandler<Connection> for Raw<FAIL> {
    fn setup(&mut self, request: &mut Connection) -> io::Result<()> {
        request.sendall(b"s")?;
        phase("setup", FAIL & SETUP != 0)
    }

    fn handle(&mut self, request: &mut Connection) -> io::Result<()> {
        request.sendall(b"h")?;
        phase("handle", FAIL & HANDLE != 0)
    }

    fn finish(&mut self, request: &mut Connection) -> io::Result<()> {
        request.sendall(b"f")?;
        phase("finish", FAIL & FINISH != 0)
    }
}

impl<const FAIL: u8> BaseRequestHandler<Datagram> for Raw<FAIL> {
    fn setup(&mut self, request: &mut Datagram) -> io::Result<()> {
        request.send(b"s")?;
        phase("setup", FAIL & SETUP != 0)
    }

    fn handle(&mut self, request: &mut Datagram) -> io::Result<()> {
        request.send(b"h")?;
        phase("handle", FAIL & HANDLE != 0)
    }

    fn finish(&mut self, request: &mut Datagram) -> io::Result<()> {
        request.send(b"f")?;
        phase("finish", FAIL & FINISH != 0)
    }
}

/// The same by the two files.
#[derive(Default)]
struct Files<const FAIL: u8>;

impl<const FAIL: u8> RequestHandler for Files<FAIL> {
    fn setup(&mut self, request: &mut Request<'_>) -> io::Result<()> {
        request.wfile.write_all(b"s")?;
        phase("setup", FAIL & SETUP != 0)
    }

    fn handle(&mut self, request: &mut Request<'_>) -> io::Result<()> {
        request.wfile.write_all(b"h")?;
        phase("handle", FAIL & HANDLE != 0)
    }

    fn finish(&mut self, request: &mut Request<'_>) -> io::Result<()> {
        request.wfile.write_all(b"f")?;
        phase("finish", FAIL & FINISH != 0)
    }
}

/// What ran, and the text of the error that counts.
fn outcome(sent: &[u8], result: io::Result<()>) -> (String, String) {
    let error = result
        .err()
        .map_or_else(String::new, |error| error.to_string());
    (String::from_utf8_lossy(sent).into_owned(), error)
}

fn check<const FAIL: u8>(ran: &str, error: &str) {
    let expected = (ran.to_owned(), error.to_owned());
    let raw = testing::stream::<Raw<FAIL>>(["x"]);
    assert_eq!(outcome(&raw.sent, raw.result), expected);
    let raw = testing::datagram::<Raw<FAIL>>("x");
    assert_eq!(outcome(&raw.sent.concat(), raw.result), expected);
    let files = testing::stream::<Files<FAIL>>(["x"]);
    assert_eq!(outcome(&files.sent, files.result), expected);
    // A datagram is sent whole or not at all.
    let files = testing::datagram::<Files<FAIL>>("x");
    let sent = if FAIL == 0 { ran } else { "" };
    assert_eq!(
        outcome(&files.sent.concat(), files.result),
        (sent.to_owned(), error.to_owned())
    );
}

#[test]
fn all_three_run_in_order() {
    check::<0>("shf", "");
}

#[test]
fn a_failed_setup_skips_the_others() {
    check::<SETUP>("s", "setup");
}

#[test]
fn a_failed_handle_does_not_skip_finish() {
    check::<HANDLE>("shf", "handle");
}

#[test]
fn a_failed_finish_counts() {
    check::<FINISH>("shf", "finish");
}

#[test]
fn the_error_of_handle_wins() {
    check::<{ HANDLE | FINISH }>("shf", "handle");
}

#[derive(Default)]
struct Counter(u32);

impl StreamRequestHandler for Counter {
    fn handle(&mut self, request: &mut StreamRequest) -> io::Result<()> {
        self.0 += 1;
        write!(request.wfile, "{}", self.0)
    }
}

#[test]
fn every_request_has_a_new_handler() {
    for _ in 0..2 {
        assert_eq!(testing::stream::<Counter>(["x"]).sent, b"1");
    }
}
