//! Child processes: a server that says when it listens. None outlives this process, however it ends.

use std::io::{self, BufRead, BufReader};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Signal, set_parent_process_death_signal};

/// The longest that a server may take until it listens: its handler may have to be compiled first.
const PATIENCE: Duration = Duration::from_secs(120);

/// What begins the line in which a Rust program says what is wrong; Python's says it in its last one.
const ERROR: &str = "error: ";

/// A server that listens. Dropping it kills it.
pub(super) struct Running {
    child: Kill,
    /// Where it listens, as it said.
    pub(super) address: String,
    /// Time from its start until it said so.
    pub(super) ready_after: Duration,
}

/// Kills a process, and waits until it is gone.
struct Kill(Child);

impl Drop for Kill {
    fn drop(&mut self) {
        // Both fail for a process that has ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// What a server said on standard error.
enum Said {
    Listening(String, Instant),
    /// It ended, or closed its standard error; its error, or its last line.
    Ended(String),
}

impl Running {
    /// Starts a server, and waits until it listens.
    ///
    /// # Errors
    ///
    /// If it cannot be started, or ends instead of listening: its error.
    pub(super) fn start(command: &mut Command) -> Result<Self> {
        end_with_this_process(command);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let start = Instant::now();
        let mut child = command
            .stderr(Stdio::piped())
            .spawn()
            .map(Kill)
            .with_context(|| format!("{}", command.get_program().display()))?;
        let stderr = child.0.stderr.take().context("its standard error")?;
        let (say, said) = channel();
        thread::spawn(move || read_to_end(stderr, &say));
        match said.recv_timeout(PATIENCE) {
            Ok(Said::Listening(address, then)) => Ok(Self {
                child,
                address,
                ready_after: then.duration_since(start),
            }),
            Ok(Said::Ended(line)) => bail!("{line}"),
            Err(_) => bail!("it did not listen within {PATIENCE:?}"),
        }
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.0.id()
    }
}

/// Reports the first line that says where the server listens; what follows is read and thrown away, so that
/// no server waits for its log.
fn read_to_end(stderr: ChildStderr, say: &Sender<Said>) {
    let mut stderr = BufReader::new(stderr);
    let mut why = String::new();
    let mut line = String::new();
    while stderr.read_line(&mut line).is_ok_and(|count| count > 0) {
        if let Some((_, address)) = line.split_once("listening on ") {
            // Nobody waits any more only if everything ends.
            drop(say.send(Said::Listening(address.trim().to_owned(), Instant::now())));
            drop(io::copy(&mut stderr, &mut io::sink()));
            return;
        }
        if !why.starts_with(ERROR) {
            line.trim().clone_into(&mut why);
        }
        line.clear();
    }
    let why = why.trim_start_matches(ERROR).to_owned();
    drop(say.send(Said::Ended(why)));
}

/// Has the kernel kill the command's process when this one ends, be it by a signal.
#[expect(
    unsafe_code,
    reason = "the standard library has no safe way to do something after fork"
)]
pub(super) fn end_with_this_process(command: &mut Command) {
    let ask = || Ok(set_parent_process_death_signal(Some(Signal::KILL))?);
    // SAFETY: between fork and exec only what is async-signal-safe may be called; this is one system call,
    // and neither takes a lock nor allocates.
    unsafe { command.pre_exec(ask) };
}

/// Tells who waits how far it is; the tables go to standard output, or into BENCHMARKS.md.
#[expect(clippy::print_stderr, reason = "the progress of a program")]
pub(super) fn say(line: &str) {
    eprintln!("{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Result<Running> {
        Running::start(Command::new("sh").args(["-c", script]))
    }

    #[test]
    fn a_server_is_ready_when_it_says_so() {
        let script = "echo starting >&2; echo INFO listening on tcp://x:1 >&2; exec sleep 60";
        let running = shell(script).unwrap();
        assert_eq!(running.address, "tcp://x:1");
        let process = format!("/proc/{}", running.pid());
        assert!(std::fs::exists(&process).unwrap());
        drop(running);
        assert!(!std::fs::exists(&process).unwrap());
    }

    #[test]
    fn a_server_that_ends_instead_says_why() {
        let why = |script: &str| shell(script).err().unwrap().to_string();
        let ours = "echo starting >&2; echo error: no forking >&2; echo try --help >&2";
        assert_eq!(why(ours), "no forking");
        let python = "echo Traceback >&2; echo OSError: in use >&2";
        assert_eq!(why(python), "OSError: in use");
    }
}
