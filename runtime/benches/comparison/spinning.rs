//! How long honest requests wait while as many handlers as there are cores compute without end.

use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::path::Path;
use std::thread::{available_parallelism, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};

use super::load::{self, Served};
use super::measured::{Measured, of_good_rounds, series};
use super::plan::Plan;
use super::process::{Running, say};
use super::servers::{Tools, serve};
use super::table::{Table, median, spread};

/// For `--only`.
pub(super) const NAME: &str = "spinning";

/// The two states of the server.
const CALM: &str = "nothing else";
pub(super) const SPINNING: &str = "a handler spins on each core";

/// The honest request and its reply.
const REQUEST: &str = "upper hello world\n";
const REPLY: &str = "HELLO WORLD";

/// The longest until all handlers spin.
const PATIENCE: Duration = Duration::from_secs(10);

/// Hundredths of a second that a handler must have computed to count as spinning.
const SPUN: u64 = 10;

/// Asks one server, first alone and then with its spinning company; each round with a server of its own.
pub(super) fn run(plan: Plan, tools: &Tools, measured: &mut Measured) -> Table {
    let mut notes = Vec::new();
    let mut calm = Vec::new();
    let mut spinning = Vec::new();
    for round in 1..=plan.rounds {
        match measure(plan, tools) {
            Ok((without, with)) => {
                say(&format!(
                    "{NAME} {round}: p99 {:.2} ms, {:.2} ms without",
                    with.p99, without.p99
                ));
                calm.push(Some(without));
                spinning.push(Some(with));
            }
            Err(error) => {
                notes.push(format!("round {round} does not count: {error:#}"));
                calm.push(None);
                spinning.push(None);
            }
        }
    }
    let mut lines = Vec::new();
    for (state, rounds) in [(CALM, &calm), (SPINNING, &spinning)] {
        let p50 = series(rounds, |served| served.p50);
        let p99 = series(rounds, |served| served.p99);
        let summary = of_good_rounds(&p99);
        lines.push(vec![
            state.to_owned(),
            median(of_good_rounds(&p50)),
            median(summary),
            spread(summary),
        ]);
        measured.add(NAME, state, p99);
    }
    Table {
        title: "Honest requests beside handlers that compute without end".to_owned(),
        about: "TCP, one client, one request for each connection; `--schedule threaded --cpu-limit none`.".to_owned(),
        header: vec!["runtime, threaded, does beside it", "p50 ms", "p99 ms", "min..max of p99"],
        lines,
        notes,
    }
}

fn measure(plan: Plan, tools: &Tools) -> Result<(Served, Served)> {
    let mut command = serve(&tools.handlers, "misbehave");
    command.args([
        "--bind",
        "127.0.0.1:0",
        "--schedule",
        "threaded",
        "--cpu-limit",
        "none",
    ]);
    let server = Running::start(&mut command)?;
    let without = ask(&server, plan)?;
    // They spin for as long as the server lives.
    let _spinners = spin(&server)?;
    let with = ask(&server, plan)?;
    Ok((without, with))
}

fn ask(server: &Running, plan: Plan) -> Result<Served> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (request, reply) = (
        folder.join("spinning-request"),
        folder.join("spinning-reply"),
    );
    fs::write(&request, REQUEST)?;
    fs::write(&reply, REPLY)?;
    let (request, reply) = (request.display().to_string(), reply.display().to_string());
    let flags = [
        "--connections",
        "1",
        "--payload",
        &request,
        "--expect",
        &reply,
    ];
    load::measure(&server.address, &flags, plan).map_err(|why| anyhow!(why))
}

/// Has a handler spin on each core, and waits until all of them do.
fn spin(server: &Running) -> Result<Vec<TcpStream>> {
    let address = server.address.trim_start_matches("tcp://");
    let before = computed(server)?;
    let mut spinners = Vec::new();
    for _ in 0..available_parallelism()?.get() {
        let mut spinner = TcpStream::connect(address)?;
        spinner.write_all(b"spin\n")?;
        spinners.push(spinner);
    }
    let deadline = Instant::now() + PATIENCE;
    while computed(server)? < before + SPUN * spinners.len() as u64 {
        ensure!(Instant::now() < deadline, "the handlers do not spin");
        sleep(Duration::from_millis(10));
    }
    Ok(spinners)
}

/// CPU time of the server, in hundredths of a second.
fn computed(server: &Running) -> Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", server.pid()))?;
    cpu_time(&stat).context("no CPU time in /proc")
}

/// utime and stime in proc_pid_stat(5); the name before them may hold spaces, and ends with the last bracket.
fn cpu_time(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11);
    let user: u64 = times.next()?.parse().ok()?;
    let system: u64 = times.next()?.parse().ok()?;
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_what_the_user_and_the_system_took() {
        let stat = "42 (a (b) c) S 1 42 42 0 -1 4194560 1 2 3 4 70 8 9 10 20 0 5 0 99";
        assert_eq!(cpu_time(stat), Some(78));
        assert_eq!(cpu_time("42 (x"), None);
    }
}
