//! A handler that does what the first line of its request says, however bad that is.
//!
//! `commands` are what streams and datagrams both know, `streams` and `datagrams` what only they know; `granted`
//! uses what an operator can grant, and `directories` wears a granted directory out. It stands
//! on the contract itself, not on the SDK, so that it can do what the SDK would not.

mod commands;
mod datagrams;
mod directories;
mod granted;
mod streams;

wit_bindgen::generate!({
    path: "../../../wit",
    world: "socketserver:handler/service",
    generate_all,
});

use exports::socketserver::handler::{datagram_handler, stream_handler};
use socketserver::handler::types::{DatagramRequest, StreamRequest};

struct Misbehave;

/// What a handler returns: an error's text goes to the log.
type Ended = Result<(), String>;

impl stream_handler::Guest for Misbehave {
    fn handle(request: StreamRequest) -> Ended {
        streams::handle(request)
    }
}

impl datagram_handler::Guest for Misbehave {
    fn handle(request: DatagramRequest) -> Ended {
        datagrams::handle(&request)
    }
}

export!(Misbehave);
