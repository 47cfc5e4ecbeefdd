//! The servers that are compared: each a process of its own, pinned to nothing, started for one measurement.

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use anyhow::{Context as _, Result};

use super::handlers::Handlers;
use super::process::Running;
use super::program::Program;
use super::python::Python;

/// The command `runtime`, built with this program.
pub(super) const RUNTIME: &str = env!("CARGO_BIN_EXE_runtime");

/// The first argument that makes this program the server without a sandbox.
pub(super) const PLAIN_SERVER: &str = "plain-server";

/// A server, by its name in the tables.
#[derive(Debug, Clone, Copy)]
pub(super) struct Server {
    pub(super) label: &'static str,
    pub(super) kind: Kind,
}

/// What a server is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// `runtime serve`, with these flags and its default log.
    Runtime(&'static [&'static str]),
    /// CPython's `socketserver`, with a schedule in the words of `runtime serve`.
    CPython(&'static str),
    /// The same in Rust, with tokio.
    NoSandbox,
}

/// What servers are started with.
#[derive(Debug)]
pub(super) struct Tools {
    pub(super) handlers: Handlers,
    pub(super) python: Option<Python>,
}

impl Tools {
    /// Builds the handlers and looks for Python.
    pub(super) fn prepare() -> Result<Self> {
        Ok(Self {
            handlers: Handlers::build(&["upper", "upper-loop"], &["echo", "misbehave"])?,
            python: Python::newest(),
        })
    }
}

impl Server {
    /// Starts it, and waits until it listens.
    pub(super) fn start(
        &self,
        tools: &Tools,
        transport: &str,
        program: Program,
    ) -> Result<Running> {
        let address = &free_address(transport);
        let mut command = match self.kind {
            Kind::Runtime(flags) => {
                let mut command = serve(&tools.handlers, program.name());
                command.args(["--proto", transport, "--bind", address]);
                command.args(flags);
                command
            }
            Kind::CPython(schedule) => {
                let python = tools.python.as_ref().context("no python3 was found")?;
                let mut command = Command::new(&python.path);
                command.arg(script());
                command.args([transport, schedule, program.name(), address]);
                command
            }
            Kind::NoSandbox => {
                let mut command = Command::new(std::env::current_exe()?);
                command.args([PLAIN_SERVER, transport, program.name(), address]);
                command
            }
        };
        Running::start(&mut command)
    }
}

/// `runtime serve` with a handler, whose compiled code is kept beside it.
pub(super) fn serve(handlers: &Handlers, handler: &str) -> Command {
    let mut command = Command::new(RUNTIME);
    command.args([
        "serve".as_ref(),
        "--handler".as_ref(),
        handlers.component(handler).as_os_str(),
    ]);
    command.arg("--cache-dir").arg(handlers.cache());
    command
}

/// A free port of TCP or UDP; for a Unix socket a name that no other process has, and that leaves no file.
pub(super) fn free_address(transport: &str) -> String {
    static NAMES: AtomicU32 = AtomicU32::new(0);
    match transport {
        "unix" | "unixgram" => {
            let number = NAMES.fetch_add(1, Relaxed);
            format!("@comparison-{}-{number}", std::process::id())
        }
        _ => "127.0.0.1:0".to_owned(),
    }
}

fn script() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("benches/socketserver_upper.py")
}
