//! The command `runtime`: what was typed, and what becomes of it.
//!
//! `serve` holds the flags, whose doc comments are the manual, and turns them into calls of this library;
//! `values` reads what flags say; `build` makes a component of a folder; `log` sets up the log; `run` serves until
//! a signal comes.

mod build;
mod log;
mod run;
mod serve;
mod values;

use std::process::ExitCode;

use crate::text::harmless;
use clap::{CommandFactory as _, Parser, Subcommand};

/// A socket server whose request handlers are sandboxed WebAssembly components.
///
/// Every request (a connection, or a datagram) gets a fresh instance of the handler, which can do nothing
/// that it was not granted.
#[derive(Debug, Parser)]
#[command(
    version,
    max_term_width = 100,
    after_help = "Try: runtime serve --handler examples/upper --proto udp"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(Box<serve::Serve>),
}

/// Runs the command with this process's arguments.
///
/// Exit codes: 0 a clean end, also after SIGTERM or SIGINT; 1 the handler or the socket cannot be used;
/// 2 a usage error; 3 requests were cut short when the server ended.
#[must_use]
pub fn main() -> ExitCode {
    let Command::Serve(serve) = Cli::parse().command;
    if let Err(complaint) = serve.check() {
        usage_error(&complaint);
    }
    run::serve(&serve).unwrap_or_else(|error| {
        // Nothing else can be done if standard error is closed.
        drop(print_error(&harmless(
            format!("error: {error:#}").as_bytes(),
        )));
        ExitCode::from(1)
    })
}

/// Says what is wrong with what was typed, and ends with 2, as clap does.
fn usage_error(complaint: &str) -> ! {
    let mut command = Cli::command();
    let serve = command.find_subcommand_mut("serve").cloned();
    serve
        .unwrap_or(command)
        .bin_name("runtime serve")
        .error(clap::error::ErrorKind::ValueValidation, complaint)
        .exit()
}

fn print_error(text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    writeln!(std::io::stderr(), "{text}")
}
