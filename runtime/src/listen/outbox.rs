//! Replies that leave together.
//!
//! Packets that were received together are looked at one after the other, and so are their replies ready. To
//! hand each to the kernel by itself wakes its client each time, which costs more than the rest of the call. So
//! they are held until all of those packets have been looked at, or the first has waited long enough.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::packet_socket::PacketSocket;
use crate::address::Endpoint;

/// The replies of one receiver.
pub(crate) struct Outbox {
    socket: Arc<PacketSocket>,
    held: Mutex<Held>,
}

/// A packet to a client.
pub(super) struct Reply {
    pub(super) bytes: Vec<u8>,
    pub(super) client: SocketAddr,
    /// The address that it leaves from.
    pub(super) from: Endpoint,
}

#[derive(Default)]
struct Held {
    /// Since when replies are held; none if they leave at once.
    since: Option<Instant>,
    replies: Vec<Reply>,
}

impl Outbox {
    /// The longest time that a reply is held, but for a guest that computes meanwhile.
    const PATIENCE: Duration = Duration::from_micros(500);
    /// The most replies that are held: a handler may send many for one packet.
    const MOST: usize = 64;
    /// The longest packet that is held: what may be too long for the kernel is for the kernel to say, at once.
    const LONGEST: usize = 16 * 1024;

    pub(super) fn new(socket: Arc<PacketSocket>) -> Self {
        Self {
            socket,
            held: Mutex::default(),
        }
    }

    /// Sends one packet to `client`, from the address that its own packet came to.
    ///
    /// A packet that is held counts as sent. What goes wrong with it later is logged, and the client's loss, as
    /// with every packet that is lost on its way.
    ///
    /// # Errors
    ///
    /// What sendmsg(2) says; `TimedOut` if a Unix client does not read what it was sent before.
    pub(crate) async fn send(
        &self,
        bytes: Vec<u8>,
        client: &Endpoint,
        from: &Endpoint,
    ) -> io::Result<()> {
        match self.hold(bytes, client, from) {
            Ok(()) => Ok(()),
            Err(bytes) => self.socket.send(&bytes, client, from).await,
        }
    }

    /// Holds a reply, or returns its bytes if it is to leave at once.
    fn hold(&self, bytes: Vec<u8>, client: &Endpoint, from: &Endpoint) -> Result<(), Vec<u8>> {
        let mut held = self.lock();
        let room = held.since.is_some() && held.replies.len() < Self::MOST;
        match client {
            Endpoint::Ip(client) if room && bytes.len() <= Self::LONGEST => {
                held.replies.push(Reply {
                    bytes,
                    client: *client,
                    from: from.clone(),
                });
                Ok(())
            }
            _ => Err(bytes),
        }
    }

    /// From here on replies are held, until [`Outbox::flush`].
    pub(super) fn begin(&self) {
        self.lock().since = Some(Instant::now());
    }

    /// True if what is held has waited long enough.
    pub(super) fn is_due(&self) -> bool {
        let since = self.lock().since;
        since.is_some_and(|since| since.elapsed() > Self::PATIENCE)
    }

    /// Sends what is held; what comes later leaves at once. If it is cancelled, what is left is lost.
    pub(super) async fn flush(&self) {
        let replies = {
            let mut held = self.lock();
            held.since = None;
            std::mem::take(&mut held.replies)
        };
        let mut rest = replies.as_slice();
        while let Some(first) = rest.first() {
            let sent = self.send_some(first, rest).await;
            rest = rest.get(sent..).unwrap_or_default();
        }
    }

    /// Sends the first of `replies`, and as many others as leave from the same address and have room; returns
    /// how many.
    async fn send_some(&self, first: &Reply, replies: &[Reply]) -> usize {
        let run = replies.iter().take_while(|reply| reply.from == first.from);
        let run = replies.get(..run.count()).unwrap_or(replies);
        if run.len() > 1
            && let Ok(sent @ 1..) = self.socket.try_send_together(run)
        {
            return sent;
        }
        // There is something wrong with the first one, or no room for it.
        let client = Endpoint::Ip(first.client);
        if let Err(error) = self.socket.send(&first.bytes, &client, &first.from).await {
            tracing::debug!("a reply to {} could not be sent: {error}", first.client);
        }
        1
    }

    /// Nothing panics while it holds this lock.
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
