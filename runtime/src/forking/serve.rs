//! The server's side of one request that a child serves: the order, the conversation, the report.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::children::Running;
use super::keeper::Living;
use super::message::{Ended, FromChild, Order, Status, ToChild};
use super::pump::Pump;
use super::seqpacket::{has_gone, pair, receive_plain, send};
use super::{Hands, Zygote};
use crate::address::ClientAddress;
use crate::execute::Executed;
use crate::listen::Packet;
use crate::outcome::Outcome;
use crate::replies::Replies;
use crate::request::Linger;
use crate::stream::Socket;
use crate::text::harmless;
use crate::watched::watch;

/// How a child's request ended.
pub(crate) struct Served {
    pub(crate) executed: Executed,
    /// Bytes of the connection, in and out.
    pub(crate) moved: (u64, u64),
    /// The child, if it is still there.
    pub(crate) leaving: Option<Leaving>,
}

/// A child that has reported, and may still be polite to its client.
pub(crate) struct Leaving(Conversation);

impl Leaving {
    /// Waits until the child has gone.
    pub(crate) async fn gone(mut self) {
        let gone = async { while self.0.hear().await.is_some() {} };
        if timeout(Linger::TIME + GRACE, gone).await.is_ok() {
            self.0.over = true;
        }
    }
}

/// A channel to a child, and who forked it. Dropping it ends the child.
struct Conversation {
    channel: AsyncFd<OwnedFd>,
    zygote: Arc<Living>,
    request: u64,
    running: Option<Running>,
    /// Names that the child has asked for.
    look_ups: usize,
    /// The child is gone, or was never there.
    over: bool,
}

/// What became of a request in one zygote's hands.
enum Tried {
    Ended(Ended, Leaving),
    /// The child is gone, and said nothing of the request's end.
    Lost(Status),
    /// So it is, and so is its zygote, which would know why.
    Orphaned,
    /// The zygote died before it forked.
    NotBegun,
    /// It took longer than its wall limit, by more than it takes to say so.
    Overdue,
    /// The child says nothing any more: it is stuck, or stopped.
    Stands,
}

/// How a conversation ended.
enum Heard {
    Ended(Ended),
    /// The child has closed its side, or talks nonsense.
    Gone,
    /// It neither says nor hears anything.
    Nothing,
}

/// How much longer than its limits say a child may take before its server takes over.
const GRACE: Duration = Duration::from_secs(2);

/// The longest silence of a child, or of a zygote that is asked for one.
const STAND: Duration = Duration::from_secs(10);

impl Zygote {
    /// Has a child serve a connection.
    pub(crate) async fn serve_stream(
        &self,
        request: u64,
        client_address: &ClientAddress,
        socket: Socket,
        pid: &mut Option<u32>,
    ) -> Served {
        match handed_over(socket) {
            Ok((hands, None)) => self.serve(request, client_address, hands, pid).await,
            Ok((hands, Some(pump))) => {
                let served = self.serve(request, client_address, hands, pid);
                pump.beside(served).await
            }
            Err(error) => Served::badly(Outcome::Host(format!("cannot hand over: {error}"))),
        }
    }

    /// Has a child serve a packet.
    pub(crate) async fn serve_packet(
        &self,
        request: u64,
        client_address: &ClientAddress,
        packet: Packet,
        replies: Arc<Replies>,
        pid: &mut Option<u32>,
    ) -> Served {
        let hands = Hands::Packet { packet, replies };
        self.serve(request, client_address, hands, pid).await
    }

    /// Has a child serve a request; `pid` is its number as soon as it has one. Dropping the future ends the child.
    ///
    /// A zygote that dies before it has forked for the request is no matter: the next one will.
    async fn serve(
        &self,
        request: u64,
        client_address: &ClientAddress,
        mut hands: Hands,
        pid: &mut Option<u32>,
    ) -> Served {
        let order = ToChild::Order(Order {
            request,
            client_address: client_address.clone(),
            work: hands.work(),
        });
        let mut dead = None;
        loop {
            let zygote = self.keeper.living(dead.as_ref()).await;
            let tried = self.try_serve(&zygote, request, &order, client_address, &mut hands, pid);
            match tried.await {
                Ok(Tried::Ended(ended, leaving)) => return Served::well(ended, leaving),
                Ok(Tried::Lost(status)) => return Served::badly(lost(status)),
                Ok(Tried::Orphaned) => {
                    let unknown = "a signal that nobody saw, with its zygote".to_owned();
                    return Served::badly(Outcome::Killed(unknown));
                }
                Ok(Tried::NotBegun) => dead = Some(zygote),
                Ok(Tried::Overdue) => return Served::badly(Outcome::Wall),
                Ok(Tried::Stands) => {
                    let stands = "the request's process has come to a stand".to_owned();
                    return Served::badly(Outcome::Host(stands));
                }
                Err(error) => {
                    return Served::badly(Outcome::Host(format!("cannot hand over: {error}")));
                }
            }
        }
    }

    async fn try_serve(
        &self,
        zygote: &Arc<Living>,
        request: u64,
        order: &ToChild,
        client: &ClientAddress,
        hands: &mut Hands,
        pid: &mut Option<u32>,
    ) -> io::Result<Tried> {
        let (ours, theirs) = pair()?;
        send(&ours, order, &[])?;
        let mut conversation = Conversation {
            channel: watch(ours)?,
            zygote: Arc::clone(zygote),
            request,
            running: None,
            look_ups: 0,
            over: true,
        };
        let status = {
            let mut files = vec![theirs.as_fd()];
            files.extend(hands.connection());
            match zygote.serve(request, &files).await {
                Ok(status) => status,
                Err(error) if has_gone(&error) => return Ok(Tried::NotBegun),
                Err(error) => return Err(error),
            }
        };
        drop(theirs);
        conversation.over = false;
        let limit = self.wall_limit(hands);
        let heard = self.converse(&mut conversation, client, hands, pid);
        let heard = match limit {
            // All of it: neither a flood of messages nor a child that hears nothing puts it off.
            Some(limit) => match timeout(limit + GRACE, heard).await {
                Ok(heard) => heard,
                Err(_) => return Ok(Tried::Overdue),
            },
            None => heard.await,
        };
        Ok(match heard {
            Heard::Ended(ended) => Tried::Ended(ended, Leaving(conversation)),
            Heard::Gone => conversation.lost(status).await,
            Heard::Nothing => Tried::Stands,
        })
    }

    /// Hears a child, and answers it, until it has reported or says nothing any more.
    async fn converse(
        &self,
        conversation: &mut Conversation,
        client: &ClientAddress,
        hands: &mut Hands,
        pid: &mut Option<u32>,
    ) -> Heard {
        // It beats once a second, if it can.
        while let Ok(heard) = timeout(STAND, conversation.hear()).await {
            match heard {
                None => return Heard::Gone,
                Some(FromChild::Begun { pid: number }) => {
                    if conversation.running.is_none() {
                        *pid = Some(number);
                        conversation.running = Some(self.children.running(number));
                        hands.taken();
                    }
                }
                Some(FromChild::Beat) => {}
                Some(FromChild::Print { lines, text }) => {
                    self.print(conversation.request, lines, &text);
                }
                Some(FromChild::Question { number, question }) => {
                    let answer = self
                        .answer(question, client, hands, &mut conversation.look_ups)
                        .await;
                    let answer = ToChild::Answer { number, answer };
                    if timeout(STAND, conversation.tell(&answer)).await.is_err() {
                        break;
                    }
                }
                Some(FromChild::Ended(ended)) => return Heard::Ended(ended),
            }
        }
        Heard::Nothing
    }

    /// How long a request may take that is in these hands.
    fn wall_limit(&self, hands: &Hands) -> Option<Duration> {
        match hands {
            Hands::Connection { .. } => self.limits.stream_wall_limit,
            Hands::Packet { .. } => self.limits.datagram_wall_limit,
        }
    }
}

impl Served {
    fn well(ended: Ended, leaving: Leaving) -> Self {
        Self {
            executed: Executed {
                outcome: match ended.outcome {
                    // What only a server says: no child is to hide behind it.
                    Outcome::Refused(_) | Outcome::Aborted | Outcome::Killed(_) => {
                        Outcome::Host("the request's process talks nonsense".to_owned())
                    }
                    outcome => outcome,
                },
                peak_memory: ended.peak_memory,
                denied: ended.denied.map(|what| harmless(what.as_bytes())),
            },
            moved: (ended.bytes_in, ended.bytes_out),
            leaving: Some(leaving),
        }
    }

    fn badly(outcome: Outcome) -> Self {
        Self {
            executed: Executed::not(outcome),
            moved: (0, 0),
            leaving: None,
        }
    }
}

impl Conversation {
    /// What the child says next; none if it is gone, or talks nonsense.
    async fn hear(&mut self) -> Option<FromChild> {
        let received = self.channel.async_io(Interest::READABLE, receive_plain);
        received.await.ok()?
    }

    /// A child that is gone hears nothing, which is noticed next.
    async fn tell(&self, message: &ToChild) {
        let tell = |channel: &OwnedFd| send(channel, message, &[]);
        drop(self.channel.async_io(Interest::WRITABLE, tell).await);
    }

    /// How a child ended that said nothing of it.
    async fn lost(mut self, status: oneshot::Receiver<Status>) -> Tried {
        // Its zygote tells by itself only how a child ended that did not end well.
        self.zygote.kill(self.request);
        self.over = true;
        match timeout(STAND, status).await {
            Ok(Ok(status)) => Tried::Lost(status),
            Ok(Err(_)) if self.running.is_some() => Tried::Orphaned,
            Ok(Err(_)) => Tried::NotBegun,
            // Its zygote lives, and does not answer: there will be no other one.
            Err(_) => Tried::Stands,
        }
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        self.zygote.forget(self.request);
        if !self.over {
            self.zygote.kill(self.request);
        }
    }
}

/// A connection as a child can have it; with a pump, if it is one that only this process can have.
fn handed_over(socket: Socket) -> io::Result<(Hands, Option<Pump>)> {
    let tcp = matches!(socket, Socket::Tcp(_));
    let (socket, pump) = match socket.into_descriptor() {
        Ok(socket) => (socket, None),
        Err(foreign) => {
            let (theirs, pump) = Pump::new(foreign)?;
            (theirs, Some(pump))
        }
    };
    let socket = Some(socket);
    Ok((Hands::Connection { socket, tcp }, pump))
}

/// What it means that a child ended so.
fn lost(status: Status) -> Outcome {
    match status {
        Status::Killed(number) => Outcome::Killed(match Signal::try_from(number) {
            Ok(signal) => signal.as_str().to_owned(),
            Err(_) => format!("signal {number}"),
        }),
        Status::NotForked(number) => {
            let error = io::Error::from_raw_os_error(number);
            Outcome::Host(format!("cannot fork: {error}"))
        }
        Status::Exited(code) => Outcome::Host(format!(
            "the request's process ended early, with status {code}"
        )),
    }
}
