//! A process for every request: Python's `ForkingMixIn`, with a second wall around the handler.
//!
//! Three kinds of process. The *server* accepts, admits, counts and logs, as under every schedule. Its *zygote* is the same
//! program started anew (`start`): small and without threads, so that it may fork; it has the handler's compiled code, and
//! nothing to do with clients (`zygote`). A *child* is forked for one request, serves it and ends (`child`), by the
//! few calls that only a file of `unsafe` can make (`fork`).
//!
//! The server hands a request over with a channel of its own (`serve`), over which the child reports, prints and asks for what
//! is not its to do (`home`); `message` is what they say, and `seqpacket` how. A `keeper` starts another zygote if one dies,
//! whose running children go on. `children` are those that run. A connection that cannot be handed over has a `pump`.

mod answers;
mod child;
mod children;
mod fork;
mod home;
mod keeper;
mod message;
mod pump;
mod seqpacket;
mod serve;
mod start;
mod text;
mod zygote;

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::address::ServerAddress;
use crate::config::{Confine, Limits};
use crate::grants::Grants;
use crate::handler::Handler;
use crate::listen::Packet;
use crate::output::Output;
use crate::replies::Replies;
use crate::sandbox::Granted;

pub(crate) use serve::{Leaving, Served};
pub use start::{ZYGOTE, zygote};

use children::Children;
use keeper::Keeper;
use message::{FromChild, Setup, Work};
use seqpacket::{decode, encode};
use start::Recipe;

/// What serves requests in children.
pub(crate) struct Zygote {
    keeper: Keeper,
    children: Children,
    handler_name: String,
    limits: Limits,
    grants: Arc<Grants>,
    output: Arc<Output>,
}

/// How a server's children are to be.
pub(crate) struct Forks {
    /// The program that is started as a zygote; none for this one.
    pub(crate) program: Option<PathBuf>,
    pub(crate) confine: Confine,
    pub(crate) read_timeout: Option<Duration>,
}

/// What a child is given to serve.
pub(crate) enum Hands {
    Connection {
        /// None when the child has it.
        socket: Option<OwnedFd>,
        tcp: bool,
    },
    Packet {
        packet: Packet,
        replies: Arc<Replies>,
    },
}

impl Zygote {
    /// Starts a zygote for `handler`, and waits until it is ready to fork.
    ///
    /// The error says what is wrong and what to do, without the handler's name.
    pub(crate) fn start(
        handler: &Handler,
        granted: &Granted,
        server_address: &ServerAddress,
        forks: Forks,
    ) -> Result<Self, String> {
        let grants = handler.grants();
        let setup = Setup::new(
            handler.name(),
            server_address.clone(),
            handler.limits(),
            handler.code.needs.held,
            grants,
            forks.read_timeout,
            forks.confine,
        );
        let code = handler.code.compiled();
        let recipe = Recipe::new(forks.program, setup, code, granted.directories())?;
        Ok(Self {
            keeper: Keeper::start(recipe)?,
            children: Children::default(),
            handler_name: handler.name().to_owned(),
            limits: *handler.limits(),
            grants: Arc::clone(grants),
            output: Output::shared(),
        })
    }

    /// Python's `active_children`.
    pub(crate) fn active_children(&self) -> Vec<u32> {
        self.children.active()
    }
}

impl Hands {
    fn work(&self) -> Work {
        match self {
            Self::Connection { tcp, .. } => Work::Connection { tcp: *tcp },
            Self::Packet { packet, .. } => Work::Packet {
                bytes: packet.bytes.to_vec(),
                length: packet.length,
                truncated: packet.truncated,
                server_address: packet.server_address.clone(),
            },
        }
    }

    fn connection(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Connection { socket, .. } => Some(socket.as_ref()?.as_fd()),
            Self::Packet { .. } => None,
        }
    }

    /// The child has it: closed here, so that the child can end it.
    fn taken(&mut self) {
        if let Self::Connection { socket, .. } = self {
            *socket = None;
        }
    }
}

/// What the server reads in bytes that a child sent, as bytes again; none if they are no message. For fuzzing, which
/// looks from outside.
#[doc(hidden)]
#[must_use]
pub fn child_message(bytes: &[u8]) -> Option<Vec<u8>> {
    let message: FromChild = decode(bytes).ok()?;
    encode(&message).ok()
}
