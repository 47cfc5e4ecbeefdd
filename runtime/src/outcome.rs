//! The ways a request can end, named once, and whose fault each is.

use std::fmt;
use std::time::Duration;

use crate::address::{ClientAddress, Transport};

/// How a request ended.
///
/// ```
/// use runtime::{Fault, Outcome};
/// let outcome = Outcome::HandlerError("no such user".into());
/// assert_eq!((outcome.as_str(), outcome.fault()), ("handler-error", Some(Fault::Handler)));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// `handle` returned without an error.
    Ok,
    /// `handle` returned an error: its text.
    HandlerError(String),
    /// The handler's code failed (a panic, an access out of bounds, a division by zero): what is known,
    /// with the text of the panic.
    Trap(String),
    /// The handler ended itself by `exit`: true if it said that all was well.
    Exit(bool),
    /// The handler wanted more than [`Limits::max_memory`](crate::Limits::max_memory).
    Memory,
    /// The handler called itself too deeply.
    Stack,
    /// The handler computed for longer than [`Limits::cpu_limit`](crate::Limits::cpu_limit).
    Cpu,
    /// The request took longer than its wall limit.
    Wall,
    /// No byte moved for [`Limits::idle_limit`](crate::Limits::idle_limit): the client's fault if the
    /// handler was waiting for it, and else the handler's.
    Idle(Fault),
    /// The connection failed, and `handle` returned an error after that.
    ClientGone,
    /// The request was never given to a handler.
    Refused(Refusal),
    /// The server was closed while the request ran.
    Aborted,
    /// The host could not do its part: what went wrong.
    Host(String),
}

/// Why a request was refused.
///
/// ```
/// use runtime::{Outcome, Refusal};
/// assert_eq!(Outcome::Refused(Refusal::Full).as_str(), "refused-full");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// [`ServerConfig::max_concurrency`](crate::ServerConfig::max_concurrency) requests were running.
    Full,
    /// [`Hooks::verify_request`](crate::Hooks::verify_request) said no.
    Verify,
}

/// Whose fault it was that a request did not end well.
///
/// ```
/// use runtime::{Fault, Outcome};
/// assert_eq!(Outcome::ClientGone.fault(), Some(Fault::Client));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The peer.
    Client,
    /// The component.
    Handler,
    /// Whoever configured the server.
    Operator,
    /// This program, or the machine.
    Host,
}

impl Outcome {
    /// One word for the outcome, as it stands in the log.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::HandlerError(_) => "handler-error",
            Self::Trap(_) => "trap",
            Self::Exit(_) => "exit",
            Self::Memory => "memory",
            Self::Stack => "stack",
            Self::Cpu => "cpu",
            Self::Wall => "wall",
            Self::Idle(_) => "idle",
            Self::ClientGone => "client-gone",
            Self::Refused(Refusal::Full) => "refused-full",
            Self::Refused(Refusal::Verify) => "refused-verify",
            Self::Aborted => "aborted",
            Self::Host(_) => "host",
        }
    }

    /// Whose fault it was; none if it ended well.
    #[must_use]
    pub fn fault(&self) -> Option<Fault> {
        match self {
            Self::Ok | Self::Exit(true) => None,
            Self::HandlerError(_)
            | Self::Trap(_)
            | Self::Exit(false)
            | Self::Memory
            | Self::Stack
            | Self::Cpu
            | Self::Wall => Some(Fault::Handler),
            Self::Idle(fault) => Some(*fault),
            Self::ClientGone => Some(Fault::Client),
            Self::Refused(_) | Self::Aborted => Some(Fault::Operator),
            Self::Host(_) => Some(Fault::Host),
        }
    }

    /// True for what Python's `handle_error` would be called for: an error, a panic, a limit that the
    /// handler ran into. Not for `exit` (Python calls it for `Exception`, not for `SystemExit`).
    #[must_use]
    pub fn is_handler_error(&self) -> bool {
        self.fault() == Some(Fault::Handler) && !matches!(self, Self::Exit(_))
    }

    /// What is known beside the word: the error's or the panic's text. May be empty.
    #[must_use]
    pub fn detail(&self) -> &str {
        match self {
            Self::HandlerError(text) | Self::Trap(text) | Self::Host(text) => text,
            Self::Exit(false) => "the handler called exit with a failure",
            _ => "",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.detail() {
            "" => f.write_str(self.as_str()),
            detail => write!(f, "{}: {detail}", self.as_str()),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client => "client",
            Self::Handler => "handler",
            Self::Operator => "operator",
            Self::Host => "host",
        })
    }
}

/// What is known of a request when it has ended.
///
/// ```
/// use runtime::Report;
///
/// fn milliseconds(report: &Report) -> u128 {
///     report.duration.as_millis()
/// }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Report {
    /// The request's number: 1, 2, 3, … in the order in which the server took them.
    pub id: u64,
    /// How it came.
    pub transport: Transport,
    /// Who sent it.
    pub client_address: ClientAddress,
    /// How it ended.
    pub outcome: Outcome,
    /// From the moment it was taken until the connection was ended.
    pub duration: Duration,
    /// Bytes that the handler was given.
    pub bytes_in: u64,
    /// Bytes that the kernel took for the client.
    pub bytes_out: u64,
    /// The largest sum of the handler's linear memories and tables, in bytes; 0 if it never started, or
    /// was aborted with the server.
    pub peak_memory: u64,
}

impl Report {
    /// Whose fault it was; none if it ended well.
    #[must_use]
    pub fn fault(&self) -> Option<Fault> {
        self.outcome.fault()
    }
}
