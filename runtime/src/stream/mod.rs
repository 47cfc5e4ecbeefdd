//! One connection and its faces: a socket (`recv`, `send`), a file to read (`rfile`), a file to write
//! (`wfile`).
//!
//! `socket` is what the bytes move through and `state` how they do; `connection` is what the host keeps and the
//! guest never owns; `rfile` and `wfile` are the bridges to `wasi:io`.

mod connection;
mod rfile;
mod socket;
mod state;
mod wfile;

pub(crate) use connection::{Connection, Half};
pub(crate) use rfile::Rfile;
pub(crate) use socket::{ForeignStream, Socket};
pub(crate) use state::{Overrun, Progress, Quota};
pub(crate) use wfile::Wfile;

use std::io;

/// The most bytes that one call moves, in either direction: what a guest asks for is not a reason to
/// allocate it.
pub(crate) const CHUNK: usize = 64 * 1024;

/// Why an operation on a connection failed, before it is called what the contract calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    /// The client reset the connection.
    #[error("the client reset the connection")]
    Reset,
    /// The client does not read any more, or our side has been ended.
    #[error("the connection is closed for writing")]
    BrokenPipe,
    /// The time-out went by.
    #[error("timed out")]
    TimedOut,
    /// One of the operator's limits.
    #[error("a limit was reached")]
    LimitReached,
    /// This transport has no such thing.
    #[error("not supported by this transport")]
    NotSupported,
    /// Anything else.
    #[error("the connection failed")]
    Other,
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => Self::Reset,
            io::ErrorKind::BrokenPipe | io::ErrorKind::NotConnected => Self::BrokenPipe,
            io::ErrorKind::TimedOut => Self::TimedOut,
            io::ErrorKind::Unsupported => Self::NotSupported,
            _ => Self::Other,
        }
    }
}
