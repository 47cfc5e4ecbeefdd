//! `runtime bench`: its flags, and which of them make sense together.

use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;

use super::values::{Size, Time};
use crate::{BindAddress, Transport};

/// The longest datagram of UDP over IPv4: a packet of 65,535 bytes without its headers.
pub(super) const LONGEST_UDP: u64 = 65_507;

/// The longest payload that is generated: every client shares it, but it is in memory.
const LONGEST_PAYLOAD: u64 = 1 << 30;

/// The shortest and the longest time that means something.
const MOMENT: Duration = Duration::from_millis(1);
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Measures a server: asks it with many clients at once, and checks every reply.
///
/// ADDRESS is what a server prints after `listening on`: tcp://HOST:PORT, udp://HOST:PORT, unix:///PATH,
/// unix:@NAME, unixgram:///PATH or unixgram:@NAME. Every interface (0.0.0.0, [::], no host) means this machine;
/// a name with several addresses takes the first IPv4 one.
///
/// Closed loop, the default: a client makes its next request when the last one was answered, so a server that
/// stalls is asked less, and its stall is one slow reply. Open loop (--rate): requests are due on a fixed
/// schedule whatever the server does, and latency counts from that moment, so that a stall is in the latency of
/// all that had to wait for it (the correction for "coordinated omission").
///
/// A request counts if it began after the warm-up and before the end; those under way at the end are waited
/// for. Latency is that of right replies, from before the connection is made, if the request needs a new one, to
/// the reply's last byte. A wrong reply is an error, never a request served.
///
/// TIME is a number with its unit, as in 500ms, 10s or 5m; SIZE is bytes, as in 65536, 64KiB or 1MB. SIGINT and
/// SIGTERM end the run early; what was measured is printed.
///
/// Exit codes: 0 every request was served; 1 the run cannot be made; 2 a usage error; 3 a request failed.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  runtime bench tcp://127.0.0.1:9999 --expect upper-stripped
  runtime bench udp://127.0.0.1:9999 --connections 64 --duration 30s --rate 20000
  runtime bench unix:///run/x.sock --requests-per-connection 1000 --size 256 --expect upper --json")]
pub(super) struct Bench {
    /// The server, as it prints its address after `listening on`
    #[arg(value_name = "ADDRESS")]
    pub(super) address: BindAddress,

    /// Clients at once, each with its own socket; 16 keep a server of a few cores busy
    #[arg(short, long, value_name = "N", default_value_t = nonzero(16))]
    pub(super) connections: NonZeroU32,

    /// How long requests are made that count [default: 10s, over which a scheduler's moods even out]
    #[arg(short, long, value_name = "TIME", conflicts_with = "requests")]
    pub(super) duration: Option<Time>,

    /// Make N requests that count, of all clients together, however long that takes
    #[arg(short = 'n', long, value_name = "N")]
    pub(super) requests: Option<NonZeroU64>,

    /// How long requests are made and checked that do not count [default: 1s, for caches to fill; none with
    /// --requests, so that the server sees as many as you say]
    #[arg(long, value_name = "TIME")]
    pub(super) warm_up: Option<Time>,

    /// Make N requests a second, of all clients together, on a fixed schedule: an open loop
    ///
    /// What is due while all clients are busy is made late, and its latency says so; what is not begun by the
    /// end is left out, and the rate that was reached is less than N.
    #[arg(long, value_name = "N")]
    pub(super) rate: Option<NonZeroU64>,

    /// How long one request may take, connection and reply together
    ///
    /// The default is more than a busy server needs, and less than a watcher's patience. Of a datagram that was
    /// lost nothing else tells; the client goes on with a new socket, so that a late reply is nobody's.
    #[arg(long, value_name = "TIME", default_value_t = Time(Duration::from_secs(5)))]
    pub(super) timeout: Time,

    /// Threads that the clients are spread over [default: half of the cores, since the server usually has the
    /// other half]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=512))]
    pub(super) threads: Option<u32>,

    /// Print one JSON object on one line; latencies are null if no request was served
    #[arg(long)]
    pub(super) json: bool,

    #[command(flatten)]
    pub(super) request: RequestFlags,
}

/// What a request and its reply are.
#[derive(Debug, Args)]
#[command(next_help_heading = "Requests and replies")]
pub(super) struct RequestFlags {
    /// What each request sends: the bytes of this file
    #[arg(long, value_name = "FILE", conflicts_with = "size")]
    pub(super) payload: Option<PathBuf>,

    /// What each request sends: so many bytes of lower-case letters and digits, one line with its end
    ///
    /// The default is a short line; 0 sends nothing, or an empty datagram.
    #[arg(long, value_name = "SIZE", default_value_t = Size(32))]
    pub(super) size: Size,

    /// What must come back: any, echo, upper, upper-stripped, or the bytes of a file
    ///
    /// any: whatever comes (it is not compared, and the output says so); on a stream at least one byte.
    /// echo: the payload. upper: the payload with a to z in upper case, and nothing else changed.
    /// upper-stripped: the same without white space at both ends, as examples/upper and examples/upper-line
    /// answer. FILE: these bytes; write ./any for a file of that name.
    ///
    /// A known reply is complete when its last byte came, and whatever follows makes it wrong. Any reply ends
    /// with the connection; with several requests on a connection, it is one line.
    #[arg(
        long,
        value_name = "any|echo|upper|upper-stripped|FILE",
        default_value = "any"
    )]
    pub(super) expect: Expect,

    /// Requests on one connection of a stream: a number, or unlimited [default: 1]
    ///
    /// One: after its reply, the client ends its side and the server must close the connection without another
    /// byte, within --timeout. More: a new connection is made when N are done, or when the server has closed the
    /// old one between two requests; a server that closes it later has left a request without a reply.
    #[arg(long, value_name = "N|unlimited")]
    pub(super) requests_per_connection: Option<PerConnection>,

    /// End this side of a stream after the payload, for servers that read to its end
    #[arg(long)]
    pub(super) half_close: bool,
}

/// What `--expect` says.
#[derive(Debug, Clone)]
pub(super) enum Expect {
    Any,
    Echo,
    Upper,
    UpperStripped,
    File(PathBuf),
}

/// What `--requests-per-connection` says; none: unlimited.
#[derive(Debug, Clone, Copy)]
pub(super) struct PerConnection(Option<NonZeroU64>);

fn nonzero(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN)
}

impl FromStr for Expect {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "any" => Self::Any,
            "echo" => Self::Echo,
            "upper" => Self::Upper,
            "upper-stripped" => Self::UpperStripped,
            file => Self::File(file.into()),
        })
    }
}

impl FromStr for PerConnection {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "unlimited" {
            return Ok(Self(None));
        }
        let number = text.parse().map(|number| Self(Some(number)));
        number.map_err(|_| "write a number from 1, or unlimited")
    }
}

impl Bench {
    /// What clap cannot know: which flags make sense together.
    pub(super) fn check(&self) -> Result<(), String> {
        let transport = self.address.transport();
        let request = &self.request;
        if transport.is_datagram() {
            for (flag, given) in [
                (
                    "--requests-per-connection",
                    request.requests_per_connection.is_some(),
                ),
                ("--half-close", request.half_close),
            ] {
                if given {
                    return Err(format!(
                        "{flag} is for streams: {transport} has no connections"
                    ));
                }
            }
        }
        if request.half_close && !self.is_one_each() {
            return Err("--half-close leaves no room for another request: \
                        leave out --requests-per-connection"
                .to_owned());
        }
        self.check_sizes()?;
        self.check_times()
    }

    fn check_sizes(&self) -> Result<(), String> {
        let RequestFlags { payload, size, .. } = &self.request;
        let is_udp = self.address.transport() == Transport::Udp;
        if payload.is_none() && is_udp && size.0 > LONGEST_UDP {
            return Err(format!(
                "--size {size}: a datagram of udp has at most {LONGEST_UDP} bytes"
            ));
        }
        if size.0 > LONGEST_PAYLOAD {
            return Err(format!("--size {size}: at most {}", Size(LONGEST_PAYLOAD)));
        }
        Ok(())
    }

    fn check_times(&self) -> Result<(), String> {
        let times = [
            ("--duration", self.duration),
            ("--timeout", Some(self.timeout)),
        ];
        for (flag, time) in times {
            if time.is_some_and(|time| !(MOMENT..=YEAR).contains(&time.0)) {
                return Err(format!("{flag} is from 1ms to 365days"));
            }
        }
        if self.warm_up.is_some_and(|time| time.0 > YEAR) {
            return Err("--warm-up is at most 365days".to_owned());
        }
        Ok(())
    }

    /// True if a connection, or a datagram, is for one request.
    pub(super) fn is_one_each(&self) -> bool {
        let per_connection = self.per_connection();
        per_connection.is_some_and(|most| most.get() == 1)
    }

    /// Requests on one connection; none: unlimited.
    pub(super) fn per_connection(&self) -> Option<NonZeroU64> {
        match self.request.requests_per_connection {
            Some(given) => given.0,
            None => Some(NonZeroU64::MIN),
        }
    }
}
