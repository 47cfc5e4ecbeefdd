//! Thousands of connections that say nothing yet, each with a live instance that waits for it.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Resource, getrlimit};

use super::measured::{Measured, of_good_rounds, series};
use super::plan::Plan;
use super::process::{Running, say};
use super::servers::{Tools, serve};
use super::table::{Table, median, spread};

/// For `--only`.
pub(super) const NAME: &str = "idle";

/// What is measured: resident memory, and the time until all are answered.
pub(super) const MEMORY: &str = "resident memory each, KiB";
pub(super) const ANSWERED: &str = "all answered after, s";
const MAPS: &str = "memory maps each";

/// What is to be carried with Linux's default vm.max_map_count.
const CONNECTIONS: u64 = 9000;

/// Descriptors of a server, or of this process, beside its connections.
const OTHER_DESCRIPTORS: u64 = 100;

/// How long a server's memory must stay the same until all its instances are there, in this many looks.
const LOOK: Duration = Duration::from_millis(100);
const LOOKS: u32 = 5;

/// The longest that anything may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What one round says.
struct Idle {
    memory: f64,
    maps: f64,
    answered: f64,
}

/// Connects, waits, and has all of them send at once; each round with a server of its own.
pub(super) fn run(plan: Plan, tools: &Tools, measured: &mut Measured) -> Table {
    let (connections, mut notes) = match most(tools) {
        Ok(found) => found,
        Err(error) => return table(0, Vec::new(), vec![format!("left out: {error:#}")]),
    };
    let mut rounds = Vec::new();
    for round in 1..=plan.rounds {
        match measure(connections, tools) {
            Ok(idle) => {
                let (memory, answered) = (idle.memory, idle.answered);
                say(&format!(
                    "{NAME} {round}: {memory:.1} KiB each, answered after {answered:.2} s"
                ));
                rounds.push(Some(idle));
            }
            Err(error) => {
                notes.push(format!("round {round} does not count: {error:#}"));
                rounds.push(None);
            }
        }
    }
    let figures = [
        (MEMORY, series(&rounds, |idle| idle.memory)),
        (MAPS, series(&rounds, |idle| idle.maps)),
        (ANSWERED, series(&rounds, |idle| idle.answered)),
    ];
    let lines = figures.iter().map(|(what, figures)| {
        let summary = of_good_rounds(figures);
        vec![(*what).to_owned(), median(summary), spread(summary)]
    });
    let table = table(connections, lines.collect(), notes);
    for (what, figures) in figures {
        measured.add(NAME, what, figures);
    }
    table
}

fn table(connections: u64, lines: Vec<Vec<String>>, notes: Vec<String>) -> Table {
    Table {
        title: format!("{connections} idle connections, each with its live instance"),
        about: "What the server's process has more than before they came; then all send at once."
            .to_owned(),
        header: vec!["runtime, threaded", "median", "min..max"],
        lines,
        notes,
    }
}

/// As many connections as there are descriptors for, and as the server accepts; and why these are fewer.
fn most(tools: &Tools) -> Result<(u64, Vec<String>)> {
    let mut notes = Vec::new();
    let descriptors = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    let mut most = descriptors
        .saturating_sub(OTHER_DESCRIPTORS)
        .min(CONNECTIONS);
    ensure!(most > 0, "the hard limit of open files is {descriptors}");
    if most < CONNECTIONS {
        notes.push(format!(
            "{most} and not {CONNECTIONS}: the hard limit of open files is {descriptors}"
        ));
    }
    if let Err(refusal) = start(most, tools) {
        let refusal = format!("{refusal:#}");
        most = room(&refusal).with_context(|| refusal.clone())?;
        notes.push(format!("{most} and not {CONNECTIONS}: {refusal}"));
    }
    Ok((most, notes))
}

/// How many a server has room for that refuses more: `… has room for 8191: …`.
fn room(refusal: &str) -> Option<u64> {
    let (_, room) = refusal.split_once("has room for ")?;
    let digits: String = room.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

fn start(connections: u64, tools: &Tools) -> Result<Running> {
    let mut command = serve(&tools.handlers, "upper");
    command.args(["--bind", "127.0.0.1:0", "--schedule", "threaded"]);
    command.args(["--max-concurrency", &connections.to_string()]);
    Running::start(&mut command)
}

fn measure(connections: u64, tools: &Tools) -> Result<Idle> {
    let server = start(connections, tools)?;
    let (memory, maps) = (resident_kib(&server)?, memory_maps(&server)?);
    let address = server.address.trim_start_matches("tcp://");
    let mut clients = Vec::new();
    for number in 0..connections {
        let client = TcpStream::connect(address).with_context(|| format!("connection {number}"))?;
        client.set_read_timeout(Some(PATIENCE))?;
        clients.push(client);
    }
    settle(&server)?;
    let each = |after: f64, before: f64| (after - before) / connections as f64;
    Ok(Idle {
        memory: each(resident_kib(&server)?, memory),
        maps: each(memory_maps(&server)?, maps),
        answered: ask_all(&mut clients)?.as_secs_f64(),
    })
}

/// Waits until the server's memory has stayed the same for a while: all instances wait for their clients.
fn settle(server: &Running) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let mut same = 0;
    let mut before = resident_kib(server)?;
    while same < LOOKS {
        ensure!(Instant::now() < deadline, "its memory never settles");
        sleep(LOOK);
        let now = resident_kib(server)?;
        same = if now == before { same + 1 } else { 0 };
        before = now;
    }
    Ok(())
}

/// Sends on all connections, then reads every answer; the time that both take.
fn ask_all(clients: &mut [TcpStream]) -> Result<Duration> {
    let start = Instant::now();
    for client in clients.iter_mut() {
        client.write_all(b"hello world\n")?;
    }
    let mut answer = Vec::new();
    for client in clients.iter_mut() {
        answer.clear();
        client.read_to_end(&mut answer)?;
        ensure!(
            answer == b"HELLO WORLD",
            "a wrong answer: {}",
            answer.escape_ascii()
        );
    }
    Ok(start.elapsed())
}

fn resident_kib(server: &Running) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid()))?;
    resident(&status).context("no VmRSS in /proc")
}

fn resident(status: &str) -> Option<f64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

fn memory_maps(server: &Running) -> Result<f64> {
    let maps = fs::read_to_string(format!("/proc/{}/maps", server.pid()))?;
    Ok(maps.lines().count() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_read() {
        let status = "Name:\tx\nVmHWM:\t  9 kB\nVmRSS:\t   1234 kB\nThreads:\t3\n";
        assert_eq!(resident(status), Some(1234.0));
        assert_eq!(resident("Name:\tx\n"), None);
    }

    #[test]
    fn a_refusal_says_how_many_would_do() {
        let refusal = "error: vm.max_map_count has room for 8191: lower --max-concurrency";
        assert_eq!(room(refusal), Some(8191));
        assert_eq!(room("address in use"), None);
    }
}
