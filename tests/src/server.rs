//! The command `runtime` as a process of its own.

use std::ffi::OsStr;
use std::fmt;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::Ended;
use crate::clients::{Address, Client};
use crate::output::Lines;
use crate::programs::{command, program};
use crate::{PATIENCE, cache_folder, root, target_folder};

/// `runtime serve` in the making.
pub struct Serve {
    command: Command,
    bound: bool,
    cached: bool,
    stdin: Stdio,
}

/// A process that serves, or has tried to. Dropping it kills it.
pub struct Server {
    child: Child,
    out: Lines,
    err: Lines,
}

/// Runs `runtime serve` with arguments that it refuses before it looks for its handler.
#[must_use]
pub fn refused(arguments: &[&str]) -> Ended {
    Serve::new("no-such.wasm").args(arguments).run()
}

impl Serve {
    /// Serves the handler `handler`, on a free port of 127.0.0.1 unless `bind` says otherwise.
    #[must_use]
    pub fn new(handler: impl AsRef<OsStr>) -> Self {
        Self::typed(["serve".as_ref(), "--handler".as_ref(), handler.as_ref()])
    }

    /// Serves the handler `handler` by the program `embedding`, which has the library in it; a Unix socket is made in
    /// `folder`.
    #[must_use]
    pub fn embedding(handler: &Path, transport: &str, schedule: &str, folder: &Path) -> Self {
        let mut command = Command::new(program("embedding"));
        command.arg(handler).arg(asked_for(transport, folder));
        command.arg(schedule).arg(cache_folder());
        Self {
            command,
            bound: true,
            cached: true,
            stdin: Stdio::null(),
        }
    }

    /// Runs the command with these arguments, in the workspace's folder, as a reader of the README does.
    /// A folder is built where the guests are.
    #[must_use]
    pub fn typed<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Self {
        let mut command = Command::new(command());
        command.args(arguments).current_dir(root());
        command.env("CARGO_TARGET_DIR", target_folder());
        Self {
            command,
            bound: false,
            cached: false,
            stdin: Stdio::null(),
        }
    }

    /// On a transport; a Unix socket is made in `folder`.
    #[must_use]
    pub fn on(self, transport: &str, folder: &Path) -> Self {
        let serve = self.args(["--proto", transport]);
        match transport {
            "unix" | "unixgram" => serve.bind(folder.join("socket")),
            _ => serve,
        }
    }

    /// At an address.
    #[must_use]
    pub fn bind(mut self, address: impl AsRef<OsStr>) -> Self {
        self.bound = true;
        self.command.arg("--bind").arg(address);
        self
    }

    /// With a cache of its own, or none.
    #[must_use]
    pub fn cache(mut self, folder: impl AsRef<OsStr>) -> Self {
        self.cached = true;
        self.command.arg("--cache-dir").arg(folder);
        self
    }

    /// With the cache that the command chooses by itself.
    #[must_use]
    pub fn without_cache(mut self) -> Self {
        self.cached = true;
        self
    }

    /// With more arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.command.args(arguments);
        self
    }

    /// With a variable in its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Without a variable in its environment.
    #[must_use]
    pub fn env_remove(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// In another folder than the workspace's.
    #[must_use]
    pub fn in_folder(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// In a process group of its own, as a shell starts what it runs.
    #[must_use]
    pub fn in_a_group(mut self) -> Self {
        self.command.process_group(0);
        self
    }

    /// Started by somebody who does not want to hear of its own children. What else is told of its environment is
    /// told before.
    #[must_use]
    pub fn ignoring_children(self) -> Self {
        self.after("trap '' CHLD")
    }

    /// Started with room for so many open files, and by somebody who may have more.
    #[must_use]
    pub fn with_room_for_files(self, files: u64) -> Self {
        self.after(&format!("ulimit -S -n {files}"))
    }

    /// Started by a shell that does this first.
    fn after(mut self, first: &str) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{first}; exec \"$0\" \"$@\"")]);
        shell.arg(self.command.get_program());
        shell.args(self.command.get_args()).current_dir(root());
        self.command = shell;
        self
    }

    /// With an open descriptor as its standard input: `fd:0`.
    #[must_use]
    pub fn stdin(mut self, descriptor: OwnedFd) -> Self {
        self.stdin = descriptor.into();
        self
    }

    /// Starts it, and waits until clients can connect.
    #[must_use]
    pub fn start(self) -> Server {
        self.start_within(PATIENCE)
    }

    /// Starts it with a handler that has to be built first, dependencies and all.
    #[must_use]
    pub fn start_patiently(self) -> Server {
        self.start_within(20 * PATIENCE)
    }

    fn start_within(self, patience: Duration) -> Server {
        let server = self.spawn();
        if server.err.wait_for(patience, listening).is_none() {
            panic!("the server does not listen:\n{server}");
        }
        server
    }

    /// Starts it, and waits until it has ended by itself.
    #[must_use]
    pub fn run(self) -> Ended {
        self.spawn().wait()
    }

    /// Starts it.
    #[must_use]
    pub fn spawn(mut self) -> Server {
        if !self.bound {
            self.command.args(["--bind", "127.0.0.1:0"]);
        }
        if !self.cached {
            self.command.arg("--cache-dir").arg(cache_folder());
        }
        let mut child = self
            .command
            .stdin(self.stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command starts");
        Server {
            out: Lines::of(child.stdout.take().expect("a pipe")),
            err: Lines::of(child.stderr.take().expect("a pipe")),
            child,
        }
    }
}

/// An address to bind: any port of 127.0.0.1, or a socket in `folder`.
#[must_use]
pub fn asked_for(transport: &str, folder: &Path) -> String {
    match transport {
        "unix" | "unixgram" => format!("{transport}://{}", folder.join("socket").display()),
        _ => format!("{transport}://127.0.0.1:0"),
    }
}

/// The address in the line that says where the server listens.
fn listening(lines: &[String]) -> Option<Address> {
    lines.iter().find_map(|line| {
        let (_, address) = line.split_once("listening on ")?;
        Address::parse(address.trim_end_matches(['"', '}']))
    })
}

impl Server {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> Address {
        let address = self.try_address();
        address.unwrap_or_else(|| panic!("the server does not listen:\n{self}"))
    }

    /// Where it listens; none if it ended before it did.
    #[must_use]
    pub fn try_address(&self) -> Option<Address> {
        self.err.wait_for(PATIENCE, listening)
    }

    /// A new client of it.
    #[must_use]
    pub fn connect(&self) -> Client {
        Client::connect(&self.address())
    }

    /// Sends one request by a client of its own and returns the answer.
    #[must_use]
    pub fn ask(&self, request: impl AsRef<[u8]>) -> String {
        let request = request.as_ref();
        let answer = self.connect().ask(request);
        answer.unwrap_or_else(|error| {
            panic!("{:?}: {error}\n{self}", String::from_utf8_lossy(request))
        })
    }

    /// Asks for something that any handler of the tests answers, to see that the server is well.
    pub fn assert_well(&self) {
        assert_eq!(self.ask("upper well\n"), "WELL", "{self}");
    }

    /// Waits for a line on standard error that contains all of `parts`, and returns it.
    #[must_use]
    pub fn said(&self, parts: &[&str]) -> String {
        self.wait_for_line(&self.err, parts)
    }

    /// Waits for a line on standard output that contains all of `parts`, and returns it.
    #[must_use]
    pub fn printed(&self, parts: &[&str]) -> String {
        self.wait_for_line(&self.out, parts)
    }

    /// Waits for the line on standard error that tells how the request `id` ended, and returns it.
    #[must_use]
    pub fn end_of(&self, id: u64) -> String {
        let word = format!("id={id}");
        let found = self.err.wait_for(PATIENCE, |lines| {
            let is_its = |line: &&String| {
                line.contains(" outcome=") && line.split(' ').any(|part| part == word)
            };
            lines.iter().find(is_its).cloned()
        });
        found.unwrap_or_else(|| panic!("request {id} did not end:\n{self}"))
    }

    fn wait_for_line(&self, stream: &Lines, parts: &[&str]) -> String {
        let found = stream.wait_for(PATIENCE, |lines| {
            let has_all = |line: &&String| parts.iter().all(|part| line.contains(part));
            lines.iter().find(has_all).cloned()
        });
        found.unwrap_or_else(|| panic!("no line with {parts:?} came:\n{self}"))
    }

    /// All that it said so far on standard error.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.err.text()
    }

    /// Its process identifier.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the server still runs");
    }

    /// Sends a signal to it and all of its process group, as a terminal does. It must have been started
    /// [in a group](Serve::in_a_group).
    pub fn signal_group(&self, signal: Signal) {
        kill_process_group(Pid::from_child(&self.child), signal).expect("the server still runs");
    }

    /// Asks it to end, and waits until it has.
    #[must_use]
    pub fn stop(self) -> Ended {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// Waits until it has ended.
    #[must_use]
    pub fn wait(mut self) -> Ended {
        let ended = self.out.wait_for_end(PATIENCE) && self.err.wait_for_end(PATIENCE);
        assert!(ended, "the server does not end:\n{self}");
        let status = self
            .child
            .wait()
            .expect("the server was not waited for yet");
        Ended {
            code: status.code(),
            stdout: self.out.text(),
            stderr: self.err.text(),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail for a process that has ended already, and was waited for.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (out, err) = (self.out.text(), self.err.text());
        write!(f, "--- its stdout:\n{out}--- its stderr:\n{err}---")
    }
}
