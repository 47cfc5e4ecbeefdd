//! What a server is told: typed, bounded, complete, each default with its reason.
//!
//! `limits` is the table of limits, and `table` what a row of it is; the others are here. The command's flags
//! have these same names.

mod limits;
mod table;

pub use limits::{Limits, ServerLimits, limits};
#[cfg(feature = "cli")]
pub(crate) use table::Row;
pub use table::{Applies, Limit, Unit};

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::address::Transport;

/// Where a request is finished: Python's `ThreadingMixIn` and `ForkingMixIn`, or neither.
///
/// ```
/// use runtime::Schedule;
/// assert_eq!("sync".parse(), Ok(Schedule::Sync));
/// assert_eq!(Schedule::default().as_str(), "threaded");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Schedule {
    /// One request at a time, strictly in order; the others wait in the kernel's queue.
    Sync,
    /// Requests run side by side on all cores. The default: one slow client holds up nobody.
    #[default]
    Threaded,
    /// Each request in a process of its own, which the kernel confines: a second wall around the handler. What
    /// it needs of an embedding program: [`zygote`](crate::zygote).
    Forking,
}

impl Schedule {
    /// `sync`, `threaded` or `forking`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Threaded => "threaded",
            Self::Forking => "forking",
        }
    }
}

/// What happens to a request that comes while `max_concurrency` requests run.
///
/// ```
/// use runtime::WhenFull;
/// assert_eq!("wait".parse(), Ok(WhenFull::Wait));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhenFull {
    /// Take it and close it at once (a datagram is dropped), without starting a handler. The default:
    /// a client learns at once that there is no room, and the operator can count it.
    #[default]
    Refuse,
    /// Leave it in the kernel's queue, as Python's `max_children` does.
    Wait,
}

/// Which requests are worth a line in the log when they have ended.
///
/// ```
/// use runtime::AccessLog;
/// assert_eq!("all".parse(), Ok(AccessLog::All));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AccessLog {
    /// Those that did not end well. The default: Python, too, is silent about the others.
    #[default]
    Failed,
    /// All of them.
    All,
    /// None.
    None,
}

/// What becomes of the second wall, the one that the kernel builds around a request's process, where the kernel lacks
/// a part of it.
///
/// ```
/// use runtime::Confine;
/// assert_eq!("strict".parse(), Ok(Confine::Strict));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Confine {
    /// Build what there is, and say at the start what is missing. The default: most kernels have all of it, and
    /// the sandbox around a handler stands on any.
    #[default]
    BestEffort,
    /// Do not start unless the kernel has all of it.
    Strict,
    /// Build none: to find out whether it stands in a handler's way.
    Off,
}

macro_rules! words {
    ($type:ty, $($word:literal => $value:expr),+) => {
        impl FromStr for $type {
            type Err = ConfigError;

            fn from_str(word: &str) -> Result<Self, ConfigError> {
                match word {
                    $($word => Ok($value),)+
                    _ => Err(ConfigError::new(format!("choose {}", [$($word),+].join(" or ")))),
                }
            }
        }
    };
}

words!(Schedule, "sync" => Self::Sync, "threaded" => Self::Threaded, "forking" => Self::Forking);
words!(WhenFull, "refuse" => Self::Refuse, "wait" => Self::Wait);
words!(Confine, "best-effort" => Self::BestEffort, "strict" => Self::Strict, "off" => Self::Off);
words!(AccessLog, "failed" => Self::Failed, "all" => Self::All, "none" => Self::None);

/// A setting that cannot be: what would do.
///
/// ```
/// let error = "often".parse::<runtime::AccessLog>().unwrap_err();
/// assert_eq!(error.to_string(), "choose failed or all or none");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{help}")]
pub struct ConfigError {
    help: String,
}

impl ConfigError {
    pub(crate) fn new(help: String) -> Self {
        Self { help }
    }
}

/// How a server listens, schedules and ends: Python's class attributes, and what this server adds.
///
/// ```
/// use runtime::{Schedule, ServerConfig};
/// let config = ServerConfig { schedule: Schedule::Sync, ..ServerConfig::default() };
/// assert_eq!(config.request_queue_size, 1024);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerConfig {
    /// Where a request is finished. Default [`Schedule::Threaded`].
    pub schedule: Schedule,

    /// What all requests may use together, and what one source may. Default: see [`ServerLimits`].
    pub limits: ServerLimits,

    /// What happens above [`ServerLimits::max_concurrency`]. Default [`WhenFull::Refuse`].
    pub when_full: WhenFull,

    /// Connections that the kernel keeps for `accept`: Python's `request_queue_size`, `listen`'s backlog.
    /// The kernel caps it at `net.core.somaxconn`.
    ///
    /// Default 1024, not Python's 5: with 5, the seventh client of a Unix socket is turned away.
    pub request_queue_size: u32,

    /// Bind although an earlier server's connections linger: `SO_REUSEADDR`.
    ///
    /// Default `None`: true for tcp, or a restart meets "address in use" for a minute, where Python says
    /// false; false for udp, where it would let another program share the port.
    pub allow_reuse_address: Option<bool>,

    /// Let other sockets bind this port, too, and share its clients: `SO_REUSEPORT`. Default false, as in
    /// Python.
    pub allow_reuse_port: bool,

    /// The longest datagram in bytes; what is longer is delivered cut short, and marked. Default 8192, as
    /// in Python. Bounds: 1 to 65,535.
    pub max_packet_size: usize,

    /// Send small writes at once: `TCP_NODELAY`, Python's `StreamRequestHandler.disable_nagle_algorithm`.
    /// Default false, as in Python. A handler may change it for its connection.
    pub disable_nagle_algorithm: bool,

    /// How long one read or write of a stream may wait: Python's `StreamRequestHandler.timeout`. Default
    /// `None`, as in Python: without end, but for the limits. A handler may change it for its connection.
    pub read_timeout: Option<Duration>,

    /// Permission bits of a Unix socket's file, set before anybody can connect. Default `None`: what the
    /// process's umask leaves.
    pub socket_mode: Option<u32>,

    /// Bytes of the kernel's receive buffer: `SO_RCVBUF`. Default `None`: the kernel's.
    pub receive_buffer: Option<usize>,

    /// Bytes of the kernel's send buffer: `SO_SNDBUF`. Default `None`: the kernel's.
    pub send_buffer: Option<usize>,

    /// How long [`Server::handle_request`](crate::Server::handle_request) waits for a request: Python's
    /// `timeout`. Default `None`: without end, and under the forking schedule 300 s, as in Python. `serve_forever`
    /// ignores it, as in Python.
    pub timeout: Option<Duration>,

    /// How long [`Server::server_close`](crate::Server::server_close) waits for running requests.
    ///
    /// Default 8 s: two less than the ten that `docker stop` waits before it kills, so that the server
    /// can still say what it had to cut short.
    pub drain_timeout: Duration,

    /// Whether closing waits for running requests at all: Python's `block_on_close`; false is Python's
    /// `daemon_threads`. Default true.
    pub block_on_close: bool,

    /// What becomes of the wall around a request's process where the kernel lacks a part of it. For
    /// [`Schedule::Forking`]. Default [`Confine::BestEffort`].
    pub confine: Confine,

    /// The `runtime` command that is started to fork for each request, of the version of this library. For
    /// [`Schedule::Forking`]. Default `None`: this program itself, which then has to call
    /// [`zygote`](crate::zygote) first.
    pub zygote: Option<PathBuf>,

    /// Which requests are worth a line in the log. Default [`AccessLog::Failed`].
    pub access_log: AccessLog,

    /// Clients that are let in: if there are any, nobody else is. The longest network that holds a client's
    /// address decides between `allow` and `deny`, and of two equal ones `deny`. For tcp and udp. Default: none.
    pub allow: Vec<IpNet>,

    /// Clients that are refused, before they use up anything: [`Refusal::Denied`](crate::Refusal::Denied). For
    /// tcp and udp. Default: none.
    pub deny: Vec<IpNet>,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            schedule: Schedule::Threaded,
            limits: ServerLimits::default(),
            when_full: WhenFull::Refuse,
            request_queue_size: 1024,
            allow_reuse_address: None,
            allow_reuse_port: false,
            max_packet_size: 8192,
            disable_nagle_algorithm: false,
            read_timeout: None,
            socket_mode: None,
            receive_buffer: None,
            send_buffer: None,
            timeout: None,
            drain_timeout: Duration::from_secs(8),
            block_on_close: true,
            confine: Confine::BestEffort,
            zygote: None,
            access_log: AccessLog::Failed,
            allow: Vec::new(),
            deny: Vec::new(),
        }
    }
}

impl ServerConfig {
    /// How long `handle_request` waits; none for without end.
    pub(crate) fn request_timeout(&self) -> Option<Duration> {
        /// Python's `ForkingMixIn.timeout`.
        const FORKING: Duration = Duration::from_secs(300);
        match self.schedule {
            Schedule::Forking => self.timeout.or(Some(FORKING)),
            Schedule::Sync | Schedule::Threaded => self.timeout,
        }
    }

    /// # Errors
    ///
    /// [`ConfigError`] if a setting is out of its bounds.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        self.limits.check()?;
        let complaint = if !(1..=65_535).contains(&self.max_packet_size) {
            "max-packet-size must be from 1 to 65535 bytes, which is the longest datagram there is"
        } else if self.read_timeout == Some(Duration::ZERO) {
            "read-timeout is 0: no read could ever wait; leave it out for no time-out"
        } else if self.schedule == Schedule::Forking && self.limits.max_total_memory.is_some() {
            "max-total-memory does not hold across the processes of the forking schedule: there, max-memory times \
             max-concurrency is the total"
        } else if self.socket_mode.is_some_and(|mode| mode > 0o777) {
            "socket-mode has permission bits only, from 0 to 0777"
        } else {
            return Ok(());
        };
        Err(ConfigError::new(complaint.to_owned()))
    }

    /// # Errors
    ///
    /// [`ConfigError`] if a setting makes no sense for `transport`.
    pub(crate) fn check_transport(&self, transport: Transport) -> Result<(), ConfigError> {
        let name = match (self.allow.is_empty(), self.deny.is_empty()) {
            (true, true) => return Ok(()),
            (false, _) => "allow",
            (true, false) => "deny",
        };
        if !transport.is_unix() {
            return Ok(());
        }
        Err(ConfigError::new(format!(
            "{name} is for tcp and udp: a client of {transport} has no IP address; its file's mode says who may \
             connect (socket-mode)"
        )))
    }
}

/// Reads a network of clients, for [`ServerConfig::allow`] and [`ServerConfig::deny`]: `10.0.0.0/8`, `2001:db8::/32`,
/// or one address.
///
/// ```
/// let network = runtime::client_network("192.0.2.7").expect("an address");
/// assert_eq!(network.to_string(), "192.0.2.7/32");
/// ```
///
/// # Errors
///
/// [`ConfigError`] if `text` is neither.
pub fn client_network(text: &str) -> Result<IpNet, ConfigError> {
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    let network = text.parse::<IpNet>().or_else(|_| address());
    let help = "write a network, as in 10.0.0.0/8 or 2001:db8::/32, or one address";
    network.map_err(|_| ConfigError::new(help.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_for_a_request_waits_as_long_as_python_does() {
        let waits = |schedule, timeout| {
            let config = ServerConfig {
                schedule,
                timeout,
                ..ServerConfig::default()
            };
            config.request_timeout()
        };
        let minute = Some(Duration::from_secs(60));
        for schedule in [Schedule::Sync, Schedule::Threaded, Schedule::Forking] {
            assert_eq!(waits(schedule, minute), minute);
        }
        assert_eq!(waits(Schedule::Sync, None), None);
        assert_eq!(waits(Schedule::Threaded, None), None);
        let forking = Some(Duration::from_secs(300));
        assert_eq!(waits(Schedule::Forking, None), forking);
    }
}
