//! Processes, as `/proc` tells of them.

use std::fs;
use std::thread::yield_now;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};

use crate::footprint::{Footprint, footprint};
use crate::{PATIENCE, Server};

/// A process. It is told from a later one of the same number by when it was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Process {
    pid: u32,
    /// In ticks of the clock since the machine was started.
    started: u64,
}

/// What `/proc/PID/stat` tells of a process.
struct Stat {
    name: String,
    state: char,
    parent: u32,
    started: u64,
}

impl Process {
    /// The process of that number; none if there is none.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        let Stat { started, .. } = stat(pid)?;
        Some(Self { pid, started })
    }

    /// Its number.
    #[must_use]
    pub fn pid(self) -> u32 {
        self.pid
    }

    /// True until somebody has waited for it: a zombie is there.
    #[must_use]
    pub fn is_there(self) -> bool {
        Self::of(self.pid) == Some(self)
    }

    /// True if it has ended and nobody has waited for it.
    #[must_use]
    pub fn is_zombie(self) -> bool {
        self.is_there() && stat(self.pid).is_some_and(|stat| stat.state == 'Z')
    }

    /// True while a signal holds it.
    #[must_use]
    pub fn is_stopped(self) -> bool {
        self.is_there() && stat(self.pid).is_some_and(|stat| stat.state == 'T')
    }

    /// Those that it has started and not waited for.
    #[must_use]
    pub fn children(self) -> Vec<Self> {
        let all = fs::read_dir("/proc").expect("a list of processes");
        let pids = all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let its = |pid: &u32| stat(*pid).is_some_and(|stat| stat.parent == self.pid);
        pids.filter(its).filter_map(Self::of).collect()
    }

    /// What it holds.
    ///
    /// # Panics
    ///
    /// If it does not run.
    #[must_use]
    pub fn footprint(self) -> Footprint {
        footprint(self.pid)
    }

    /// Sends it a signal; false if it is gone.
    pub fn signal(self, signal: Signal) -> bool {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        self.is_there() && kill_process(pid.expect("a number"), signal).is_ok()
    }

    /// Holds it until it gets `Signal::CONT`.
    pub fn hold(self) {
        assert!(self.signal(Signal::STOP), "{self:?} is gone");
        until("the process is held", || self.is_stopped());
    }
}

/// None if there is no such process.
fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // A name may hold anything, and ends with the last parenthesis.
    let (before, after) = text.rsplit_once(") ")?;
    let mut fields = after.split(' ');
    Some(Stat {
        name: before.split_once(" (")?.1.to_owned(),
        state: fields.next()?.chars().next()?,
        parent: fields.next()?.parse().ok()?,
        started: fields.nth(17)?.parse().ok()?,
    })
}

/// Waits until `done`.
///
/// # Panics
///
/// If that does not come.
#[track_caller]
pub fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < end, "it did not come that {what}");
        yield_now();
    }
}

impl Server {
    /// Itself.
    #[must_use]
    pub fn process(&self) -> Process {
        Process::of(self.pid()).expect("the server was not waited for")
    }

    /// The process that forks for it.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use]
    pub fn zygote(&self) -> Process {
        zygote_of(self.process()).unwrap_or_else(|| panic!("no zygote:\n{self}"))
    }

    /// Waits for another zygote than `dead`.
    #[must_use]
    pub fn zygote_after(&self, dead: Process) -> Process {
        let mut found = None;
        until("there is another zygote", || {
            found = zygote_of(self.process()).filter(|zygote| *zygote != dead);
            found.is_some()
        });
        found.expect("it was found")
    }
}

pub(crate) fn zygote_of(server: Process) -> Option<Process> {
    let is_one = |process: &Process| {
        stat(process.pid).is_some_and(|stat| stat.name == "runtime-zygote" && stat.state != 'Z')
    };
    server.children().into_iter().find(is_one)
}
