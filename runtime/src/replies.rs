//! The answers to one packet: each is judged by the packet's budget, sent, and counted.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use serde::{Deserialize, Serialize};

use crate::address::Endpoint;
use crate::listen::Outbox;
use crate::reply_budget::ReplyBudget;

/// What a guest answers through.
pub(crate) enum ReplyPath {
    /// By the server's own socket.
    Here(Arc<Replies>),
    /// By whoever has the server's socket.
    Elsewhere(Arc<dyn Replier>),
}

/// Somebody who sends packets for a guest in another process.
pub(crate) trait Replier: Send + Sync {
    /// Sends `bytes` to `to`.
    fn send(&self, bytes: Vec<u8>, to: &Endpoint) -> Sending<'_>;
}

/// Sending, until it is known what became of it.
pub(crate) type Sending<'a> = Pin<Box<dyn Future<Output = Result<(), NotSent>> + Send + 'a>>;

/// Why a packet was not sent, before it is called what the contract calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum NotSent {
    LimitReached,
    TimedOut,
    NotConnected,
    TooLong,
    Denied,
    Other,
}

/// The answers to one packet.
pub(crate) struct Replies {
    outbox: Arc<Outbox>,
    /// The address that the packet came to, from which answers leave.
    from: Endpoint,
    budget: Mutex<ReplyBudget>,
    bytes: AtomicU64,
    refused: OnceLock<&'static str>,
}

impl ReplyPath {
    pub(crate) async fn send(&self, bytes: Vec<u8>, to: &Endpoint) -> Result<(), NotSent> {
        match self {
            Self::Here(replies) => replies.send(bytes, to).await,
            Self::Elsewhere(replier) => replier.send(bytes, to).await,
        }
    }
}

impl Replies {
    pub(crate) fn new(outbox: Arc<Outbox>, from: Endpoint, budget: ReplyBudget) -> Self {
        Self {
            outbox,
            from,
            budget: Mutex::new(budget),
            bytes: AtomicU64::new(0),
            refused: OnceLock::new(),
        }
    }

    /// Sends one packet, if the limits allow it, and counts it.
    pub(crate) async fn send(&self, bytes: Vec<u8>, to: &Endpoint) -> Result<(), NotSent> {
        let length = bytes.len();
        if let Err(limit) = self.take(to, length) {
            self.refused.get_or_init(|| limit);
            return Err(NotSent::LimitReached);
        }
        self.outbox.send(bytes, to, &self.from).await?;
        self.bytes.fetch_add(length as u64, Relaxed);
        Ok(())
    }

    fn take(&self, to: &Endpoint, length: usize) -> Result<(), &'static str> {
        let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
        budget.take(to, length)
    }

    /// Bytes of the packets that were sent.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    /// The first limit by which a packet was not sent.
    pub(crate) fn refused(&self) -> Option<&'static str> {
        self.refused.get().copied()
    }
}

impl From<io::Error> for NotSent {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::TimedOut {
            return Self::TimedOut;
        }
        match error.raw_os_error() {
            Some(
                nix::libc::ENOTCONN
                | nix::libc::EDESTADDRREQ
                | nix::libc::ECONNREFUSED
                | nix::libc::ENOENT,
            ) => Self::NotConnected,
            Some(nix::libc::EMSGSIZE) => Self::TooLong,
            Some(nix::libc::EACCES | nix::libc::EPERM) => Self::Denied,
            _ => Self::Other,
        }
    }
}
