//! What was typed after `cargo bench --bench comparison --`.

use std::time::Duration;

use clap::Parser;

use super::plan::Plan;
use super::{criterion, idle, ready, rows, spinning, waiting};

/// Compares this server with CPython's socketserver and with the same loop without a sandbox.
///
/// A full run takes at most forty minutes and writes the tables of BENCHMARKS.md. A short one, or one of some
/// rows only, prints its tables and leaves BENCHMARKS.md alone, unless --write says otherwise.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo bench --bench comparison --")]
pub(super) struct Options {
    /// A short run, of at most five minutes: fewer rounds, of one second each
    #[arg(long)]
    pub(super) quick: bool,

    /// Only these rows, with a comma between them
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', value_parser = names())]
    pub(super) only: Vec<String>,

    /// Rounds, in each of which every server has its turn [default: 7, or 3 with --quick]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: Option<u32>,

    /// Write the tables of BENCHMARKS.md in any case
    #[arg(long)]
    write: bool,

    /// Print the tables, and leave BENCHMARKS.md alone
    #[arg(long, conflicts_with = "write")]
    no_write: bool,

    /// Measure; cargo says so itself, and `cargo test --benches` does not
    #[arg(long, hide = true)]
    pub(super) bench: bool,
}

/// The names of all rows, in the order in which they run.
pub(super) fn names() -> Vec<&'static str> {
    let loaded = rows::ROWS.iter().map(|row| row.name);
    loaded
        .chain([
            ready::NAME,
            idle::NAME,
            waiting::NAME,
            spinning::NAME,
            criterion::NAME,
        ])
        .collect()
}

impl Options {
    pub(super) fn plan(&self) -> Plan {
        let (rounds, duration, warm_up) = match self.quick {
            false => (7, 3000, 500),
            true => (3, 1000, 200),
        };
        Plan {
            rounds: self.rounds.unwrap_or(rounds),
            duration: Duration::from_millis(duration),
            warm_up: Duration::from_millis(warm_up),
        }
    }

    /// True if the row `name` is to run.
    pub(super) fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == name)
    }

    /// True if BENCHMARKS.md is to be written.
    pub(super) fn writes(&self) -> bool {
        let whole = !self.quick && self.only.is_empty();
        self.write || (whole && !self.no_write)
    }

    /// The options of this run, as they would be typed; none: a full run.
    pub(super) fn typed(&self) -> String {
        let mut typed = Vec::new();
        if self.quick {
            typed.push("--quick".to_owned());
        }
        if !self.only.is_empty() {
            typed.push(format!("--only {}", self.only.join(",")));
        }
        if let Some(rounds) = self.rounds {
            typed.push(format!("--rounds {rounds}"));
        }
        typed.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(typed: &[&str]) -> Options {
        Options::try_parse_from(["comparison", "--bench"].iter().chain(typed)).unwrap()
    }

    #[test]
    fn a_full_run_writes_and_a_short_one_does_not() {
        assert!(options(&[]).writes());
        assert!(!options(&["--quick"]).writes());
        assert!(!options(&["--only", "tcp"]).writes());
        assert!(!options(&["--no-write"]).writes());
        assert!(options(&["--quick", "--write"]).writes());
    }

    #[test]
    fn rows_are_chosen_by_name() {
        let some = options(&["--only", "tcp,idle"]);
        assert!(some.wants("tcp") && some.wants("idle") && !some.wants("udp"));
        assert!(options(&[]).wants("udp"));
        let unknown = Options::try_parse_from(["comparison", "--only", "tpc"]).unwrap_err();
        assert!(unknown.to_string().contains("tcp"), "{unknown}");
    }

    #[test]
    fn a_run_tells_how_it_was_started() {
        let typed = options(&["--only", "tcp,udp", "--quick", "--rounds", "2"]).typed();
        assert_eq!(typed, "--quick --only tcp,udp --rounds 2");
    }
}
