//! `runtime serve`: its flags, and what they mean to the library.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, ValueEnum};

use super::client_flags::ClientFlags;
use super::forking_flags::ForkingFlags;
use super::grants::GrantFlags;
use super::limits::LimitFlags;
use super::scope::{Asked, Typed};
use super::values::{Mode, Size, Time, TimeOrNone};
use crate::{AccessLog, BindAddress, Limits, Schedule, ServerConfig, Transport, WhenFull};

/// Serves a handler on a socket.
///
/// Prints one line with `listening on` and the real address to standard error when clients can connect.
/// SIGTERM and SIGINT stop accepting and wait for running requests; a second one stops at once. SIGHUP is
/// ignored. SIGUSR1 asks for what was counted, which is also said at the end, whatever --log-level is.
///
/// TIME is a number with its unit, as in 500ms, 10s or 5m; SIZE is bytes, as in 65536, 64KiB or 1MB; none
/// means no limit.
///
/// Exit codes: 0 a clean end; 1 the handler or the socket cannot be used; 2 a usage error; 3 requests were
/// cut short when the server ended.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  runtime serve --handler upper.wasm --proto udp
  runtime serve --handler examples/upper --bind :9999
  runtime serve --handler upper.wasm --proto unix --bind /run/upper.sock --socket-mode 660
  runtime serve --handler upper.wasm --schedule sync --requests 1 --timeout 30s
  runtime serve --handler pages.wasm --dir /srv/pages::/ --connect tcp://db.example.com:5432")]
pub(super) struct Serve {
    /// The handler: a component (.wasm), or the folder of a handler crate
    ///
    /// A folder is built first, for wasm32-wasip2 in release. That runs its build scripts and macros as
    /// native code: do it with your own code only; somebody else's handler comes as a .wasm file. The target
    /// is added with rustup if it is missing.
    #[arg(long, value_name = "FILE|FOLDER")]
    pub(super) handler: PathBuf,

    #[command(flatten)]
    pub(super) server: ServerFlags,
}

/// How a handler is served: what `runtime serve` does, and `runtime inspect` judges.
#[derive(Debug, Args)]
pub(super) struct ServerFlags {
    #[command(flatten)]
    typed: Typed,

    /// The transport: tcp, udp, unix or unixgram [default: tcp, or what --bind names]
    #[arg(long, value_name = "TRANSPORT")]
    proto: Option<Transport>,

    /// Where to listen [default: 127.0.0.1:9999 for tcp and udp]
    ///
    /// HOST:PORT (port 0: any free one); :PORT for every interface, IPv4 and IPv6; for unix and unixgram
    /// a path, or @name in the abstract name space; fd:N, a socket that is already bound; or any form that
    /// `listening on` prints. A name with several addresses takes the first IPv4 one.
    #[arg(long, value_name = "ADDR")]
    bind: Option<String>,

    /// How requests share the server: sync (one at a time, in order), threaded (side by side) or forking (side by
    /// side, each in a process of its own that the kernel confines)
    ///
    /// By default one slow client holds up nobody, and a request costs no process.
    #[arg(long, default_value = defaults().schedule.as_str())]
    schedule: String,

    /// Serve N requests (refused ones count), wait for them, and end with 0
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) requests: Option<u64>,

    /// With --requests: end with 0 when no request has come for this long
    #[arg(long, value_name = "TIME", requires = "requests")]
    pub(super) timeout: Option<Time>,

    #[command(flatten)]
    limits: LimitFlags,

    #[command(flatten)]
    endings: Endings,

    #[command(flatten)]
    forking: ForkingFlags,

    #[command(flatten)]
    clients: ClientFlags,

    #[command(flatten)]
    pub(super) grants: GrantFlags,

    #[command(flatten)]
    attributes: Attributes,

    #[command(flatten)]
    pub(super) log: LogFlags,
}

/// What becomes of requests that find no room, and of those that run at the end.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
struct Endings {
    /// Above --max-concurrency: refuse (close at once, counted) or wait (leave them in the kernel's queue)
    /// [default: refuse]
    ///
    /// By default a client learns at once that there is no room, and the operator can count it.
    ///
    /// Under --schedule sync and forking they wait, as in Python.
    #[arg(long, value_name = "refuse|wait")]
    when_full: Option<WhenFull>,

    /// How long running requests may take when the server ends; the default is two less than the ten
    /// seconds that `docker stop` waits
    #[arg(long, value_name = "TIME", default_value_t = Time(defaults().drain_timeout))]
    drain_timeout: Time,

    /// Whether the server waits for running requests at all when it ends: Python's block_on_close, and its
    /// default, so that nobody's request is cut short for a restart
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, num_args = 0..=1, default_missing_value = "true", default_value = "true")]
    block_on_close: bool,
}

/// Python's attributes of servers and handlers.
#[derive(Debug, Args)]
#[command(next_help_heading = "Python's attributes")]
struct Attributes {
    /// Connections that the kernel keeps until they are accepted; it caps this at somaxconn
    ///
    /// With Python's 5, the seventh client of a Unix socket waits, or fails if it does not block.
    #[arg(long, value_name = "N", default_value_t = defaults().request_queue_size)]
    request_queue_size: u32,

    /// SO_REUSEADDR [default: true for tcp, or a restart meets "address in use"; false for udp, where it
    /// would let another program share the port]
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    allow_reuse_address: Option<bool>,

    /// SO_REUSEPORT: let other sockets bind this port, too, and share its clients. As in Python, not by default
    #[arg(long)]
    allow_reuse_port: bool,

    /// The longest datagram; what is longer is delivered cut short, and marked. The default is Python's
    #[arg(long, value_name = "SIZE", default_value_t = Size(defaults().max_packet_size as u64))]
    max_packet_size: Size,

    /// TCP_NODELAY: send small writes at once
    #[arg(long)]
    disable_nagle_algorithm: bool,

    /// How long one read or write of a stream may wait (Python's timeout of StreamRequestHandler)
    #[arg(
        long,
        value_name = "TIME|none",
        allow_hyphen_values = true,
        default_value = "none"
    )]
    read_timeout: TimeOrNone,

    /// Permission bits of a Unix socket's file, in octal [default: what the umask leaves]
    #[arg(long, value_name = "MODE")]
    socket_mode: Option<Mode>,

    /// Bytes of the kernel's receive buffer [default: the kernel's]
    #[arg(long, value_name = "SIZE")]
    receive_buffer: Option<Size>,

    /// Bytes of the kernel's send buffer [default: the kernel's]
    #[arg(long, value_name = "SIZE")]
    send_buffer: Option<Size>,
}

/// The log, and the cache.
#[derive(Debug, Args)]
#[command(next_help_heading = "Log and cache")]
pub(super) struct LogFlags {
    /// Where compiled code is kept, or none [default: $XDG_CACHE_HOME/runtime or ~/.cache/runtime]
    #[arg(long, value_name = "DIR|none")]
    pub(super) cache_dir: Option<PathBuf>,

    /// The form of log lines
    #[arg(long, value_name = "human|json", value_enum, default_value_t = LogFormat::Human)]
    pub(super) log_format: LogFormat,

    /// The least important lines to log: off, error, warn, info, debug or trace
    ///
    /// `listening on`, and what was counted, are told at every level: somebody waits for the one, and asked for the other.
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub(super) log_level: tracing::level_filters::LevelFilter,

    /// Requests that are worth a line: failed (as Python, silent about the others), all or none
    #[arg(long, value_name = "failed|all|none", default_value = "failed")]
    access_log: AccessLog,
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

impl Endings {
    /// Whether these flags fit `schedule`.
    fn check(&self, schedule: Schedule) -> Result<(), String> {
        match (schedule, self.when_full) {
            (Schedule::Sync | Schedule::Forking, Some(WhenFull::Refuse)) => Err(format!(
                "--when-full refuse: under --schedule {} requests wait, as in Python",
                schedule.as_str()
            )),
            _ => Ok(()),
        }
    }
}

fn defaults() -> ServerConfig {
    ServerConfig::default()
}

impl ServerFlags {
    /// What clap cannot know: which flags make sense together.
    pub(super) fn check(&self) -> Result<(), String> {
        let (address, schedule) = (self.address()?, self.schedule()?);
        self.endings.check(schedule)?;
        // What the library calls a setting is the flag's name.
        self.grants.check()?;
        self.limits
            .request
            .check()
            .map_err(|error| format!("--{error}"))?;
        let config = self.config()?;
        let checked = config
            .check()
            .and_then(|()| config.check_transport(address.transport()));
        checked.map_err(|error| format!("--{error}"))?;
        let asked = Asked {
            typed: &self.typed,
            address: &address,
            schedule,
        };
        asked.check()
    }

    pub(super) fn address(&self) -> Result<BindAddress, String> {
        let text = match (&self.bind, self.proto) {
            (Some(bind), None) => {
                if let Ok(address) = bind.parse() {
                    return Ok(address);
                }
                bind
            }
            (Some(bind), Some(_)) => bind,
            (None, Some(proto)) if proto.is_unix() => {
                return Err(format!("--proto {proto} needs --bind: a path, or @name"));
            }
            (None, _) => "127.0.0.1:9999",
        };
        let proto = self.proto.unwrap_or(Transport::Tcp);
        BindAddress::new(proto, text).map_err(|error| error.to_string())
    }

    /// The transport, if the flags name one.
    pub(super) fn named_transport(&self) -> Result<Option<Transport>, String> {
        let is_named = self.proto.is_some() || self.bind.is_some();
        let address = self.address()?;
        Ok(is_named.then(|| address.transport()))
    }

    fn schedule(&self) -> Result<Schedule, String> {
        self.schedule
            .parse()
            .map_err(|error| format!("--schedule {}: {error}", self.schedule))
    }

    pub(super) fn config(&self) -> Result<ServerConfig, String> {
        let Attributes {
            request_queue_size,
            allow_reuse_address,
            allow_reuse_port,
            max_packet_size,
            disable_nagle_algorithm,
            read_timeout,
            socket_mode,
            receive_buffer,
            send_buffer,
        } = &self.attributes;
        let bytes =
            |size: &Option<Size>| size.map(|size| usize::try_from(size.0).unwrap_or(usize::MAX));
        let mut config = ServerConfig {
            schedule: self.schedule()?,
            limits: self.limits.server,
            when_full: self.endings.when_full.unwrap_or_default(),
            request_queue_size: *request_queue_size,
            allow_reuse_address: *allow_reuse_address,
            allow_reuse_port: *allow_reuse_port,
            max_packet_size: usize::try_from(max_packet_size.0).unwrap_or(usize::MAX),
            disable_nagle_algorithm: *disable_nagle_algorithm,
            read_timeout: read_timeout.0,
            socket_mode: socket_mode.map(|mode| mode.0),
            receive_buffer: bytes(receive_buffer),
            send_buffer: bytes(send_buffer),
            timeout: self.timeout.map(|time| time.0),
            drain_timeout: self.endings.drain_timeout.0,
            block_on_close: self.endings.block_on_close,
            access_log: self.log.access_log,
            allow: self.clients.allow.clone(),
            deny: self.clients.deny.clone(),
            ..ServerConfig::default()
        };
        self.forking.apply(&mut config);
        Ok(config)
    }

    pub(super) fn drain_timeout(&self) -> Duration {
        self.endings.drain_timeout.0
    }

    pub(super) fn limits(&self) -> Limits {
        self.limits.request
    }
}
