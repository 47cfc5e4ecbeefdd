//! What a handler can ask its server: `self.server`.

use std::fmt;

use crate::{Address, host};

/// What the server tells about itself: `self.server` in Python.
///
/// Every method asks the server when it is called, so that a handler which asks nothing pays nothing.
#[derive(Clone, Debug)]
pub struct Server(host::ServerInfo);

impl Server {
    pub(crate) fn new(info: host::ServerInfo) -> Self {
        Self(info)
    }

    /// Where the server listens: `server.server_address`, with the real port if it was bound to port 0.
    #[must_use]
    pub fn server_address(&self) -> Address {
        self.0.server_address()
    }

    /// What it listens on: `address_family` and `socket_type`.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.0.transport()
    }

    /// How its requests share it: `ThreadingMixIn`, `ForkingMixIn` or neither.
    #[must_use]
    pub fn schedule(&self) -> Schedule {
        self.0.schedule()
    }

    /// The name under which the operator serves this handler: its file's name without `.wasm`.
    #[must_use]
    pub fn handler_name(&self) -> String {
        self.0.handler_name()
    }

    /// The number of this request: 1, 2, 3, … in the order in which the server took them.
    #[must_use]
    pub fn request_id(&self) -> u64 {
        self.0.request_id()
    }
}

/// What a server listens on, in the words of Go's package `net`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Streams over IPv4 or IPv6.
    Tcp,
    /// Datagrams over IPv4 or IPv6.
    Udp,
    /// Streams over a Unix socket.
    Unix,
    /// Datagrams over a Unix socket.
    Unixgram,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Unix => "unix",
            Self::Unixgram => "unixgram",
        })
    }
}

/// How the requests of a server share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Schedule {
    /// One at a time.
    Sync,
    /// Side by side.
    Threaded,
    /// In a process each.
    Forking,
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sync => "sync",
            Self::Threaded => "threaded",
            Self::Forking => "forking",
        })
    }
}
