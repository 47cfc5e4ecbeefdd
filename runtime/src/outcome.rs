//! The ways a request can end, named once, and whose fault each is.

use std::fmt;
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::address::{ClientAddress, Transport};
use crate::config::limits;

/// The name of a limit: its flag, without dashes, as in [`Limit::name`](crate::Limit::name).
pub type LimitName = &'static str;

/// How a request ended.
///
/// ```
/// use runtime::{Fault, Outcome};
/// let outcome = Outcome::HandlerError("no such user".into());
/// assert_eq!((outcome.as_str(), outcome.fault()), ("handler-error", Some(Fault::Handler)));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// The handler wanted more memory than it may have, its own or the host's: the limit that it met.
    Memory(#[serde(deserialize_with = "limit_name")] LimitName),
    /// The handler called itself too deeply: [`Limits::max_stack`](crate::Limits::max_stack).
    Stack,
    /// The handler executed more instructions than [`Limits::max_fuel`](crate::Limits::max_fuel).
    Fuel,
    /// The handler computed for too long: the limit that it met.
    Cpu(#[serde(deserialize_with = "limit_name")] LimitName),
    /// The request took longer than its wall limit.
    Wall,
    /// The client sent nothing for [`Limits::first_byte_timeout`](crate::Limits::first_byte_timeout), and the
    /// handler waited for it.
    FirstByte,
    /// The client took nothing of what waited for it for
    /// [`Limits::write_timeout`](crate::Limits::write_timeout).
    Write,
    /// No byte moved for [`Limits::idle_limit`](crate::Limits::idle_limit): the client's fault if the
    /// handler was waiting for it, and else the handler's.
    Idle(Fault),
    /// The client sent more than [`Limits::max_bytes_in`](crate::Limits::max_bytes_in).
    BytesIn,
    /// The handler sent more than it may: the limit that it met.
    BytesOut(#[serde(deserialize_with = "limit_name")] LimitName),
    /// The handler printed more than it may: the limit that it met.
    Output(#[serde(deserialize_with = "limit_name")] LimitName),
    /// The handler failed after it had been refused something that it was not granted: what, and how it failed.
    Denied(String),
    /// The request's process was killed: the name of the signal. Only under [`Schedule::Forking`](crate::Schedule).
    Killed(String),
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Refusal {
    /// [`ServerLimits::max_concurrency`](crate::ServerLimits::max_concurrency) requests were running.
    Full,
    /// [`Hooks::verify_request`](crate::Hooks::verify_request) said no.
    Verify,
    /// [`ServerConfig::allow`](crate::ServerConfig::allow) and
    /// [`deny`](crate::ServerConfig::deny) keep its client out.
    Denied,
    /// [`ServerLimits::max_rate`](crate::ServerLimits::max_rate) was reached.
    Rate,
    /// [`ServerLimits::max_rate_per_source`](crate::ServerLimits::max_rate_per_source) was reached.
    SourceRate,
    /// [`ServerLimits::max_concurrency_per_source`](crate::ServerLimits::max_concurrency_per_source) requests of
    /// its source were running.
    SourceFull,
}

/// Whose fault it was that a request did not end well.
///
/// ```
/// use runtime::{Fault, Outcome};
/// assert_eq!(Outcome::ClientGone.fault(), Some(Fault::Client));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
    /// The words of all outcomes, the most frequent one first.
    pub const WORDS: [&'static str; 26] = [
        "ok",
        "handler-error",
        "trap",
        "exit",
        "memory",
        "stack",
        "fuel",
        "cpu",
        "wall",
        "first-byte",
        "write",
        "idle",
        "bytes-in",
        "bytes-out",
        "output",
        "denied",
        "killed",
        "client-gone",
        "refused-full",
        "refused-verify",
        "refused-denied",
        "refused-rate",
        "refused-source-rate",
        "refused-source-full",
        "aborted",
        "host",
    ];

    /// One word for the outcome, as it stands in the log.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::HandlerError(_) => "handler-error",
            Self::Trap(_) => "trap",
            Self::Exit(_) => "exit",
            Self::Memory(_) => "memory",
            Self::Stack => "stack",
            Self::Fuel => "fuel",
            Self::Cpu(_) => "cpu",
            Self::Wall => "wall",
            Self::FirstByte => "first-byte",
            Self::Write => "write",
            Self::Idle(_) => "idle",
            Self::BytesIn => "bytes-in",
            Self::BytesOut(_) => "bytes-out",
            Self::Output(_) => "output",
            Self::Denied(_) => "denied",
            Self::Killed(_) => "killed",
            Self::ClientGone => "client-gone",
            Self::Refused(Refusal::Full) => "refused-full",
            Self::Refused(Refusal::Verify) => "refused-verify",
            Self::Refused(Refusal::Denied) => "refused-denied",
            Self::Refused(Refusal::Rate) => "refused-rate",
            Self::Refused(Refusal::SourceRate) => "refused-source-rate",
            Self::Refused(Refusal::SourceFull) => "refused-source-full",
            Self::Aborted => "aborted",
            Self::Host(_) => "host",
        }
    }

    /// Whose fault it was; none if it ended well.
    #[must_use]
    pub fn fault(&self) -> Option<Fault> {
        match self {
            Self::Ok | Self::Exit(true) => None,
            Self::Memory("max-total-memory") => Some(Fault::Operator),
            Self::HandlerError(_)
            | Self::Trap(_)
            | Self::Exit(false)
            | Self::Memory(_)
            | Self::Stack
            | Self::Fuel
            | Self::Cpu(_)
            | Self::Wall
            | Self::BytesOut(_)
            | Self::Output(_)
            | Self::Denied(_)
            | Self::Killed(_) => Some(Fault::Handler),
            Self::Idle(fault) => Some(*fault),
            Self::FirstByte | Self::Write | Self::BytesIn | Self::ClientGone => Some(Fault::Client),
            Self::Refused(Refusal::Denied | Refusal::SourceRate | Refusal::SourceFull) => {
                Some(Fault::Client)
            }
            Self::Refused(Refusal::Full | Refusal::Verify | Refusal::Rate) | Self::Aborted => {
                Some(Fault::Operator)
            }
            Self::Host(_) => Some(Fault::Host),
        }
    }

    /// True for what Python's `handle_error` would be called for: an error, a panic, a limit that the
    /// handler ran into. Not for `exit` (Python calls it for `Exception`, not for `SystemExit`).
    #[must_use]
    pub fn is_handler_error(&self) -> bool {
        self.fault() == Some(Fault::Handler) && !matches!(self, Self::Exit(_))
    }

    /// What is known beside the word: the error's or the panic's text, the name of the limit where there are
    /// several. May be empty.
    #[must_use]
    pub fn detail(&self) -> &str {
        match self {
            Self::HandlerError(text)
            | Self::Trap(text)
            | Self::Denied(text)
            | Self::Killed(text)
            | Self::Host(text) => text,
            Self::Memory(limit)
            | Self::Cpu(limit)
            | Self::BytesOut(limit)
            | Self::Output(limit) => limit,
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

/// The name of a limit, as the table has it.
fn limit_name<'de, D: Deserializer<'de>>(from: D) -> Result<LimitName, D::Error> {
    let name = String::deserialize(from)?;
    let limit = limits().find(|limit| limit.name == name);
    limit
        .map(|limit| limit.name)
        .ok_or_else(|| D::Error::custom("no such limit"))
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
    /// The process that it had, under [`Schedule::Forking`](crate::Schedule).
    pub pid: Option<u32>,
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever adds an outcome is led here by the compiler, from `as_str`; a word that is missing is counted
    /// nowhere.
    #[test]
    fn every_word_is_in_the_list_once() {
        let refusals = [
            Refusal::Full,
            Refusal::Verify,
            Refusal::Denied,
            Refusal::Rate,
            Refusal::SourceRate,
            Refusal::SourceFull,
        ];
        let all = [
            Outcome::Ok,
            Outcome::HandlerError(String::new()),
            Outcome::Trap(String::new()),
            Outcome::Exit(true),
            Outcome::Memory(""),
            Outcome::Stack,
            Outcome::Fuel,
            Outcome::Cpu(""),
            Outcome::Wall,
            Outcome::FirstByte,
            Outcome::Write,
            Outcome::Idle(Fault::Client),
            Outcome::BytesIn,
            Outcome::BytesOut(""),
            Outcome::Output(""),
            Outcome::Denied(String::new()),
            Outcome::Killed(String::new()),
            Outcome::ClientGone,
            Outcome::Aborted,
            Outcome::Host(String::new()),
        ];
        let all = all.into_iter().chain(refusals.map(Outcome::Refused));
        let mut words: Vec<_> = all.map(|outcome| outcome.as_str()).collect();
        let mut listed = Outcome::WORDS.to_vec();
        words.sort_unstable();
        listed.sort_unstable();
        assert_eq!(words, listed);
    }
}
