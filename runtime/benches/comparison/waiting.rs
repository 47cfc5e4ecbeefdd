//! Processes of the forking schedule, each with an instance that waits for its client: what each has for itself.

use std::fs;
use std::net::TcpStream;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::measured::{Measured, of_good_rounds, series};
use super::plan::Plan;
use super::process::{Running, say};
use super::servers::{Tools, serve};
use super::table::{Table, median, spread};

/// For `--only`.
pub(super) const NAME: &str = "waiting";

/// What is measured: pages that no other process shares.
pub(super) const MEMORY: &str = "private memory each, KiB";

/// As many as Python's `max_children`.
const CHILDREN: usize = 40;

/// How long nothing may change until all of them wait, in this many looks.
const LOOK: Duration = Duration::from_millis(100);
const LOOKS: u32 = 3;

/// The longest that this may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Connects, and looks at what the children have; each round with a server of its own.
pub(super) fn run(plan: Plan, tools: &Tools, measured: &mut Measured) -> Table {
    let mut notes = Vec::new();
    let mut rounds = Vec::new();
    for round in 1..=plan.rounds {
        match measure(tools) {
            Ok(memory) => {
                say(&format!("{NAME} {round}: {memory:.0} KiB each"));
                rounds.push(Some(memory));
            }
            Err(error) => {
                notes.push(format!("round {round} does not count: {error:#}"));
                rounds.push(None);
            }
        }
    }
    let figures = series(&rounds, |memory| *memory);
    let summary = of_good_rounds(&figures);
    let line = vec![MEMORY.to_owned(), median(summary), spread(summary)];
    measured.add(NAME, MEMORY, figures);
    Table {
        title: format!("{CHILDREN} children of the forking schedule, each with its live instance"),
        about: "What each has that it shares with no other process, while it waits for its client."
            .to_owned(),
        header: vec!["runtime, forking", "median", "min..max"],
        lines: vec![line],
        notes,
    }
}

fn measure(tools: &Tools) -> Result<f64> {
    let mut command = serve(&tools.handlers, "upper");
    command.args(["--bind", "127.0.0.1:0", "--schedule", "forking"]);
    let server = Running::start(&mut command)?;
    let zygote = *children(server.pid())?.first().context("no zygote")?;
    let address = server.address.trim_start_matches("tcp://");
    let clients = (0..CHILDREN).map(|_| TcpStream::connect(address));
    let _clients = clients.collect::<Result<Vec<_>, _>>()?;
    let each = settled(zygote)?;
    Ok(each.iter().sum::<u64>() as f64 / CHILDREN as f64)
}

/// What each child has, as soon as all are there and none has any more.
fn settled(zygote: u32) -> Result<Vec<u64>> {
    let deadline = Instant::now() + PATIENCE;
    let (mut before, mut same) = (Vec::new(), 0);
    while same < LOOKS {
        ensure!(Instant::now() < deadline, "they never settle");
        sleep(LOOK);
        let now: Result<Vec<u64>> = children(zygote)?.into_iter().map(private_kib).collect();
        let now = now?;
        same = if now == before && now.len() == CHILDREN {
            same + 1
        } else {
            0
        };
        before = now;
    }
    Ok(before)
}

/// Those that a process without threads has forked.
fn children(pid: u32) -> Result<Vec<u32>> {
    let mut children = Vec::new();
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let told = fs::read_to_string(task?.path().join("children"))?;
        for number in told.split_whitespace() {
            children.push(number.parse()?);
        }
    }
    Ok(children)
}

fn private_kib(pid: u32) -> Result<u64> {
    let told = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    private(&told).context("no private memory in /proc")
}

/// Its pages that are private, written or not.
fn private(smaps: &str) -> Option<u64> {
    let of = |name: &str| {
        let line = smaps.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
    };
    Some(of("Private_Clean:")? + of("Private_Dirty:")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_memory_is_read() {
        let smaps = "Rss: 9 kB\nPrivate_Clean:    12 kB\nPrivate_Dirty:   300 kB\n";
        assert_eq!(private(smaps), Some(312));
        assert_eq!(private("Rss: 9 kB\n"), None);
    }
}
