//! What the processes of a server say to each other.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::address::{ClientAddress, Endpoint, ServerAddress};
use crate::config::{ConfigError, Confine, Limits};
use crate::grants::{Access, Directory, Grants, Variable};
use crate::outcome::Outcome;
use crate::output::Lines;
use crate::replies::NotSent;

/// What a zygote begins with. Beside it come the compiled code, in a file without a name, and the granted directories.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Setup {
    /// Of the program that asks: both must be the same.
    pub(super) version: String,
    pub(super) handler_name: String,
    pub(super) server_address: ServerAddress,
    /// In the order of the table.
    limits: Vec<Option<u64>>,
    /// Bytes that the host holds for each instance.
    pub(super) held: u64,
    grants: GrantsAsText,
    pub(super) read_timeout: Option<Duration>,
    pub(super) confine: Confine,
}

/// Grants as the operator would write them.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct GrantsAsText {
    environment: Vec<(String, String)>,
    /// The handler's path, and whether it may write there.
    directories: Vec<(String, bool)>,
    connect: Vec<String>,
    lookup: Vec<String>,
    send_to: Vec<String>,
}

impl Setup {
    /// The version of this program.
    pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

    pub(super) fn new(
        handler_name: &str,
        server_address: ServerAddress,
        limits: &Limits,
        held: u64,
        grants: &Grants,
        read_timeout: Option<Duration>,
        confine: Confine,
    ) -> Self {
        let rows = Limits::TABLE.iter();
        Self {
            version: Self::VERSION.to_owned(),
            handler_name: handler_name.to_owned(),
            server_address,
            limits: rows.map(|row| (row.get)(limits)).collect(),
            held,
            grants: GrantsAsText::from(grants),
            read_timeout,
            confine,
        }
    }

    pub(super) fn limits(&self) -> Limits {
        let mut limits = Limits::default();
        for (row, amount) in Limits::TABLE.iter().zip(&self.limits) {
            (row.set)(&mut limits, *amount);
        }
        limits
    }

    /// # Errors
    ///
    /// [`ConfigError`] if they are not what [`Setup::new`] wrote.
    pub(super) fn grants(&self) -> Result<Grants, ConfigError> {
        let text = &self.grants;
        let variable = |(name, value): &(String, String)| Variable {
            name: name.clone(),
            value: value.clone(),
        };
        let directory = |(path, writable): &(String, bool)| Directory {
            host_path: path.into(),
            guest_path: path.clone(),
            access: if *writable {
                Access::ReadWrite
            } else {
                Access::ReadOnly
            },
        };
        Ok(Grants {
            environment: text.environment.iter().map(variable).collect(),
            directories: text.directories.iter().map(directory).collect(),
            connect: parsed(&text.connect)?,
            lookup: parsed(&text.lookup)?,
            send_to: parsed(&text.send_to)?,
        })
    }
}

impl From<&Grants> for GrantsAsText {
    fn from(grants: &Grants) -> Self {
        let writable = |directory: &Directory| directory.access == Access::ReadWrite;
        let environment = grants.environment.iter();
        let directories = grants.directories.iter();
        Self {
            environment: environment
                .map(|variable| (variable.name.clone(), variable.value.clone()))
                .collect(),
            directories: directories
                .map(|directory| (directory.guest_path.clone(), writable(directory)))
                .collect(),
            connect: written(&grants.connect),
            lookup: written(&grants.lookup),
            send_to: written(&grants.send_to),
        }
    }
}

fn written(patterns: &[impl ToString]) -> Vec<String> {
    patterns.iter().map(ToString::to_string).collect()
}

fn parsed<T: std::str::FromStr<Err = ConfigError>>(
    texts: &[String],
) -> Result<Vec<T>, ConfigError> {
    texts.iter().map(|text| text.parse()).collect()
}

/// The server to its zygote. With the first come the child's end of the request's channel, and its connection.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ToZygote {
    /// Fork for this request.
    Serve { request: u64 },
    /// End the child of this request, whatever it does.
    Kill { request: u64 },
}

/// A zygote to its server.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum FromZygote {
    /// It is ready to fork; what of the wall this kernel does not have.
    Ready { missing: Vec<String> },
    /// It cannot begin.
    Failed { reason: String },
    /// The child of this request ended otherwise than it should.
    Ended { request: u64, status: Status },
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Status {
    /// It was never there: the error's number.
    NotForked(i32),
    Exited(i32),
    /// The signal's number.
    Killed(i32),
}

/// The server to the child of one request.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ToChild {
    /// The first message.
    Order(Order),
    /// The answer to the question of that number.
    Answer { number: u32, answer: Answer },
}

/// What a child has to do.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) request: u64,
    pub(super) client_address: ClientAddress,
    pub(super) work: Work,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Work {
    /// The connection came with the channel. `tcp`: it is one of TCP.
    Connection { tcp: bool },
    Packet {
        bytes: Vec<u8>,
        length: usize,
        truncated: bool,
        server_address: Endpoint,
    },
}

/// The child of one request to its server.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum FromChild {
    /// The request is in its hands.
    Begun {
        pid: u32,
    },
    /// It has not come to a stand.
    Beat,
    /// Whole lines that the handler printed.
    Print {
        lines: Lines,
        text: String,
    },
    Question {
        number: u32,
        question: Question,
    },
    /// The request has ended.
    Ended(Ended),
}

/// What a child cannot do by itself.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Question {
    Send { bytes: Vec<u8>, to: Endpoint },
    LookUp { name: String },
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    Sent(Result<(), NotSent>),
    LookedUp(Option<Vec<IpAddr>>),
}

/// How a request ended, as its child says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Ended {
    pub(super) outcome: Outcome,
    pub(super) peak_memory: u64,
    pub(super) denied: Option<String>,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
}
