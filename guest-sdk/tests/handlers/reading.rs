//! `rfile`: bounded lines, reading ahead, the end, a reset, a time-out.

use std::io::{self, BufRead, ErrorKind, Read, Write};

use guest_sdk::testing::{self, StreamClient};
use guest_sdk::{StreamRequest, StreamRequestHandler};

/// Answers each line of at most 8 bytes in brackets.
#[derive(Default)]
struct Lines;

impl StreamRequestHandler for Lines {
    fn handle(&mut self, request: &mut StreamRequest) -> io::Result<()> {
        loop {
            let line = request.rfile.readline(8)?;
            if line.is_empty() {
                return Ok(());
            }
            write!(request.wfile, "[{}]", line.escape_ascii())?;
        }
    }
}

#[test]
fn a_line_ends_with_its_newline_wherever_the_pieces_end() {
    for pieces in [
        &["one\ntwo\n"][..],
        &["one", "\ntw", "o\n"],
        &["o", "n", "e\n", "two\n"],
    ] {
        assert_eq!(testing::stream::<Lines>(pieces).sent, br"[one\n][two\n]");
    }
}

#[test]
fn a_line_is_no_longer_than_its_limit() {
    assert_eq!(
        testing::stream::<Lines>(["0123456789\n"]).sent,
        br"[01234567][89\n]"
    );
    assert_eq!(
        testing::stream::<Lines>(["0123456\n"]).sent,
        br"[0123456\n]"
    );
}

#[test]
fn a_line_may_end_with_the_stream() {
    assert_eq!(
        testing::stream::<Lines>(["one\ntwo"]).sent,
        br"[one\n][two]"
    );
}

#[test]
fn a_limit_of_nothing_reads_nothing() {
    #[derive(Default)]
    struct Nothing;
    impl StreamRequestHandler for Nothing {
        fn handle(&mut self, request: &mut StreamRequest) -> io::Result<()> {
            assert!(request.rfile.readline(0)?.is_empty());
            assert_eq!(request.rfile.read(&mut [])?, 0);
            request.wfile.write_all(&request.rfile.readline(100)?)
        }
    }
    assert_eq!(testing::stream::<Nothing>(["line\n"]).sent, b"line\n");
}

#[test]
fn a_reset_is_an_error() {
    let served = StreamClient::new().sends("one\n").resets().serve::<Lines>();
    assert_eq!(
        served.result.unwrap_err().kind(),
        ErrorKind::ConnectionReset
    );
    assert_eq!(served.sent, br"[one\n]");
}

#[test]
fn after_a_time_out_rfile_is_useless_but_the_socket_is_not() {
    #[derive(Default)]
    struct Patient;
    impl StreamRequestHandler for Patient {
        fn handle(&mut self, request: &mut StreamRequest) -> io::Result<()> {
            let error = request.rfile.readline(100).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut);
            let error = request.rfile.readline(100).unwrap_err();
            assert_eq!(error.to_string(), "cannot read from timed out object");
            request.wfile.write_all(&request.connection.recv(100)?)
        }
    }
    let served = StreamClient::new()
        .sends("half")
        .is_quiet()
        .sends("late")
        .serve::<Patient>();
    assert_eq!(served.sent, b"late");
}

/// Reads one line, then all that the socket itself still gives.
#[derive(Default)]
struct Then<const AHEAD: usize>;

impl<const AHEAD: usize> StreamRequestHandler for Then<AHEAD> {
    const RBUFSIZE: usize = AHEAD;

    fn handle(&mut self, request: &mut StreamRequest) -> io::Result<()> {
        request.rfile.readline(100)?;
        request.wfile.write_all(&request.connection.recv(100)?)
    }
}

#[test]
fn what_rfile_read_ahead_is_not_seen_by_the_socket() {
    assert_eq!(
        testing::stream::<Then<8192>>(["a\nrest", "next"]).sent,
        b"next"
    );
    assert_eq!(testing::stream::<Then<4>>(["a\nrest", "next"]).sent, b"st");
    assert_eq!(
        testing::stream::<Then<0>>(["a\nrest", "next"]).sent,
        b"rest"
    );
}

#[test]
fn all_of_the_standard_library_works() {
    #[derive(Default)]
    struct Standard;
    impl StreamRequestHandler for Standard {
        fn handle(&mut self, request: &mut StreamRequest) -> io::Result<()> {
            let mut two = [0; 2];
            request.rfile.read_exact(&mut two)?;
            assert_eq!(&two, b"ab");
            assert_eq!(request.rfile.fill_buf()?, b"c");
            request.rfile.consume(usize::MAX);
            io::copy(&mut request.rfile, &mut request.wfile)?;
            Ok(())
        }
    }
    assert_eq!(testing::stream::<Standard>(["abc", "d", "ef"]).sent, b"def");
}
