//! Replies that leave together.
//!
//! Packets that were received together are looked at one after the other, and so are their replies ready. To
//! hand each to the kernel by itself wakes its client each time, which costs more than the rest of the call. So
//! they are held until all of those packets have been looked at, or the first has waited long enough.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::client_file::ClientFile;
use super::packet_socket::{PacketSocket, Reply};
use crate::address::{Credentials, Endpoint, UnixName};

/// The replies of one receiver.
pub(crate) struct Outbox {
    socket: Arc<PacketSocket>,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    /// Since when replies are held; none if they leave at once.
    since: Option<Instant>,
    replies: VecDeque<Reply>,
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
            Err(bytes) => {
                // No packet overtakes one that its handler sent before.
                self.flush().await;
                self.socket.send(&bytes, client, from).await
            }
        }
    }

    /// Sends one packet to the Unix client that `sender` says it is, at once.
    ///
    /// # Errors
    ///
    /// As [`Outbox::send`]; `NotConnected` if the client's name is not its own.
    pub(crate) async fn send_to_unix(
        &self,
        bytes: &[u8],
        client: &Endpoint,
        sender: Option<Credentials>,
    ) -> io::Result<()> {
        let from = &self.socket.address.endpoint;
        let file = match client {
            Endpoint::Unix(UnixName::Path(path)) => ClientFile::open(path, sender)?,
            _ => None,
        };
        match &file {
            Some(file) => self.socket.send(bytes, &file.endpoint(), from).await,
            None => self.socket.send(bytes, client, from).await,
        }
    }

    /// Holds a reply, or returns its bytes if it is to leave at once.
    fn hold(&self, bytes: Vec<u8>, client: &Endpoint, from: &Endpoint) -> Result<(), Vec<u8>> {
        let mut held = self.lock();
        let room = held.since.is_some() && held.replies.len() < Self::MOST;
        match client {
            Endpoint::Ip(client) if room && bytes.len() <= Self::LONGEST => {
                held.replies.push_back(Reply {
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

    /// Sends what is held; what comes later leaves at once. Safe to cancel: what has not been sent is still
    /// held then.
    pub(super) async fn flush(&self) {
        while !self.try_flush() {
            self.socket.writable().await;
        }
    }

    /// The same without waiting; false if the kernel has no room for the rest.
    pub(super) fn try_flush(&self) -> bool {
        let mut held = self.lock();
        held.since = None;
        while !held.replies.is_empty() {
            match self.try_send_some(held.replies.make_contiguous()) {
                Ok(sent) => drop(held.replies.drain(..sent)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                Err(error) => {
                    if let Some(lost) = held.replies.pop_front() {
                        tracing::debug!("a reply to {} could not be sent: {error}", lost.client);
                    }
                }
            }
        }
        true
    }

    /// Sends the first of `replies`, and as many others as leave from the same address and have room; returns
    /// how many, which is not none.
    ///
    /// # Errors
    ///
    /// What the kernel says about the first one.
    fn try_send_some(&self, replies: &[Reply]) -> io::Result<usize> {
        let Some(first) = replies.first() else {
            return Ok(0);
        };
        let run = replies.iter().take_while(|reply| reply.from == first.from);
        let run = replies.get(..run.count()).unwrap_or(replies);
        if run.len() > 1
            && let Ok(sent @ 1..) = self.socket.try_send_together(run)
        {
            return Ok(sent);
        }
        self.socket.try_send_one(first)?;
        Ok(1)
    }

    /// Nothing panics while it holds this lock.
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, UdpSocket};

    use super::*;
    use crate::address::{ServerAddress, Transport};

    const PATIENCE: Duration = Duration::from_secs(30);

    /// An outbox, and where it is bound.
    fn outbox(address: &str) -> (Outbox, SocketAddr) {
        let socket = UdpSocket::bind(address).expect("bound");
        let bound = socket.local_addr().expect("bound");
        let address = ServerAddress {
            transport: Transport::Udp,
            endpoint: Endpoint::Ip(bound),
        };
        let socket = PacketSocket::new(socket.into(), address).expect("registered");
        (Outbox::new(Arc::new(socket)), bound)
    }

    fn client() -> (UdpSocket, Endpoint) {
        let client = UdpSocket::bind("127.0.0.1:0").expect("bound");
        client.set_read_timeout(Some(PATIENCE)).expect("set");
        let address = client.local_addr().expect("bound");
        (client, Endpoint::Ip(address))
    }

    /// The next packet, and where it came from.
    fn received(client: &UdpSocket) -> (Vec<u8>, SocketAddr) {
        let mut buffer = vec![0; 65_536];
        let (count, from) = client.recv_from(&mut buffer).expect("a packet");
        buffer.truncate(count);
        (buffer, from)
    }

    fn assert_nothing_came(client: &UdpSocket) {
        client.set_nonblocking(true).expect("set");
        assert!(client.recv(&mut [0]).is_err(), "it should have been held");
        client.set_nonblocking(false).expect("set");
    }

    #[tokio::test]
    async fn replies_leave_at_once_unless_they_are_to_be_held() {
        let (outbox, from) = outbox("127.0.0.1:0");
        let (client, to) = client();
        let from = Endpoint::Ip(from);
        outbox.send(b"now".to_vec(), &to, &from).await.expect("ok");
        assert_eq!(received(&client).0, b"now");
        outbox.begin();
        outbox.flush().await;
        outbox.send(b"now".to_vec(), &to, &from).await.expect("ok");
        assert_eq!(received(&client).0, b"now");
        assert!(!outbox.is_due());
    }

    #[tokio::test]
    async fn held_replies_leave_in_order_when_it_is_time() {
        let (outbox, from) = outbox("127.0.0.1:0");
        let (client, to) = client();
        let from = Endpoint::Ip(from);
        outbox.begin();
        for number in 0..20 {
            let sent = outbox.send(vec![number], &to, &from).await;
            sent.expect("it counts as sent");
        }
        assert_nothing_came(&client);
        outbox.lock().since = Instant::now().checked_sub(2 * Outbox::PATIENCE);
        assert!(outbox.is_due());
        outbox.flush().await;
        for number in 0..20 {
            assert_eq!(received(&client).0, [number]);
        }
    }

    #[tokio::test]
    async fn each_leaves_from_its_own_address_to_its_own_client() {
        let (outbox, bound) = outbox("0.0.0.0:0");
        let clients = [client(), client()];
        outbox.begin();
        for number in 0..8 {
            let (_, to) = &clients[usize::from(number % 2)];
            let from = SocketAddr::from(([127, 0, 0, 1 + number / 4], bound.port()));
            let sent = outbox.send(vec![number], to, &Endpoint::Ip(from)).await;
            sent.expect("it counts as sent");
        }
        outbox.flush().await;
        for number in 0..8 {
            let (client, _) = &clients[usize::from(number % 2)];
            let from = SocketAddr::from(([127, 0, 0, 1 + number / 4], bound.port()));
            assert_eq!(received(client), (vec![number], from));
        }
    }

    #[tokio::test]
    async fn no_more_are_held_than_there_is_room_for_and_none_overtakes_another() {
        let (outbox, from) = outbox("127.0.0.1:0");
        let (client, to) = client();
        let from = Endpoint::Ip(from);
        outbox.begin();
        for number in 0..100 {
            let sent = outbox.send(vec![number], &to, &from).await;
            sent.expect("sent");
            assert!(outbox.lock().replies.len() <= Outbox::MOST);
        }
        for number in 0..100 {
            assert_eq!(received(&client).0, [number]);
        }
    }

    #[tokio::test]
    async fn a_long_reply_is_not_held_so_that_its_handler_hears_what_is_wrong_with_it() {
        let (outbox, from) = outbox("127.0.0.1:0");
        let (client, to) = client();
        let from = Endpoint::Ip(from);
        outbox.begin();
        let longest = vec![b'x'; Outbox::LONGEST];
        outbox.send(longest, &to, &from).await.expect("held");
        assert_nothing_came(&client);
        let long = vec![b'x'; Outbox::LONGEST + 1];
        outbox.send(long, &to, &from).await.expect("sent");
        assert_eq!(received(&client).0.len(), Outbox::LONGEST);
        assert_eq!(received(&client).0.len(), Outbox::LONGEST + 1);
        let error = outbox.send(vec![b'x'; 70_000], &to, &from).await;
        let error = error.expect_err("it is too long");
        assert_eq!(error.raw_os_error(), Some(nix::libc::EMSGSIZE));
    }

    #[tokio::test]
    async fn a_reply_that_cannot_be_sent_does_not_keep_the_others() {
        let (outbox, from) = outbox("127.0.0.1:0");
        let (client, to) = client();
        let from = Endpoint::Ip(from);
        let nowhere = Endpoint::Ip(SocketAddr::from(([127, 0, 0, 1], 0)));
        outbox.begin();
        for to in [&to, &nowhere, &nowhere, &to, &nowhere, &to] {
            let sent = outbox.send(b"x".to_vec(), to, &from).await;
            sent.expect("it counts as sent");
        }
        outbox.flush().await;
        for _ in 0..3 {
            assert_eq!(received(&client).0, b"x");
        }
    }

    /// As whoever looks whether there is a packet does, and leaves.
    #[tokio::test]
    async fn a_flush_that_is_cancelled_loses_nothing() {
        let (outbox, from) = outbox("127.0.0.1:0");
        let (client, to) = client();
        outbox.begin();
        let sent = outbox.send(b"x".to_vec(), &to, &Endpoint::Ip(from)).await;
        sent.expect("held");
        while tokio::task::coop::has_budget_remaining() {
            tokio::task::coop::consume_budget().await;
        }
        {
            let mut flush = std::pin::pin!(outbox.flush());
            std::future::poll_fn(|cx| std::task::Poll::Ready(flush.as_mut().poll(cx).is_ready()))
                .await;
        }
        tokio::task::yield_now().await;
        outbox.flush().await;
        assert_eq!(received(&client).0, b"x");
    }
}
