//! `runtime inspect`: what a handler asks for, and what a command line would grant it.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;

use super::grants::GrantFlags;
use super::inspect_report::Report;
use super::limits::LimitFlags;
use super::{build, run};
use crate::{Handler, Server, ServerConfig};

/// Tells what a handler exports and imports, and what it would be granted and refused.
///
/// Takes the limits and grants of `runtime serve`. Nothing is bound, and no code of the handler runs.
///
/// Exit codes: 0 it could be served; 1 it could not; 2 a usage error.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  runtime inspect upper.wasm
  runtime inspect upper.wasm --dir /srv/data --connect tcp://db.example.com:5432")]
pub(super) struct Inspect {
    /// The handler: a component (.wasm), or the folder of a handler crate, which is built first
    #[arg(value_name = "FILE|FOLDER")]
    handler: PathBuf,

    /// One JSON object instead of text
    #[arg(long)]
    json: bool,

    /// Where compiled code is kept, or none [default: $XDG_CACHE_HOME/runtime or ~/.cache/runtime]
    #[arg(long, value_name = "DIR|none")]
    cache_dir: Option<PathBuf>,

    #[command(flatten)]
    limits: LimitFlags,

    #[command(flatten)]
    grants: GrantFlags,
}

impl Inspect {
    /// What clap cannot know: which flags make sense together.
    pub(super) fn check(&self) -> Result<(), String> {
        self.grants.check()?;
        let limits = self.limits.request.check();
        let config = self.config().check();
        limits.and(config).map_err(|error| format!("--{error}"))
    }

    fn config(&self) -> ServerConfig {
        ServerConfig {
            limits: self.limits.server,
            ..ServerConfig::default()
        }
    }
}

/// The whole of `runtime inspect`.
pub(super) fn inspect(flags: &Inspect) -> Result<ExitCode> {
    let component = build::component(&flags.handler)?;
    let cache = run::cache(flags.cache_dir.as_deref());
    let limits = flags.limits.request;
    let handler = Handler::load_with_cache(&component, limits, cache.as_ref())?
        .with_grants(flags.grants.grants());
    let report = Report::of(&handler);
    let text = if flags.json {
        report.json()
    } else {
        report.text()
    };
    io::stdout()
        .write_all(text.as_bytes())
        .context("cannot print what was found")?;
    Server::check(&flags.config(), &handler)?;
    Ok(ExitCode::SUCCESS)
}
