//! What keeps a run from being carried out, and what to do about it.

use std::io;

/// Why a run cannot be carried out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    /// The address is one of this process only.
    #[error(
        "{address}: a descriptor belongs to the server's own process: give the address that it prints"
    )]
    Descriptor {
        /// As given.
        address: String,
    },
    /// Port 0 asks for any free port, which only a server can do.
    #[error("{address}: port 0 is nobody's: give the port that the server prints")]
    PortZero {
        /// As given.
        address: String,
    },
    /// The host has no address.
    #[error("cannot resolve {host}: {reason}")]
    Resolve {
        /// The name.
        host: String,
        /// What the system says.
        reason: io::Error,
    },
    /// Nobody could be reached, from the beginning.
    #[error("{address}: {reason}: is the server running?")]
    Unreachable {
        /// Whom the clients tried to reach.
        address: String,
        /// What came of it.
        reason: String,
    },
    /// More clients than this process may have sockets.
    #[error(
        "{wanted} open files are needed and {maximum} allowed: raise `ulimit -Hn`, or use fewer --connections"
    )]
    Descriptors {
        /// How many are needed.
        wanted: u64,
        /// How many this process may have.
        maximum: u64,
    },
    /// A thread could not be started, or ended early.
    #[error("cannot run the clients: {0}")]
    Thread(io::Error),
}
