//! A handler that hurts its server in the way that the first line of its request names.
//!
//! `ways` is the list of them, which the tests share; `hurting` is how it is done, by streams and datagrams
//! alike. Before it begins the guest says `begun`, so that a test knows. It stands on the contract itself, not on
//! the SDK, so that it can do what the SDK would not. To an `upper` it is honest.

mod hurting;
mod ways;

wit_bindgen::generate!({
    path: "../../../wit",
    world: "socketserver:handler/service",
    generate_all,
});

use exports::socketserver::handler::{datagram_handler, stream_handler};
use socketserver::handler::types::{DatagramRequest, ErrorCode, ShutdownType, StreamRequest};
use ways::Hurt;

struct Hostile;

/// What a handler returns: an error's text goes to the log.
type Ended = Result<(), String>;

/// A request of either kind.
pub(crate) enum Request {
    Stream(StreamRequest),
    Datagram(DatagramRequest),
}

impl stream_handler::Guest for Hostile {
    fn handle(request: StreamRequest) -> Ended {
        let mut line = Vec::new();
        while !line.contains(&b'\n') {
            let more = request.recv(1024).map_err(text)?;
            if more.is_empty() {
                break;
            }
            line.extend(more);
        }
        serve(&line, &Request::Stream(request))
    }
}

impl datagram_handler::Guest for Hostile {
    fn handle(request: DatagramRequest) -> Ended {
        serve(&request.packet(), &Request::Datagram(request))
    }
}

fn serve(bytes: &[u8], request: &Request) -> Ended {
    let line = bytes.split(|byte| *byte == b'\n').next();
    let line = String::from_utf8_lossy(line.unwrap_or_default());
    if let Some(honest) = line.strip_prefix("upper ") {
        return request.send(honest.to_ascii_uppercase().as_bytes());
    }
    let way = Hurt::ALL.iter().find(|way| way.name() == line);
    let way = way.ok_or_else(|| format!("no such way: {line}"))?;
    if *way != Hurt::TrapInSetup {
        request.send(b"begun")?;
    }
    hurting::hurt(*way, request)
}

impl Request {
    fn send(&self, bytes: &[u8]) -> Ended {
        match self {
            Self::Stream(request) => request.send(bytes).map(drop),
            Self::Datagram(request) => request.send(bytes),
        }
        .map_err(text)
    }

    /// Ends the answer, where an answer has an end.
    fn end(&self) -> Ended {
        match self {
            Self::Stream(request) => request.shutdown(ShutdownType::Send).map_err(text),
            Self::Datagram(_) => Ok(()),
        }
    }
}

fn text(error: ErrorCode) -> String {
    error.name().to_owned()
}

export!(Hostile);
