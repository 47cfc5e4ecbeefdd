//! One row: its servers in turn, round after round.

use super::load::{self, Measurement, Served};
use super::measured::{Measured, Series, of_good_rounds};
use super::plan::Plan;
use super::process::say;
use super::rows::{Row, THREADED, Unit};
use super::servers::{Server, Tools};
use super::table::{Table, median, number, spread};

/// A server, and what each round said of it.
struct Turn<'a> {
    server: &'a Server,
    rounds: Vec<Measurement>,
}

impl Turn<'_> {
    /// One figure of each good round.
    fn series(&self, figure: impl Fn(&Served) -> f64) -> Series {
        let rounds = self.rounds.iter();
        rounds
            .map(|round| round.as_ref().ok().map(&figure))
            .collect()
    }
}

/// Measures a row. A server that cannot be started at all is left out, with a line that says why.
pub(super) fn run(row: &Row, plan: Plan, tools: &Tools, measured: &mut Measured) -> Table {
    let mut notes = Vec::new();
    let mut turns = turns(row, tools, &mut notes);
    for round in 0..plan.rounds {
        // Who comes first in a round is another one each time.
        let first = round as usize % turns.len().max(1);
        let (late, early) = turns.split_at_mut(first);
        for turn in early.iter_mut().chain(late) {
            let measurement = measure(row, turn.server, plan, tools);
            report(row, turn.server, round + 1, plan, &measurement);
            turn.rounds.push(measurement);
        }
    }
    for turn in &turns {
        let rates = turn.series(|served| rate(row, served));
        measured.add(row.name, turn.server.label, rates);
    }
    notes.extend(turns.iter().flat_map(failures));
    table(row, &turns, measured, notes)
}

/// The servers that can be started. It also has their handlers compiled before anything counts.
fn turns<'a>(row: &'a Row, tools: &Tools, notes: &mut Vec<String>) -> Vec<Turn<'a>> {
    let mut turns = Vec::new();
    for server in row.servers {
        match server.start(tools, row.transport, row.program) {
            Ok(_) => turns.push(Turn {
                server,
                rounds: Vec::new(),
            }),
            Err(error) => notes.push(format!("{} is left out: {error:#}", server.label)),
        }
    }
    turns
}

fn measure(row: &Row, server: &Server, plan: Plan, tools: &Tools) -> Measurement {
    let running = server
        .start(tools, row.transport, row.program)
        .map_err(|error| format!("{error:#}"))?;
    load::measure(&running.address, row.client, plan)
}

fn report(row: &Row, server: &Server, round: u32, plan: Plan, measurement: &Measurement) {
    let how = match measurement {
        Ok(served) => number(rate(row, served)),
        Err(why) => why.clone(),
    };
    let rounds = plan.rounds;
    say(&format!(
        "{} {round}/{rounds} {}: {how}",
        row.name, server.label
    ));
}

fn rate(row: &Row, served: &Served) -> f64 {
    match row.unit {
        Unit::Requests => served.requests_per_second,
        // Of the time that one took: few fit into a round, and the last is cut off by its end.
        Unit::Mebibytes(each) => each * 1000.0 / served.mean,
    }
}

/// A line for each round that does not count.
fn failures(turn: &Turn<'_>) -> Vec<String> {
    let rounds = (1..).zip(&turn.rounds);
    let failed = rounds.filter_map(|(round, measurement)| {
        let why = measurement.as_ref().err()?;
        Some(format!(
            "{}, round {round} does not count: {why}",
            turn.server.label
        ))
    });
    failed.collect()
}

fn table(row: &Row, turns: &[Turn<'_>], measured: &Measured, notes: Vec<String>) -> Table {
    let lines = turns.iter().map(|turn| {
        let label = turn.server.label;
        let rates = measured
            .of(row.name, label)
            .and_then(|rates| of_good_rounds(rates));
        let ours = measured.ratios(row.name, THREADED.label, label);
        let p50 = turn.series(|served| served.p50);
        let p99 = turn.series(|served| served.p99);
        vec![
            label.to_owned(),
            median(rates),
            spread(rates),
            median(of_good_rounds(&p50)),
            median(of_good_rounds(&p99)),
            median(ours.and_then(|ratios| of_good_rounds(&ratios))),
        ]
    });
    let unit = match row.unit {
        Unit::Requests => "requests/s",
        Unit::Mebibytes(_) => "MiB/s",
    };
    Table {
        title: row.title.to_owned(),
        about: format!("`runtime bench {}`", row.client.join(" ")),
        header: vec![
            "server",
            unit,
            "min..max",
            "p50 ms",
            "p99 ms",
            "ours, threaded / this",
        ],
        lines: lines.collect(),
        notes,
    }
}

#[cfg(test)]
mod tests {
    use super::super::rows::{NO_SANDBOX, ROWS};
    use super::super::servers::Kind;
    use super::*;

    #[test]
    fn every_server_answers_every_row_rightly() {
        let tools = Tools::prepare().unwrap();
        for row in ROWS {
            // The one without a sandbox is this very program, and has tests of its own.
            let processes = row
                .servers
                .iter()
                .filter(|server| !matches!(server.kind, Kind::NoSandbox));
            for server in processes {
                if let Err(why) = measure(row, server, Plan::SHORTEST, &tools) {
                    let left_out = why.contains("no python3 was found");
                    assert!(left_out, "{}, {}: {why}", row.name, server.label);
                }
            }
        }
    }

    #[test]
    fn a_schedule_that_is_not_there_is_left_out() {
        const SIDEWAYS: Server = Server {
            label: "sideways",
            kind: Kind::Runtime(&["--schedule", "sideways"]),
        };
        let row = Row {
            servers: &[SIDEWAYS],
            ..*ROWS.first().unwrap()
        };
        let mut measured = Measured::default();
        let table = run(
            &row,
            Plan::SHORTEST,
            &Tools::prepare().unwrap(),
            &mut measured,
        );
        assert_eq!(table.lines.len(), 0);
        let note = table.notes.concat();
        assert!(
            note.starts_with("sideways is left out: --schedule"),
            "{note}"
        );
    }

    #[test]
    fn a_failed_round_is_no_result_and_has_its_line() {
        let row = ROWS.first().unwrap();
        let turn = Turn {
            server: &NO_SANDBOX,
            rounds: vec![Err("failed requests: 2 wrong".to_owned())],
        };
        let notes = failures(&turn);
        let line = "no sandbox, round 1 does not count: failed requests: 2 wrong";
        assert_eq!(notes, [line]);

        let mut measured = Measured::default();
        measured.add(row.name, NO_SANDBOX.label, turn.series(|served| served.p50));
        let table = table(row, &[turn], &measured, notes).to_string();
        assert!(table.contains("| no sandbox | no result |"), "{table}");
        assert!(table.contains(line), "{table}");
    }
}
