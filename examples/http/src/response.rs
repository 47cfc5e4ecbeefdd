//! What is answered.

use std::io::{self, Write};

use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

/// The date of HTTP, RFC 9110's `IMF-fixdate`.
const DATE: &[BorrowedFormatItem<'_>] = format_description!(
    "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
);

/// How a request went.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Status {
    Ok,
    BadRequest,
    NotFound,
    /// With the methods that are allowed.
    MethodNotAllowed(&'static str),
    RequestTimeout,
    ContentTooLarge,
    HeaderFieldsTooLarge,
}

impl Status {
    fn line(self) -> &'static str {
        match self {
            Self::Ok => "200 OK",
            Self::BadRequest => "400 Bad Request",
            Self::NotFound => "404 Not Found",
            Self::MethodNotAllowed(_) => "405 Method Not Allowed",
            Self::RequestTimeout => "408 Request Timeout",
            Self::ContentTooLarge => "413 Content Too Large",
            Self::HeaderFieldsTooLarge => "431 Request Header Fields Too Large",
        }
    }
}

/// A response, until it is written.
#[derive(Debug)]
pub(crate) struct Response {
    status: Status,
    content_type: &'static str,
    body: Vec<u8>,
    with_body: bool,
    keep_alive: bool,
}

impl Response {
    pub(crate) fn ok(content_type: &'static str, body: Vec<u8>) -> Self {
        Self {
            status: Status::Ok,
            content_type,
            body,
            with_body: true,
            keep_alive: true,
        }
    }

    /// Says in its body what it says in its first line.
    pub(crate) fn error(status: Status) -> Self {
        let body = format!("{}\n", status.line()).into_bytes();
        Self {
            status,
            ..Self::ok("text/plain; charset=utf-8", body)
        }
    }

    /// The same for `HEAD`: its length is told, its body is not sent.
    pub(crate) fn without_body(self) -> Self {
        Self {
            with_body: false,
            ..self
        }
    }

    /// The last one of its connection.
    pub(crate) fn close(self) -> Self {
        Self {
            keep_alive: false,
            ..self
        }
    }

    pub(crate) fn write(&self, wfile: &mut impl Write) -> io::Result<()> {
        let date = OffsetDateTime::now_utc()
            .format(DATE)
            .map_err(io::Error::other)?;
        write!(wfile, "HTTP/1.1 {}\r\nDate: {date}\r\n", self.status.line())?;
        write!(wfile, "Content-Type: {}\r\n", self.content_type)?;
        write!(wfile, "Content-Length: {}\r\n", self.body.len())?;
        if let Status::MethodNotAllowed(allowed) = self.status {
            write!(wfile, "Allow: {allowed}\r\n")?;
        }
        let connection = if self.keep_alive {
            "keep-alive"
        } else {
            "close"
        };
        write!(wfile, "Connection: {connection}\r\n\r\n")?;
        if self.with_body {
            wfile.write_all(&self.body)?;
        }
        Ok(())
    }
}
