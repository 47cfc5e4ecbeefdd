//! What a reply must be, and whether it is: checked as its bytes come, against bytes that all clients share.

use bytes::Bytes;

use super::tally::{Failure, Kind};
use crate::text::harmless;

/// Bytes of a wrong reply that are shown.
const SHOWN: usize = 40;

/// What must come back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expected {
    /// Something: at least a byte of a stream, or any datagram.
    Any,
    /// These bytes, neither more nor less.
    Bytes(Bytes),
}

impl Expected {
    /// The payload itself.
    pub(crate) fn echo(payload: &Bytes) -> Self {
        Self::Bytes(payload.clone())
    }

    /// The payload with its ASCII letters in upper case.
    pub(crate) fn upper(payload: &[u8]) -> Self {
        Self::Bytes(payload.to_ascii_uppercase().into())
    }

    /// As [`Expected::upper`], without the white space at both ends.
    pub(crate) fn upper_stripped(payload: &[u8]) -> Self {
        Self::upper(payload.trim_ascii())
    }

    /// Checks a reply that came as one datagram.
    pub(super) fn check_datagram(&self, reply: &[u8]) -> Result<(), Failure> {
        match self {
            Self::Any => Ok(()),
            Self::Bytes(expected) if expected == reply => Ok(()),
            Self::Bytes(expected) => Err(wrong(expected, 0, reply)),
        }
    }
}

/// A reply on its way, on a stream.
pub(super) struct Reply<'a> {
    expected: &'a Expected,
    /// True if the connection is for this reply only.
    alone: bool,
    received: usize,
    complete: bool,
}

impl<'a> Reply<'a> {
    /// What is `expected`, on a connection for this reply `alone` or for others, too.
    pub(super) fn new(expected: &'a Expected, alone: bool) -> Self {
        Self {
            expected,
            alone,
            received: 0,
            complete: matches!(expected, Expected::Bytes(bytes) if bytes.is_empty()),
        }
    }

    /// True if nothing more may come. A reply of any kind that has the connection for itself ends with it.
    pub(super) fn is_complete(&self) -> bool {
        self.complete
    }

    /// Takes what came next.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        match self.expected {
            Expected::Bytes(expected) => {
                let rest = expected.get(self.received..).unwrap_or_default();
                if !rest.starts_with(bytes) {
                    return Err(wrong(expected, self.received, bytes));
                }
                self.complete = rest.len() == bytes.len();
            }
            Expected::Any if self.alone => {}
            Expected::Any => {
                let end = bytes.iter().position(|&byte| byte == b'\n');
                self.complete = match end {
                    None => false,
                    Some(end) if end + 1 == bytes.len() => true,
                    Some(_) => {
                        let reason = "more than one line came for one request";
                        return Err(Failure::new(Kind::Wrong, reason));
                    }
                };
            }
        }
        self.received += bytes.len();
        Ok(())
    }

    /// The server has closed the connection.
    pub(super) fn end(&self) -> Result<(), Failure> {
        match self.expected {
            _ if self.complete => Ok(()),
            _ if self.received == 0 => Err(Failure::new(Kind::Closed, "closed without a reply")),
            Expected::Any if self.alone => Ok(()),
            Expected::Bytes(expected) if self.alone => Err(wrong(expected, self.received, &[])),
            _ => Err(Failure::new(
                Kind::Closed,
                format!("closed after {} bytes of a reply", self.received),
            )),
        }
    }
}

/// A reply that is as `expected` up to byte `at`, where `bytes` came.
fn wrong(expected: &[u8], at: usize, bytes: &[u8]) -> Failure {
    let rest = expected.get(at..).unwrap_or_default();
    let same = rest.iter().zip(bytes).take_while(|(a, b)| a == b).count();
    let reason = format!(
        "at byte {} of {}: expected {}, got {}",
        at + same,
        expected.len(),
        shown(rest, same),
        shown(bytes, same)
    );
    Failure::new(Kind::Wrong, reason)
}

/// A few of `bytes` from `at`, harmless to a terminal.
fn shown(bytes: &[u8], at: usize) -> String {
    let rest = bytes.get(at..).unwrap_or_default();
    match rest.get(..SHOWN) {
        _ if rest.is_empty() => "the end".to_owned(),
        Some(few) if rest.len() > SHOWN => format!("\"{}\"…", harmless(few)),
        _ => format!("\"{}\"", harmless(rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &'static str) -> Expected {
        Expected::Bytes(Bytes::from_static(text.as_bytes()))
    }

    /// What becomes of a reply that comes in `parts`: complete or not, or the kind of its failure.
    fn taken(expected: &Expected, alone: bool, parts: &[&str]) -> Result<bool, Kind> {
        let mut reply = Reply::new(expected, alone);
        for part in parts {
            reply
                .take(part.as_bytes())
                .map_err(|failure| failure.kind)?;
        }
        Ok(reply.is_complete())
    }

    /// What becomes of it when the server closes then.
    fn closed(expected: &Expected, alone: bool, parts: &[&str]) -> Result<(), Kind> {
        let mut reply = Reply::new(expected, alone);
        for part in parts {
            reply
                .take(part.as_bytes())
                .map_err(|failure| failure.kind)?;
        }
        reply.end().map_err(|failure| failure.kind)
    }

    #[test]
    fn the_words_of_expect() {
        let payload = Bytes::from_static(" a é1\n".as_bytes());
        assert_eq!(Expected::echo(&payload), bytes(" a é1\n"));
        assert_eq!(Expected::upper(&payload), bytes(" A é1\n"));
        assert_eq!(Expected::upper_stripped(&payload), bytes("A é1"));
    }

    #[test]
    fn a_known_reply_is_complete_with_its_last_byte() {
        for alone in [true, false] {
            let hello = bytes("hello");
            assert_eq!(taken(&hello, alone, &["he", "ll"]), Ok(false));
            assert_eq!(taken(&hello, alone, &["he", "llo"]), Ok(true));
            assert_eq!(taken(&hello, alone, &["he", "LLO"]), Err(Kind::Wrong));
            assert_eq!(taken(&hello, alone, &["hello!"]), Err(Kind::Wrong));
            assert_eq!(taken(&hello, alone, &["hello", "!"]), Err(Kind::Wrong));
            assert_eq!(closed(&hello, alone, &["hello"]), Ok(()));
            assert_eq!(closed(&hello, alone, &[]), Err(Kind::Closed));
        }
    }

    #[test]
    fn a_reply_that_ends_early_is_wrong_if_its_end_was_the_servers_word() {
        assert_eq!(closed(&bytes("hello"), true, &["hell"]), Err(Kind::Wrong));
        assert_eq!(closed(&bytes("hello"), false, &["hell"]), Err(Kind::Closed));
    }

    #[test]
    fn an_empty_reply_can_be_expected() {
        assert_eq!(taken(&bytes(""), true, &[]), Ok(true));
        assert_eq!(closed(&bytes(""), true, &[]), Ok(()));
        assert_eq!(taken(&bytes(""), true, &["x"]), Err(Kind::Wrong));
    }

    #[test]
    fn any_reply_is_what_came_until_the_end() {
        assert_eq!(taken(&Expected::Any, true, &["a\nb\n"]), Ok(false));
        assert_eq!(closed(&Expected::Any, true, &["a\nb"]), Ok(()));
        assert_eq!(closed(&Expected::Any, true, &[]), Err(Kind::Closed));
    }

    #[test]
    fn any_reply_of_many_is_a_line() {
        assert_eq!(taken(&Expected::Any, false, &["a"]), Ok(false));
        assert_eq!(taken(&Expected::Any, false, &["a", "b\n"]), Ok(true));
        assert_eq!(taken(&Expected::Any, false, &["a\nb"]), Err(Kind::Wrong));
        assert_eq!(closed(&Expected::Any, false, &["a"]), Err(Kind::Closed));
    }

    #[test]
    fn a_datagram_is_whole() {
        assert!(Expected::Any.check_datagram(b"").is_ok());
        assert!(bytes("x").check_datagram(b"x").is_ok());
        for wrong in ["", "y", "xx"] {
            let failure = bytes("x").check_datagram(wrong.as_bytes());
            assert_eq!(failure.expect_err("wrong").kind, Kind::Wrong);
        }
    }

    #[test]
    fn what_is_wrong_is_shown_harmless_and_short() {
        let failure = wrong(b"hello\n", 2, b"l\x1b[2J");
        assert_eq!(
            failure.reason,
            "at byte 3 of 6: expected \"lo\\n\", got \"\\u{1b}[2J\""
        );
        let failure = wrong(&[b'a'; 100], 0, &[b'a'; 60]);
        assert_eq!(
            failure.reason,
            format!(
                "at byte 60 of 100: expected \"{}\", got the end",
                "a".repeat(40)
            )
        );
        assert!(
            wrong(&[b'a'; 100], 0, b"b")
                .reason
                .contains("\"…, got \"b\"")
        );
    }
}
