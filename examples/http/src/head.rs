//! What is asked for: the request line and the headers.

use std::io::{self, BufRead, ErrorKind};

use guest_sdk::RFile;
use httparse::{EMPTY_HEADER, Header};

use crate::Failure;
use crate::response::Status;

/// The longest head, in bytes, as most web servers have it.
const LONGEST: usize = 8192;

/// The most headers in one head.
pub(crate) const MOST_HEADERS: usize = 64;

/// The head of a request, as far as this server looks at it.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) method: String,
    /// The target without query and authority.
    pub(crate) path: String,
    pub(crate) framing: Framing,
    /// True if the client waits to be told that its body is welcome.
    pub(crate) expects_continue: bool,
    /// True if another request may follow on this connection.
    pub(crate) keep_alive: bool,
}

/// How long the body is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Framing {
    /// This many bytes; 0 where nothing is said.
    Length(u64),
    /// In pieces, each with its length.
    Chunked,
}

impl Head {
    /// Reads the next head; none if the client is done, or was quiet for too long between two requests.
    pub(crate) fn read(rfile: &mut RFile) -> Result<Option<Self>, Failure> {
        match rfile.fill_buf() {
            Ok([]) => return Ok(None),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::TimedOut => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        match bytes(rfile)? {
            Some(bytes) => parse(&bytes).map(Some),
            None => Ok(None),
        }
    }
}

/// All up to the empty line that ends a head; none if the stream ends before one begins.
fn bytes(rfile: &mut RFile) -> Result<Option<Vec<u8>>, Failure> {
    let mut head = Vec::new();
    loop {
        let line = rfile.readline(LONGEST.saturating_sub(head.len()))?;
        match (line.as_slice(), head.is_empty()) {
            (b"", true) => return Ok(None),
            (b"", false) if head.len() >= LONGEST => {
                return Err(Failure::Client(Status::HeaderFieldsTooLarge));
            }
            (b"", false) => return Err(io::Error::from(ErrorKind::UnexpectedEof).into()),
            (b"\r\n" | b"\n", true) => {} // some clients send one after a body
            (b"\r\n" | b"\n", false) => {
                head.extend(line);
                return Ok(Some(head));
            }
            _ => head.extend(line),
        }
    }
}

fn parse(bytes: &[u8]) -> Result<Head, Failure> {
    let mut headers = [EMPTY_HEADER; MOST_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let parsed = request.parse(bytes);
    let (Ok(_), Some(method), Some(target), Some(minor)) =
        (&parsed, request.method, request.path, request.version)
    else {
        return Err(Failure::Client(match parsed {
            Err(httparse::Error::TooManyHeaders) => Status::HeaderFieldsTooLarge,
            _ => Status::BadRequest,
        }));
    };
    let headers = Headers(request.headers);
    let modern = minor == 1;
    if modern && headers.all("host").count() != 1 {
        return Err(Failure::Client(Status::BadRequest));
    }
    Ok(Head {
        method: method.to_owned(),
        path: path(target).to_owned(),
        framing: headers.framing(modern)?,
        expects_continue: modern && headers.lists("expect", "100-continue"),
        keep_alive: modern && !headers.lists("connection", "close"),
    })
}

/// The path of a target: `/a` of `/a?b` and of `http://host/a`.
fn path(target: &str) -> &str {
    let path = match target.strip_prefix("http://") {
        Some(rest) => rest
            .find('/')
            .and_then(|slash| rest.get(slash..))
            .unwrap_or("/"),
        None => target,
    };
    path.split('?').next().unwrap_or(path)
}

struct Headers<'a>(&'a [Header<'a>]);

impl<'a> Headers<'a> {
    /// The values of all headers of this name.
    fn all(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let named = self
            .0
            .iter()
            .filter(move |header| header.name.eq_ignore_ascii_case(name));
        named.map(|header| header.value)
    }

    /// True if a header of this name lists this word.
    fn lists(&self, name: &str, word: &str) -> bool {
        let mut words = self
            .all(name)
            .flat_map(|value| value.split(|byte| *byte == b','));
        words.any(|listed| listed.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
    }

    /// How long the body is. Whoever says it twice may mean two requests where we see one.
    fn framing(&self, modern: bool) -> Result<Framing, Failure> {
        let mut lengths = self.all("content-length");
        let mut codings = self.all("transfer-encoding");
        match (
            lengths.next(),
            lengths.next(),
            codings.next(),
            codings.next(),
        ) {
            (None, None, None, None) => Ok(Framing::Length(0)),
            (Some(length), None, None, None) => Ok(Framing::Length(number(length)?)),
            (None, None, Some(coding), None)
                if modern && coding.trim_ascii().eq_ignore_ascii_case(b"chunked") =>
            {
                Ok(Framing::Chunked)
            }
            _ => Err(Failure::Client(Status::BadRequest)),
        }
    }
}

/// A number of digits and nothing else; one that is too big for anything is still one.
fn number(digits: &[u8]) -> Result<u64, Failure> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Failure::Client(Status::BadRequest));
    }
    let digits = str::from_utf8(digits).unwrap_or_default();
    Ok(digits.parse().unwrap_or(u64::MAX))
}
