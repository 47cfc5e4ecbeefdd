//! A child's way home: what it tells its server, and asks of it.

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::oneshot;

use super::message::{Answer, FromChild, Order, Question, ToChild};
use super::seqpacket::{receive_plain, send_waiting};
use crate::address::Endpoint;
use crate::output::{Lines, Print};
use crate::replies::{NotSent, Replier, Sending};
use crate::sandbox::{Found, Resolver};
use crate::watched::watch;

/// The channel of one child. It is made in the zygote, and opened in the child.
#[derive(Default)]
pub(super) struct Home {
    channel: OnceLock<AsyncFd<OwnedFd>>,
    asked: AtomicU32,
    /// Who waits for the answer to which question.
    waiting: Mutex<HashMap<u32, oneshot::Sender<Answer>>>,
}

impl Home {
    /// From here on there is somebody to talk to.
    pub(super) fn open(&self, channel: OwnedFd) -> io::Result<()> {
        let channel = watch(channel)?;
        self.channel.get_or_init(|| channel);
        Ok(())
    }

    /// Tells something; false if that is not possible. A server that is gone is noticed by who listens.
    pub(super) fn tell(&self, message: &FromChild) -> bool {
        let channel = self.channel.get();
        channel.is_some_and(|channel| send_waiting(channel.get_ref(), message, &[]).is_ok())
    }

    /// What there is to do; none if the server is gone.
    pub(super) async fn order(&self) -> Option<Order> {
        match self.receive().await? {
            ToChild::Order(order) => Some(order),
            ToChild::Answer { .. } => None,
        }
    }

    /// Hands answers to those who wait for them, until the server is gone.
    pub(super) async fn listen(&self) {
        while let Some(message) = self.receive().await {
            if let ToChild::Answer { number, answer } = message
                && let Some(waiting) = self.lock().remove(&number)
            {
                // Who does not wait any more need not know.
                drop(waiting.send(answer));
            }
        }
    }

    /// None if the server is gone.
    async fn receive(&self) -> Option<ToChild> {
        let channel = self.channel.get()?;
        let received = channel.async_io(Interest::READABLE, receive_plain).await;
        received.ok()?
    }

    /// Asks, and waits for the answer; none if there will be none.
    async fn ask(&self, question: Question) -> Option<Answer> {
        let number = self.asked.fetch_add(1, Relaxed);
        let (sender, answer) = oneshot::channel();
        self.lock().insert(number, sender);
        if !self.tell(&FromChild::Question { number, question }) {
            self.lock().remove(&number);
            return None;
        }
        answer.await.ok()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u32, oneshot::Sender<Answer>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Print for Home {
    fn print(&self, lines: Lines, text: String) {
        self.tell(&FromChild::Print { lines, text });
    }
}

impl Replier for Home {
    fn send(&self, bytes: Vec<u8>, to: &Endpoint) -> Sending<'_> {
        /// The longest datagram there is, headers included.
        const LONGEST: usize = 65_535;
        let to = to.clone();
        Box::pin(async move {
            if bytes.len() > LONGEST {
                return Err(NotSent::TooLong);
            }
            match self.ask(Question::Send { bytes, to }).await {
                Some(Answer::Sent(sent)) => sent,
                Some(Answer::LookedUp(_)) | None => Err(NotSent::Other),
            }
        })
    }
}

impl Resolver for Home {
    fn look_up(&self, name: String) -> Found<'_> {
        Box::pin(async move {
            match self.ask(Question::LookUp { name }).await {
                Some(Answer::LookedUp(addresses)) => addresses,
                Some(Answer::Sent(_)) | None => None,
            }
        })
    }
}
