//! HTTP/1.1 on a stream handler: a page at `/`, an echo of what is posted to `/echo`.
//!
//! A connection is a conversation: `head` reads what is asked for, `body` what is sent with it, `pages`
//! decides what it is answered, `response` writes that down; then the next request may follow. A client that
//! breaks the rules is answered with what it did wrong and loses the connection, since nobody knows where its
//! next request would begin. It is meant to be read, and to stand being reached by anybody; it is not meant
//! to be a web server.

mod body;
mod head;
mod pages;
mod response;

use std::io::{self, ErrorKind, Write};
use std::time::Duration;

use guest_sdk::{DEFAULT_BUFFER_SIZE, StreamRequest, StreamRequestHandler};

use head::Head;
use response::{Response, Status};

#[derive(Default)]
struct Http;

impl StreamRequestHandler for Http {
    /// For a quiet client, between two requests as within one.
    const TIMEOUT: Option<Duration> = Some(Duration::from_secs(30));
    /// A response is written in many small pieces, and sent as one.
    const WBUFSIZE: usize = DEFAULT_BUFFER_SIZE;
    const DISABLE_NAGLE_ALGORITHM: bool = true;

    fn handle(&mut self, client: &mut StreamRequest) -> io::Result<()> {
        while exchange(client)? == Then::Next {}
        Ok(())
    }
}

/// What follows an exchange.
#[derive(PartialEq)]
enum Then {
    Next,
    Close,
}

/// Answers one request.
fn exchange(client: &mut StreamRequest) -> io::Result<Then> {
    let answered = match Head::read(&mut client.rfile) {
        Ok(Some(head)) => answer(&head, client),
        Ok(None) => return Ok(Then::Close),
        Err(failure) => Err(failure),
    };
    let then = match answered {
        Ok(then) => then,
        Err(Failure::Client(status)) => {
            Response::error(status).close().write(&mut client.wfile)?;
            Then::Close
        }
        Err(Failure::Io(error)) => return Err(error),
    };
    client.wfile.flush()?;
    Ok(then)
}

fn answer(head: &Head, client: &mut StreamRequest) -> Result<Then, Failure> {
    let body = body::read(head, client)?;
    let mut response = pages::answer(head, body);
    if head.method == "HEAD" {
        response = response.without_body();
    }
    let then = if head.keep_alive {
        Then::Next
    } else {
        Then::Close
    };
    if then == Then::Close {
        response = response.close();
    }
    response.write(&mut client.wfile)?;
    Ok(then)
}

/// Why a request could not be read.
#[derive(Debug)]
enum Failure {
    /// The client did something wrong, and is told what.
    Client(Status),
    /// The connection failed.
    Io(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::TimedOut => Self::Client(Status::RequestTimeout),
            ErrorKind::UnexpectedEof => Self::Client(Status::BadRequest),
            _ => Self::Io(error),
        }
    }
}

guest_sdk::export!(Http: StreamRequestHandler);

#[cfg(test)]
mod tests;
