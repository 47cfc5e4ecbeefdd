//! The answers to one packet: each is judged by the packet's budget, sent, and counted.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use serde::{Deserialize, Serialize};

use crate::address::{Credentials, Endpoint};
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
    /// Who sent it, if that is known.
    sender: Option<Credentials>,
    budget: Mutex<ReplyBudget>,
    bytes: AtomicU64,
    refused: OnceLock<&'static str>,
    client_gone: AtomicBool,
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
    pub(crate) fn new(
        outbox: Arc<Outbox>,
        from: Endpoint,
        sender: Option<Credentials>,
        budget: ReplyBudget,
    ) -> Self {
        Self {
            outbox,
            from,
            sender,
            budget: Mutex::new(budget),
            bytes: AtomicU64::new(0),
            refused: OnceLock::new(),
            client_gone: AtomicBool::new(false),
        }
    }

    /// Sends one packet, if the limits allow it, and counts it.
    pub(crate) async fn send(&self, bytes: Vec<u8>, to: &Endpoint) -> Result<(), NotSent> {
        let length = bytes.len();
        if let Err(limit) = self.take(to, length) {
            self.refused.get_or_init(|| limit);
            return Err(NotSent::LimitReached);
        }
        match to {
            Endpoint::Ip(_) => self.outbox.send(bytes, to, &self.from).await?,
            Endpoint::Unix(_) => self.send_to_unix(&bytes, to).await?,
        }
        self.bytes.fetch_add(length as u64, Relaxed);
        Ok(())
    }

    /// To the client, who is the only one that is sent to by a Unix socket.
    async fn send_to_unix(&self, bytes: &[u8], client: &Endpoint) -> Result<(), NotSent> {
        let sent = self.outbox.send_to_unix(bytes, client, self.sender).await;
        let sent = sent.map_err(NotSent::from);
        if sent == Err(NotSent::NotConnected) {
            self.client_gone.store(true, Relaxed);
        }
        sent
    }

    /// True if the client could not be answered, because nobody is there.
    pub(crate) fn client_is_gone(&self) -> bool {
        self.client_gone.load(Relaxed)
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
        match error.kind() {
            io::ErrorKind::TimedOut => return Self::TimedOut,
            io::ErrorKind::NotConnected => return Self::NotConnected,
            _ => {}
        }
        match error.raw_os_error() {
            Some(nix::libc::EDESTADDRREQ | nix::libc::ECONNREFUSED | nix::libc::ENOENT) => {
                Self::NotConnected
            }
            Some(nix::libc::EMSGSIZE) => Self::TooLong,
            Some(nix::libc::EACCES | nix::libc::EPERM) => Self::Denied,
            _ => Self::Other,
        }
    }
}
