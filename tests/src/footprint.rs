//! What a process holds of the system, as `/proc` tells.

use std::fs;
use std::thread::yield_now;
use std::time::Instant;

use crate::{PATIENCE, Server};

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

impl Server {
    /// What it holds now.
    ///
    /// # Panics
    ///
    /// If it does not run.
    #[must_use]
    pub fn footprint(&self) -> Footprint {
        footprint(self.pid())
    }

    /// Waits until it holds no more than `before`, but for `slack` bytes of memory: what a request had is
    /// given back when it has ended, and the last one's end may be seen before that. `what` was done meanwhile.
    ///
    /// # Panics
    ///
    /// If that does not come.
    pub fn assert_settles(&self, what: &str, before: Footprint, slack: u64) {
        let until = Instant::now() + PATIENCE;
        loop {
            let now = self.footprint();
            if now.descriptors <= before.descriptors && now.memory <= before.memory + slack {
                return;
            }
            assert!(
                Instant::now() < until,
                "{what}: {before:?} became {now:?}, with a slack of {slack} bytes"
            );
            yield_now();
        }
    }
}

pub(crate) fn footprint(pid: u32) -> Footprint {
    let folder = format!("/proc/{pid}");
    let status = fs::read_to_string(format!("{folder}/status")).expect("it runs");
    let number = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let word = line.and_then(|line| line.split_whitespace().next());
        let number = word.and_then(|word| word.parse::<u64>().ok());
        number.unwrap_or_else(|| panic!("no {name} in {status}"))
    };
    Footprint {
        descriptors: fs::read_dir(format!("{folder}/fd"))
            .expect("it runs")
            .count(),
        threads: number("Threads:"),
        memory: number("RssAnon:") * 1024,
    }
}
