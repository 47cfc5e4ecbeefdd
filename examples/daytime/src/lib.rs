//! One line in; the time and the line out: `[Tue Apr 18 20:55:49 2006] hello`.
//!
//! The time is UTC, in the form that C's `ctime` gives it. The line comes back with the ending that it had.

#![expect(
    clippy::print_stdout,
    reason = "who connects is what the operator reads"
)]

use std::io::{self, Write};

use guest_sdk::{StreamRequest, StreamRequestHandler};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

/// The longest line, in bytes.
const LONGEST: usize = 8192;

/// C's `ctime`, without the newline.
const CTIME: &[BorrowedFormatItem<'_>] = format_description!(
    "[weekday repr:short] [month repr:short] [day padding:space] [hour]:[minute]:[second] [year]"
);

#[derive(Default)]
struct Daytime;

impl StreamRequestHandler for Daytime {
    fn handle(&mut self, request: &mut StreamRequest) -> io::Result<()> {
        println!("...connected from: {}", request.client_address());
        let line = request.rfile.readline(LONGEST)?;
        request
            .wfile
            .write_all(&stamped(OffsetDateTime::now_utc(), &line)?)
    }
}

/// One piece, so that a client which reads once has all of it.
fn stamped(now: OffsetDateTime, line: &[u8]) -> io::Result<Vec<u8>> {
    let time = now.format(CTIME).map_err(io::Error::other)?;
    Ok([b"[", time.as_bytes(), b"] ", line].concat())
}

guest_sdk::export!(Daytime: StreamRequestHandler);

#[cfg(test)]
mod tests {
    use guest_sdk::testing::stream;
    use time::macros::datetime;

    use super::{Daytime, stamped};

    #[test]
    fn the_time_is_that_of_ctime() {
        let stamped = |now| String::from_utf8(stamped(now, b"hello\r\n").unwrap()).unwrap();
        let late = datetime!(2006-04-18 20:55:49 UTC);
        assert_eq!(stamped(late), "[Tue Apr 18 20:55:49 2006] hello\r\n");
        let early = datetime!(1970-01-01 00:00:00 UTC);
        assert_eq!(stamped(early), "[Thu Jan  1 00:00:00 1970] hello\r\n");
    }

    #[test]
    fn the_line_comes_back_in_one_piece_and_as_it_came() {
        let served = stream::<Daytime>(["hel", "lo\nmore\n"]);
        assert!(served.sent.ends_with(b"] hello\n"));
        assert_eq!(served.writes.len(), 1);
    }
}
