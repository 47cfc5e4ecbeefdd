//! Write the handler of a socket server as a Rust type, after Python's
//! [`socketserver`](https://docs.python.org/3/library/socketserver.html).
//!
//! The server owns the socket. For every request, which is a connection of a stream transport or one packet of
//! a datagram transport, it makes a fresh instance of the handler and lets it serve that one request: what the
//! handler object is in Python. The instance is a WebAssembly component, and this crate makes one of an
//! ordinary type:
//!
//! ```
//! use std::io::{self, Write};
//!
//! use guest_sdk::{StreamRequest, StreamRequestHandler};
//!
//! #[derive(Default)]
//! struct Upper;
//!
//! impl StreamRequestHandler for Upper {
//!     fn handle(&mut self, request: &mut StreamRequest) -> io::Result<()> {
//!         let line = request.rfile.readline(8192)?; // bounded, and bytes: as in Python
//!         request.wfile.write_all(&line.trim_ascii().to_ascii_uppercase())
//!     }
//! }
//!
//! guest_sdk::export!(Upper: StreamRequestHandler);
//!
//! # /*
//! #[test]
//! # */
//! fn answers_a_line_in_upper_case() {
//!     let served = guest_sdk::testing::stream::<Upper>(["hello\n"]);
//!     assert_eq!(served.sent, b"HELLO");
//! }
//! # answers_a_line_in_upper_case();
//! ```
//!
//! The crate that holds it has `crate-type = ["cdylib"]`. `cargo test` tests it natively, with no wasm and no
//! server; `cargo build --release --target wasm32-wasip2` builds it; `runtime serve --handler` serves it.
//!
//! # Which base class
//!
//! | trait | `request` is | for |
//! | --- | --- | --- |
//! | [`StreamRequestHandler`] | [`StreamRequest`]: `rfile`, `wfile`, `connection` | streams, line by line |
//! | [`DatagramRequestHandler`] | [`DatagramRequest`]: `rfile`, `wfile`, `packet` | datagrams |
//! | [`RequestHandler`] | [`Request`]: `rfile`, `wfile` | both, written once |
//! | [`BaseRequestHandler<Connection>`](BaseRequestHandler) | [`Connection`]: `recv`, `sendall` | streams, raw |
//! | [`BaseRequestHandler<Datagram>`](BaseRequestHandler) | [`Datagram`]: `packet`, `send` | datagrams, raw |
//!
//! [`export!`] names it as the `class` line does in Python, and joins two by `+` for a type that has both.
//!
//! # The life of a request
//!
//! `H::default()`, `setup`, `handle`, `finish`, by the rules of [`BaseRequestHandler`]; then the server sends
//! what was written and ends the connection. Everything blocks: an instance serves one request, and the server
//! runs many side by side. An `Err` ends this request only, and its text is what the server logs; a panic ends
//! it, too, without `finish`. Errors are [`std::io::Error`]s of the kinds that a socket has; [`ErrorCode`] says
//! more.
//!
//! What a handler prints is the server's to show, line by line. Rust keeps an unfinished line to itself: end
//! it, or flush it, before `finish` returns.
//!
//! # What it costs
//!
//! A handler imports only those functions of the contract that it calls, beside what Rust's standard library
//! needs for itself. Nothing is formatted and no memory asked for in the course of a small request: the feature
//! `heap`, on by default, gives the handler its first 64 KiB as a static array. Turn it off to bring a
//! `#[global_allocator]` of your own; one that the C library can free blocks of, since it gets what the host returns to
//! the calls that it makes.

mod address;
mod connection;
mod datagram;
mod error;
#[doc(hidden)]
pub mod export;
mod handler;
#[cfg(any(test, all(feature = "heap", target_arch = "wasm32")))]
mod heap;
mod host;
mod rfile;
mod server;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
mod wfile;

pub use address::{Address, Credentials, UnixAddress, UnixName};
pub use connection::Connection;
pub use datagram::Datagram;
pub use error::ErrorCode;
pub use handler::{
    BaseRequestHandler, DEFAULT_BUFFER_SIZE, DatagramRequest, DatagramRequestHandler, Request,
    RequestHandler, StreamRequest, StreamRequestHandler,
};
pub use rfile::RFile;
pub use server::{Schedule, Server, Transport};
pub use wfile::WFile;
