//! Time from the start of a process until clients can connect, with compiled code in the cache.

use super::measured::{Measured, Series, of_good_rounds};
use super::process::say;
use super::program::Program;
use super::rows::{CPYTHON_THREADING, NO_SANDBOX, THREADED};
use super::servers::{Server, Tools};
use super::table::{Table, median, spread};

/// For `--only`.
pub(super) const NAME: &str = "ready";

/// Starts of each server: one takes a few hundredths of a second.
const STARTS: u32 = 20;

const SERVERS: [Server; 3] = [THREADED, CPYTHON_THREADING, NO_SANDBOX];

/// Starts each server in turn, and again.
pub(super) fn run(tools: &Tools, measured: &mut Measured) -> Table {
    let mut table = Table {
        title: "Ready to serve".to_owned(),
        about: format!(
            "From the start of the process to its line `listening on`, {STARTS} times; compiled code is cached."
        ),
        header: vec!["server", "ms", "min..max"],
        ..Table::default()
    };
    for server in &SERVERS {
        // The first start may have to compile the handler.
        if let Err(error) = start(server, tools) {
            table.notes.push(format!("{}: {error}", server.label));
            continue;
        }
        let starts: Series = (0..STARTS).map(|_| start(server, tools).ok()).collect();
        let summary = of_good_rounds(&starts);
        say(&format!("{NAME} {}: {}", server.label, median(summary)));
        let label = server.label.to_owned();
        table
            .lines
            .push(vec![label, median(summary), spread(summary)]);
        measured.add(NAME, server.label, starts);
    }
    table
}

/// Milliseconds until it listens.
fn start(server: &Server, tools: &Tools) -> Result<f64, String> {
    let running = server.start(tools, "tcp", Program::Upper);
    let running = running.map_err(|error| format!("{error:#}"))?;
    Ok(running.ready_after.as_secs_f64() * 1000.0)
}
