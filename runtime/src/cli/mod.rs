//! The command `runtime`: what was typed, and what becomes of it.
//!
//! `serve` holds the flags, whose doc comments are the manual, and turns them into calls of this library; those of
//! `limits` are made of the table of limits, `client_flags` says who may come, `forking_flags` what processes are forked, and
//! `grants` what a handler may reach; `scope` refuses a flag that could have no effect; `values` reads what flags say;
//! `build` makes a component of a folder; `log` sets up the log; `run` serves until a signal comes. `inspect` takes the
//! same flags, finds out what a handler asks for and would be granted, and `inspect_report` tells it.
//! `bench` holds the flags of the load generator; `bench_plan` makes a plan of them, `bench_run`
//! carries it out until it is done or a signal comes, and `bench_report` tells what was measured.

mod bench;
mod bench_plan;
mod bench_report;
mod bench_run;
mod build;
mod client_flags;
mod forking_flags;
mod grants;
mod inspect;
mod inspect_report;
mod limits;
mod log;
mod run;
mod scope;
mod serve;
mod values;

#[cfg(test)]
mod tests;

use std::process::ExitCode;

use crate::output::Output;
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
    Inspect(Box<inspect::Inspect>),
    Bench(Box<bench::Bench>),
}

/// Runs the command with this process's arguments.
///
/// Exit codes: 0 a clean end, also after SIGTERM or SIGINT; 1 the handler, the socket or the server to measure
/// cannot be used; 2 a usage error; 3 requests were cut short when the server ended, or failed when one was
/// measured.
#[must_use]
pub fn main() -> ExitCode {
    crate::zygote();
    let ended = match Cli::parse().command {
        Command::Serve(serve) => {
            checked("serve", serve.server.check());
            run::serve(&serve)
        }
        Command::Inspect(inspect) => {
            checked("inspect", inspect.server.check());
            inspect::inspect(&inspect)
        }
        Command::Bench(bench) => {
            checked("bench", bench.check());
            bench_run::bench(&bench)
        }
    };
    ended.unwrap_or_else(|error| {
        // Nothing else can be done if standard error is closed.
        drop(print_error(&harmless(
            format!("error: {error:#}").as_bytes(),
        )));
        ExitCode::from(1)
    })
}

/// If what was typed after `subcommand` makes no sense: says so, and ends with 2, as clap does.
fn checked(subcommand: &str, check: Result<(), String>) {
    let Err(complaint) = check else { return };
    let mut command = Cli::command();
    let typed = command.find_subcommand_mut(subcommand).cloned();
    typed
        .unwrap_or(command)
        .bin_name(format!("runtime {subcommand}"))
        .error(clap::error::ErrorKind::ValueValidation, complaint)
        .exit()
}

/// The last line: after all that was logged, and by one call, so that no other line gets into it.
fn print_error(text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    Output::shared().flush();
    std::io::stderr().write_all(format!("{text}\n").as_bytes())
}
