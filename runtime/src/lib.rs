//! A socket server whose request handlers are sandboxed WebAssembly components.
//!
//! Python's `socketserver` separates a *server*, which owns a socket and decides how requests are
//! scheduled, from a *handler object*, made afresh for every request, which speaks the protocol. This crate
//! keeps that split and puts a wall in it: the handler is a WebAssembly component, each request gets a fresh
//! instance, and an instance can do nothing that it was not granted.
//!
//! ```no_run
//! use runtime::{Handler, Limits, Server, ServerConfig};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let handler = Handler::load("upper.wasm", Limits::default())?;
//! let server = Server::bind(&"udp://127.0.0.1:0".parse()?, ServerConfig::default(), &handler)?;
//! println!("{}", server.server_address());
//! server.serve_forever().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # The life of a request
//!
//! One direction, an owned value handed on at each station:
//!
//! | room | Python's word | what happens |
//! | --- | --- | --- |
//! | `listen` | `get_request` | a connection or a packet, with its client's address |
//! | `admission` | `verify_request` | the rules for clients and a permit, or refused |
//! | `schedule` | `process_request` | here (sync); begun here, and a task if it has to wait (threaded); a child (forking) |
//! | `finish` | `finish_request` | a fresh instance, one call, limits around it |
//! | `request` | `shutdown_request` | half-close, drain, close; always |
//! | `outcome`, `access` | `handle_error` | how it ended, whose fault it was, a line in the log |
//!
//! `server` puts them in a row; `handler` loads what they run; `sandbox` is all of wasmtime, and `stream` the
//! bridge between a socket and `wasi:io`. Beside them, and without them, `bench` measures servers.

#[cfg(not(target_os = "linux"))]
compile_error!(
    "this runtime serves on Linux. Another Unix needs its own form of what only Linux has: see \"Systems\" in \
     runtime/ARCHITECTURE.md"
);

mod access;
mod address;
mod admission;
#[cfg(feature = "cli")]
mod bench;
#[cfg(feature = "cli")]
pub mod cli;
mod config;
mod confine;
mod error;
mod execute;
mod finish;
mod forking;
mod grants;
mod handler;
mod hooks;
mod listen;
mod meter;
mod outcome;
mod output;
mod replies;
mod reply_budget;
mod request;
mod sandbox;
mod schedule;
mod server;
mod shutdown;
mod stream;
mod supervise;
mod text;
mod watched;

pub use access::{CounterHandle, Counters};
pub use address::{
    AddressError, BindAddress, ClientAddress, Credentials, Endpoint, ServerAddress, Transport,
    UnixName,
};
pub use config::{
    AccessLog, Applies, ConfigError, Confine, Limit, Limits, Schedule, ServerConfig, ServerLimits,
    Unit, WhenFull, client_network, limits,
};
pub use error::{BindError, LoadError, ServeError};
pub use forking::{ZYGOTE, child_message, zygote};
pub use grants::{
    Access, ConnectPattern, Directory, Grants, HostPattern, NamePattern, NetworkPattern, Ports,
    Protocol, Variable,
};
pub use handler::Handler;
pub use hooks::Hooks;
pub use ipnet::IpNet;
pub use outcome::{Fault, LimitName, Outcome, Refusal, Report};
pub use output::{LogWriter, Output};
pub use request::Request;
pub use sandbox::Cache;
pub use server::{BoundServer, Closed, Handled, Server};
pub use shutdown::ShutdownHandle;
