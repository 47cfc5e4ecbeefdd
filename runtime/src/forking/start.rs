//! Starting a zygote: which program, with what, and whether it is ready.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

use super::message::{FromZygote, Setup};
use super::seqpacket::{MOST_DESCRIPTORS, has_gone, pair, receive_within, send_waiting};

/// Name of a zygote's process, by which the program knows that it is one.
#[doc(hidden)]
pub const ZYGOTE: &str = "runtime-zygote";

/// How long a zygote may take to begin: one of Python takes a tenth of a second.
const PATIENCE: Duration = Duration::from_secs(20);

/// This program calls [`zygote`] when it begins.
static PREPARED: AtomicBool = AtomicBool::new(false);

/// What a server starts its zygotes with.
pub(super) struct Recipe {
    /// None for this same program.
    program: Option<PathBuf>,
    setup: Setup,
    code: File,
    directories: Vec<OwnedFd>,
}

/// A process that is ready to fork.
pub(super) struct Started {
    pub(super) process: Child,
    pub(super) control: OwnedFd,
    /// What of the wall this kernel does not have.
    pub(super) missing: Vec<String>,
}

/// Turns this process into the zygote of a server, if it was started as one; else it returns at once.
///
/// Under [`Schedule::Forking`](crate::Schedule::Forking) a server starts its own program anew, to be the small process
/// without threads that forks for each request. So a program that embeds such a server calls this first in its
/// `main`, before anything that a second process should not do, and before there are threads, which a process that
/// forks must not have: not below `#[tokio::main]`, but in a `main` that calls it.
///
/// ```
/// runtime::zygote();
/// // From here on as ever.
/// ```
///
/// A program that cannot do so names a `runtime` command of the same version instead:
/// [`ServerConfig::zygote`](crate::ServerConfig::zygote).
pub fn zygote() {
    let name = std::env::args_os().next();
    if name.is_some_and(|name| name == ZYGOTE) {
        super::zygote::main();
    }
    PREPARED.store(true, Relaxed);
}

impl Recipe {
    /// # Errors
    ///
    /// What is wrong and what to do, if nothing can be started.
    pub(super) fn new(
        program: Option<PathBuf>,
        setup: Setup,
        compiled: &[u8],
        directories: &[OwnedFd],
    ) -> Result<Self, String> {
        if program.is_none() && !PREPARED.load(Relaxed) {
            return Err(
                "the forking schedule starts this program anew: call runtime::zygote() first in its main, or name a \
                 runtime command in ServerConfig::zygote"
                    .to_owned(),
            );
        }
        if directories.len() >= MOST_DESCRIPTORS {
            return Err(format!(
                "the forking schedule can hand over fewer than {MOST_DESCRIPTORS} directories"
            ));
        }
        let explain = |error| format!("cannot hand over: {error}");
        let directories = directories.iter().map(OwnedFd::try_clone);
        Ok(Self {
            program,
            setup,
            code: in_memory(compiled).map_err(explain)?,
            directories: directories.collect::<Result<_, _>>().map_err(explain)?,
        })
    }

    /// Starts a zygote, and waits until it is ready.
    ///
    /// # Errors
    ///
    /// What is wrong, if it cannot be started.
    pub(super) fn start(&self) -> Result<Started, String> {
        let (control, theirs) =
            pair().map_err(|error| format!("cannot talk to a zygote: {error}"))?;
        let program = self.program.clone().unwrap_or("/proc/self/exe".into());
        let mut process = Command::new(&program)
            .arg0(ZYGOTE)
            .arg(&self.setup.handler_name)
            .stdin(theirs)
            // Not its server's group, in which a terminal's signals are for the server.
            .process_group(0)
            // The server's secrets are nobody's beside it.
            .env_clear()
            .envs(std::env::vars_os().filter(|(name, _)| name == "LD_LIBRARY_PATH"))
            // All of the libraries' calls are resolved once, and not in each child.
            .env("LD_BIND_NOW", "1")
            // For a program that embeds this with mimalloc: it asks for what the wall refuses, and takes 1 GiB at once.
            .env("MIMALLOC_USE_NUMA_NODES", "1")
            .env("MIMALLOC_ARENA_EAGER_COMMIT", "0")
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| {
                format!("cannot start a zygote from {}: {error}", program.display())
            })?;
        match self.greet(&control) {
            Ok(missing) => Ok(Started {
                process,
                control,
                missing,
            }),
            Err(reason) => {
                drop(control);
                drop(process.kill());
                drop(process.wait());
                Err(reason)
            }
        }
    }

    /// Tells a new zygote what to do, and hears whether it can.
    fn greet(&self, control: &OwnedFd) -> Result<Vec<String>, String> {
        let files = std::iter::once(self.code.as_fd());
        let files: Vec<_> = files
            .chain(self.directories.iter().map(OwnedFd::as_fd))
            .collect();
        let explain = |error: io::Error| format!("the zygote does not answer: {error}");
        let asked = send_waiting(control, &self.setup, &files);
        let answer = match asked.and_then(|()| receive_within(control, PATIENCE)) {
            // It has not even read what it was sent.
            Err(error) if has_gone(&error) => None,
            answer => answer.map_err(explain)?,
        };
        match answer {
            None => Err(
                "the zygote ended at once: is its program a runtime of this version?".to_owned(),
            ),
            Some(received) => match received.message {
                FromZygote::Ready { missing } => Ok(missing),
                FromZygote::Failed { reason } => Err(reason),
                FromZygote::Ended { .. } => Err("the zygote talks nonsense".to_owned()),
            },
        }
    }
}

/// A file of `bytes` without a name, which nobody changes any more.
fn in_memory(bytes: &[u8]) -> io::Result<File> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut file = File::from(memfd_create("handler", flags)?);
    file.write_all(bytes)?;
    let nothing = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    fcntl_add_seals(&file, nothing)?;
    Ok(file)
}
