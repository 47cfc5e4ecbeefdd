//! `runtime inspect`: what a handler asks for, and what a command line would grant it.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow};
use clap::Args;

use super::inspect_report::Report;
use super::serve::ServerFlags;
use super::{log, run};
use crate::output::Output;
use crate::{Handler, Server, Transport};

/// Tells what a handler exports and imports, and what it would be granted and refused.
///
/// Takes all flags of `runtime serve`, so that a command line of it can be tried as it stands: what it would refuse,
/// this refuses with the same words. Nothing is bound, and no code of the handler runs.
///
/// Exit codes: 0 it could be served; 1 it could not; 2 a usage error.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  runtime inspect upper.wasm
  runtime inspect upper.wasm --dir /srv/data --connect tcp://db.example.com:5432
  runtime inspect --handler upper.wasm --proto udp --schedule forking --max-children 100")]
pub(super) struct Inspect {
    #[command(flatten)]
    handler: HandlerArgument,

    /// One JSON object instead of text
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    pub(super) server: ServerFlags,
}

/// The handler, in either form.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct HandlerArgument {
    /// The handler: a component (.wasm), or the folder of a handler crate, which is built first
    #[arg(value_name = "FILE|FOLDER")]
    argument: Option<PathBuf>,

    /// The same, as `runtime serve` has it
    #[arg(long, value_name = "FILE|FOLDER")]
    handler: Option<PathBuf>,
}

/// The whole of `runtime inspect`.
pub(super) fn inspect(flags: &Inspect) -> Result<ExitCode> {
    let output = Output::shared();
    log::start(&flags.server.log, &output);
    let HandlerArgument { argument, handler } = &flags.handler;
    let path = argument.as_ref().or(handler.as_ref());
    let handler = run::load(path.context("no handler is named")?, &flags.server)?;
    let report = Report::of(&handler);
    let text = if flags.json {
        report.json()
    } else {
        report.text()
    };
    io::stdout()
        .write_all(text.as_bytes())
        .context("cannot print what was found")?;
    check(&flags.server, &handler)?;
    output.flush();
    Ok(ExitCode::SUCCESS)
}

/// Whether `handler` could be served as the flags say; if they name no transport, on one of its own.
fn check(flags: &ServerFlags, handler: &Handler) -> Result<()> {
    let config = flags.config().map_err(|text| anyhow!(text))?;
    let transport = match flags.named_transport().map_err(|text| anyhow!(text))? {
        Some(named) => named,
        None if handler.handles_streams() => Transport::Tcp,
        None => Transport::Udp,
    };
    Ok(Server::check(transport, &config, handler)?)
}
