//! A zygote: a small process without threads, which has the handler's compiled code and forks for each request.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::panic::set_hook;
use std::process::exit;
use std::sync::Arc;

use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, dup2_stderr, dup2_stdin};
use rustix::event::{PollFd, PollFlags, poll};

use super::child::Child;
use super::fork::{close_inherited, fork, hear_of_children, prepare_clock};
use super::home::Home;
use super::message::{FromZygote, Setup, Status, ToZygote};
use super::seqpacket::{Received, receive, receive_waiting, send_waiting};
use super::text::move_into_large_pages;
use crate::config::Schedule;
use crate::confine::{ChildWall, Needs, Wall};
use crate::execute::Executor;
use crate::meter::Stopwatch;
use crate::output::{Lines, Print as _};
use crate::sandbox::{About, Granted, Program};

/// Signals that end a server in an orderly way. Its zygote and their children get them, too, from a terminal or from
/// systemd; but when they end is for the server to say.
const NOT_OURS: [Signal; 6] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
];

struct Zygote {
    control: OwnedFd,
    /// Tells of children that have ended.
    signals: SignalFd,
    executor: Arc<Executor>,
    wall: Arc<ChildWall>,
    home: Arc<Home>,
    /// The children that run.
    children: HashMap<Pid, Running>,
}

struct Running {
    request: u64,
    /// The server wants to know how it ends, however that is.
    asked: bool,
}

/// A zygote's life, from its first line to its last.
pub(super) fn main() -> ! {
    exit(match run() {
        Ok(()) => 0,
        Err(error) => {
            // There is nobody else to tell.
            drop(writeln!(io::stderr(), "runtime zygote: {error}"));
            2
        }
    })
}

fn run() -> io::Result<()> {
    if fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() > 1) {
        return refuse();
    }
    close_inherited()?;
    be_small()?;
    let signals = hold_signals()?;
    let control = take_standard_input()?;
    let first = receive_waiting::<Setup>(&control).map_err(|_| {
        io::Error::other("a server starts this process for itself; there is no other use for it")
    })?;
    let Some(Received {
        message: setup,
        descriptors,
    }) = first
    else {
        return Ok(());
    };
    let home = Arc::new(Home::default());
    let told = Arc::clone(&home);
    set_hook(Box::new(move |panic| {
        told.print(Lines::Err, format!("{panic}\n"));
    }));
    match prepare(&setup, descriptors, &home) {
        Ok(Prepared {
            executor,
            wall,
            missing,
        }) => {
            send_waiting(&control, &FromZygote::Ready { missing }, &[])?;
            let zygote = Zygote {
                control,
                signals,
                executor: Arc::new(executor),
                wall: Arc::new(wall),
                home,
                children: HashMap::new(),
            };
            zygote.serve_forever()
        }
        Err(reason) => send_waiting(&control, &FromZygote::Failed { reason }, &[]),
    }
}

/// Tells the server that this process must not fork, and touches nothing that its threads may use.
fn refuse() -> io::Result<()> {
    let control = io::stdin().as_fd().try_clone_to_owned()?;
    drop(receive_waiting::<Setup>(&control)?);
    let reason = "the zygote has threads: call runtime::zygote() in main itself, before anything starts one (not \
                  below #[tokio::main])";
    let reason = reason.to_owned();
    send_waiting(&control, &FromZygote::Failed { reason }, &[])
}

/// A child has its zygote's code in large pages, and copies small ones when it writes to them. The name is what
/// `ps` and `top` show.
fn be_small() -> io::Result<()> {
    // It costs time where it does not work, and nothing else.
    drop(move_into_large_pages());
    rustix::thread::disable_transparent_huge_pages(true)?;
    Ok(rustix::thread::set_name(c"runtime-zygote")?)
}

/// Makes the ending of children something to wait for, and lets nobody but the server end this process.
fn hold_signals() -> io::Result<SignalFd> {
    hear_of_children()?;
    let mut held = SigSet::from_iter(NOT_OURS);
    let mut awaited = SigSet::empty();
    awaited.add(Signal::SIGCHLD);
    held.add(Signal::SIGCHLD);
    held.thread_block()?;
    let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
    Ok(SignalFd::with_flags(&awaited, flags)?)
}

/// The server's socket, which comes as standard input; nothing takes its place.
fn take_standard_input() -> io::Result<OwnedFd> {
    let control = io::stdin().as_fd().try_clone_to_owned()?;
    let nothing = File::open("/dev/null")?;
    dup2_stdin(nothing)?;
    Ok(control)
}

/// What a zygote has before it forks.
struct Prepared {
    executor: Executor,
    wall: ChildWall,
    /// What of the wall this kernel does not have.
    missing: Vec<String>,
}

/// Makes the handler ready to be instantiated, and confines this process.
///
/// The error says what is wrong.
fn prepare(setup: &Setup, descriptors: Vec<OwnedFd>, home: &Arc<Home>) -> Result<Prepared, String> {
    if setup.version != Setup::VERSION {
        return Err(format!(
            "the zygote is a runtime {}, and its server one of version {}: they must be the same",
            Setup::VERSION,
            setup.version
        ));
    }
    let mut descriptors = descriptors.into_iter();
    let compiled = descriptors.next().ok_or("there is no code")?;
    let grants = setup.grants().map_err(|error| error.to_string())?;
    let (limits, directories) = (setup.limits(), descriptors.collect::<Vec<_>>());
    let wall = Wall::new(
        setup.confine,
        &Needs {
            transport: setup.server_address.transport,
            limits: &limits,
            grants: &grants,
            directories: &directories,
        },
    );
    let wall = wall.map_err(|error| error.to_string())?;
    let about = About {
        limits,
        held: setup.held,
        total_memory: None,
        server_address: setup.server_address.clone(),
        schedule: Schedule::Forking,
        handler_name: setup.handler_name.clone(),
        output: Arc::clone(home) as _,
        resolver: Some(Arc::clone(home) as _),
        granted: Granted::handed_over(grants, directories),
    };
    let program = Program::alone(&compiled, about)?;
    prepare_clock(program.clock()).map_err(|error| format!("no clock: {error}"))?;
    let executor = Executor {
        program,
        limits,
        read_timeout: setup.read_timeout,
    };
    // What a clock asks of the kernel when it is first read, no child need ask again.
    let _ = Stopwatch::start();
    let missing = wall.missing().to_vec();
    // From here on there is the server to talk to, and nobody else.
    File::open("/dev/null")
        .and_then(|nothing| Ok(dup2_stderr(nothing)?))
        .map_err(|error| format!("cannot close standard error: {error}"))?;
    // The last thing: what comes before it takes more than serving does.
    let wall = wall.confine_zygote().map_err(|error| error.to_string())?;
    Ok(Prepared {
        executor,
        wall,
        missing,
    })
}

impl Zygote {
    /// Forks whenever it is told to, until the server is gone; then its children end with it.
    fn serve_forever(mut self) -> io::Result<()> {
        loop {
            let (told, ended) = self.wait()?;
            if ended {
                self.reap();
            }
            if !told {
                continue;
            }
            match receive(&self.control) {
                Ok(Some(Received {
                    message: ToZygote::Serve { request },
                    descriptors,
                })) => self = self.fork_for(request, descriptors)?,
                Ok(Some(Received {
                    message: ToZygote::Kill { request },
                    ..
                })) => self.kill(request)?,
                Ok(None) => break,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        for child in self.children.keys() {
            // One that has just ended is as good as killed.
            let _ = kill(*child, Signal::SIGKILL);
        }
        Ok(())
    }

    /// Waits until the server says something, or a child has ended.
    fn wait(&self) -> io::Result<(bool, bool)> {
        let mut waiting = [
            PollFd::new(&self.control, PollFlags::IN),
            PollFd::new(&self.signals, PollFlags::IN),
        ];
        match poll(&mut waiting, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let [told, ended] = waiting.map(|waiting| !waiting.revents().is_empty());
        Ok((told, ended))
    }

    fn fork_for(mut self, request: u64, descriptors: Vec<OwnedFd>) -> io::Result<Self> {
        let mut descriptors = descriptors.into_iter();
        let Some(channel) = descriptors.next() else {
            return Ok(self);
        };
        match fork() {
            Ok(Some(child)) => {
                let asked = false;
                self.children.insert(child, Running { request, asked });
            }
            Ok(None) => {
                let Self {
                    control,
                    signals,
                    executor,
                    wall,
                    home,
                    ..
                } = self;
                // The server, as it talks to its zygote, is nobody for a child to talk to.
                drop((control, signals));
                let child = Child {
                    executor,
                    wall,
                    home,
                    channel,
                    connection: descriptors.next(),
                };
                child.main()
            }
            Err(error) => {
                let number = error.raw_os_error().unwrap_or_default();
                self.tell(request, Status::NotForked(number))?;
            }
        }
        Ok(self)
    }

    /// Ends a child, and says how it ended, now or when it has.
    fn kill(&mut self, request: u64) -> io::Result<()> {
        let mut children = self.children.iter_mut();
        match children.find(|(_, running)| running.request == request) {
            Some((child, running)) => {
                running.asked = true;
                let _ = kill(*child, Signal::SIGKILL);
                Ok(())
            }
            None => self.tell(request, Status::Exited(0)),
        }
    }

    /// Takes note of all children that have ended: none is left behind as a zombie.
    fn reap(&mut self) {
        while let Ok(Some(_)) = self.signals.read_signal() {}
        while let Ok(ended) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            let (child, status) = match ended {
                WaitStatus::Exited(child, code) => (child, Status::Exited(code)),
                WaitStatus::Signaled(child, signal, _) => (child, Status::Killed(signal as i32)),
                WaitStatus::StillAlive => return,
                _ => continue,
            };
            if let Some(Running { request, asked }) = self.children.remove(&child)
                && (asked || status != Status::Exited(0))
            {
                // A server that does not hear it is gone, which is noticed next.
                drop(self.tell(request, status));
            }
        }
    }

    fn tell(&self, request: u64, status: Status) -> io::Result<()> {
        send_waiting(&self.control, &FromZygote::Ended { request, status }, &[])
    }
}
