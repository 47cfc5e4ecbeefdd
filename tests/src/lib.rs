//! What the integration tests stand on.
//!
//! `guests` builds handlers, `handmade` makes them from text, `programs` are those under test, `server` runs the command
//! `runtime`, `clients` talk to it over every transport, `footprint` is what it and its zygote hold of the system,
//! `processes` are its own and others, `descriptors` what they have open, `taken` makes one of them call the kernel, `tools`
//! looks for programs that a test runs beside it. Nothing here sleeps: everything waits for an event, for half a minute
//! at most.

mod c_guest;
mod clients;
mod descriptors;
mod ended;
mod footprint;
mod guests;
mod handmade;
mod output;
mod peers;
mod processes;
mod programs;
mod server;
#[cfg(target_arch = "x86_64")]
mod taken;
mod tools;

use std::time::Duration;

pub use c_guest::c_guest;
pub use clients::{Address, Client};
pub use ended::Ended;
pub use footprint::{Footprint, Household};
pub use guests::{cache_folder, cleared, example, guest, root, target_folder};
pub use handmade::Handmade;
pub use output::number_in;
pub use peers::{answerer, greeter};
pub use processes::{Process, until};
pub use programs::{command, embedded, late};
pub use server::{Serve, Server, asked_for, refused};
#[cfg(target_arch = "x86_64")]
pub use taken::{Said, Taken};
pub use tools::{command_output, run_with_input, tool};

/// The longest that anything may take: far more than anything does, so that only what hangs meets it.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The transports, in the words of `--proto`.
pub const TRANSPORTS: [&str; 4] = ["tcp", "udp", "unix", "unixgram"];

/// Those that carry connections.
pub const STREAMS: [&str; 2] = ["tcp", "unix"];

/// Those that carry packets.
pub const DATAGRAMS: [&str; 2] = ["udp", "unixgram"];

/// The schedules, in the words of `--schedule`. Under all but `sync`, a request does not wait for the one before it.
pub const SCHEDULES: [&str; 3] = ["sync", "threaded", "forking"];
