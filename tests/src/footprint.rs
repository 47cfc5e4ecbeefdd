//! What a process holds of the system, as `/proc` tells.

use std::fs;
use std::thread::yield_now;
use std::time::Instant;

use crate::processes::zygote_of;
use crate::{PATIENCE, Process, Server};

/// What a process holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Footprint {
    /// Open descriptors.
    pub descriptors: usize,
    /// Threads.
    pub threads: u64,
    /// Bytes of memory that no file stands behind: `RssAnon`.
    pub memory: u64,
}

/// Bytes of memory that a zygote may hold more of, whatever it has forked for: it serves nobody itself.
const ZYGOTE_SLACK: u64 = 256 << 10;

/// What a server holds: itself, and the process that forks for it, if it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Household {
    /// The server's own.
    pub server: Footprint,
    /// Its zygote, and what that holds.
    pub zygote: Option<(Process, Footprint)>,
}

impl Footprint {
    /// True if it is no more than `before`, but for `slack` bytes of memory.
    fn fits(self, before: Self, slack: u64) -> bool {
        self.descriptors <= before.descriptors && self.memory <= before.memory + slack
    }
}

impl Household {
    /// True if it is no more than `before`, but for `slack` bytes of the server's memory, and the zygote is the same.
    fn fits(self, before: Self, slack: u64) -> bool {
        let zygotes_fit = match (self.zygote, before.zygote) {
            (Some((zygote, holds)), Some((same, before))) => {
                zygote == same && holds.fits(before, ZYGOTE_SLACK)
            }
            (None, None) => true,
            _ => false,
        };
        zygotes_fit && self.server.fits(before.server, slack)
    }

    /// True if nobody is left whom the zygote has forked, not even as a zombie.
    fn has_no_child(self) -> bool {
        self.zygote
            .is_none_or(|(zygote, _)| zygote.children().is_empty())
    }
}

impl Server {
    /// What it and its zygote hold now.
    ///
    /// # Panics
    ///
    /// If it does not run.
    #[must_use]
    pub fn footprint(&self) -> Household {
        let zygote = zygote_of(self.process());
        Household {
            server: footprint(self.pid()),
            zygote: zygote.map(|zygote| (zygote, zygote.footprint())),
        }
    }

    /// The most bytes of memory that it ever had at once: `VmHWM`.
    ///
    /// # Panics
    ///
    /// If it does not run.
    #[must_use]
    pub fn peak_memory(&self) -> u64 {
        status(self.pid(), "VmHWM:") * 1024
    }

    /// Waits until it and its zygote hold no more than `before`, but for `slack` bytes of its memory, and no child is
    /// left: what a request had is given back when it has ended, and the last one's end may be seen before that. `what`
    /// was done meanwhile.
    ///
    /// # Panics
    ///
    /// If that does not come.
    pub fn assert_settles(&self, what: &str, before: Household, slack: u64) {
        let until = Instant::now() + PATIENCE;
        loop {
            let now = self.footprint();
            if now.fits(before, slack) && now.has_no_child() {
                return;
            }
            assert!(
                Instant::now() < until,
                "{what}: {before:?} became {now:?}, with a slack of {slack} bytes and no child"
            );
            yield_now();
        }
    }
}

pub(crate) fn footprint(pid: u32) -> Footprint {
    Footprint {
        descriptors: fs::read_dir(format!("/proc/{pid}/fd"))
            .expect("it runs")
            .count(),
        threads: status(pid, "Threads:"),
        memory: status(pid, "RssAnon:") * 1024,
    }
}

/// A number that a process's status tells.
fn status(pid: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let word = line.and_then(|line| line.split_whitespace().next());
    let number = word.and_then(|word| word.parse().ok());
    number.unwrap_or_else(|| panic!("no {name} in {status}"))
}
