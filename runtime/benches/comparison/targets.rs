//! What this project wants to reach, beside what it has reached.

use super::measured::{Measured, Series, of_good_rounds};
use super::rows::{
    CPYTHON_FORKING, CPYTHON_SYNC, CPYTHON_THREADING, FORKING, NO_SANDBOX, THREADED,
};
use super::table::{Table, median, number, spread};
use super::{criterion, idle, ready, spinning, waiting};

/// One of them.
struct Target {
    what: &'static str,
    row: &'static str,
    figure: Figure,
    /// What it must reach.
    must: f64,
    /// What it is to reach.
    aim: f64,
}

/// Where the number comes from.
enum Figure {
    /// Ours, threaded, by this server's; more is better.
    Ratio(&'static str),
    /// Ours, forking, by this server's.
    Forked(&'static str),
    /// A number of its own; less is better.
    Least(&'static str),
}

const TARGETS: [Target; 17] = [
    Target {
        what: "TCP, one request: threaded / no sandbox",
        row: "tcp",
        figure: Figure::Ratio(NO_SANDBOX.label),
        must: 0.87,
        aim: 0.95,
    },
    Target {
        what: "TCP, one request: threaded / ThreadingTCPServer",
        row: "tcp",
        figure: Figure::Ratio(CPYTHON_THREADING.label),
        must: 5.5,
        aim: 7.0,
    },
    Target {
        what: "TCP, one request: threaded / TCPServer",
        row: "tcp",
        figure: Figure::Ratio(CPYTHON_SYNC.label),
        must: 1.15,
        aim: 1.3,
    },
    Target {
        what: "UDP: threaded / UDPServer",
        row: "udp",
        figure: Figure::Ratio(CPYTHON_SYNC.label),
        must: 0.75,
        aim: 1.1,
    },
    Target {
        what: "UDP: threaded / no sandbox",
        row: "udp",
        figure: Figure::Ratio(NO_SANDBOX.label),
        must: 0.4,
        aim: 0.6,
    },
    Target {
        what: "UDP: threaded / ThreadingUDPServer",
        row: "udp",
        figure: Figure::Ratio(CPYTHON_THREADING.label),
        must: 9.0,
        aim: 14.0,
    },
    Target {
        what: "TCP, one request: forking / ForkingTCPServer",
        row: "tcp",
        figure: Figure::Forked(CPYTHON_FORKING.label),
        must: 1.5,
        aim: 3.0,
    },
    Target {
        what: "UDP: forking / ForkingUDPServer",
        row: "udp",
        figure: Figure::Forked(CPYTHON_FORKING.label),
        must: 1.5,
        aim: 3.0,
    },
    Target {
        what: "TCP, 1,000 requests on a connection: threaded / no sandbox",
        row: "tcp-loop",
        figure: Figure::Ratio(NO_SANDBOX.label),
        must: 0.85,
        aim: 0.95,
    },
    Target {
        what: "64 MiB there and back: threaded / no sandbox",
        row: "echo",
        figure: Figure::Ratio(NO_SANDBOX.label),
        must: 0.6,
        aim: 0.9,
    },
    Target {
        what: "idle connection: resident memory each, KiB",
        row: idle::NAME,
        figure: Figure::Least(idle::MEMORY),
        must: 24.0,
        aim: 16.0,
    },
    Target {
        what: "idle connections: all answered after, s",
        row: idle::NAME,
        figure: Figure::Least(idle::ANSWERED),
        must: 1.0,
        aim: 1.0,
    },
    Target {
        what: "waiting child under forking: private memory each, KiB",
        row: waiting::NAME,
        figure: Figure::Least(waiting::MEMORY),
        must: 2048.0,
        aim: 2048.0,
    },
    Target {
        what: "ready to serve, ms",
        row: ready::NAME,
        figure: Figure::Least(THREADED.label),
        must: 60.0,
        aim: 20.0,
    },
    Target {
        what: "p99 beside spinning handlers, ms",
        row: spinning::NAME,
        figure: Figure::Least(spinning::SPINNING),
        must: 30.0,
        aim: 15.0,
    },
    Target {
        what: "in one process, time of `upper`: ours / bare wasmtime",
        row: criterion::NAME,
        figure: Figure::Least(criterion::HOSTS),
        must: 1.1,
        aim: 1.0,
    },
    Target {
        what: "in one process, time: `upper` / bare guest",
        row: criterion::NAME,
        figure: Figure::Least(criterion::GUESTS),
        must: 1.15,
        aim: 1.05,
    },
];

impl Target {
    /// Round by round; none if its row did not run.
    fn series(&self, measured: &Measured) -> Option<Series> {
        match self.figure {
            Figure::Ratio(other) => measured.ratios(self.row, THREADED.label, other),
            Figure::Forked(other) => measured.ratios(self.row, FORKING.label, other),
            Figure::Least(what) => measured.of(self.row, what).cloned(),
        }
    }

    fn line(&self, series: &[Option<f64>]) -> Vec<String> {
        let summary = of_good_rounds(series);
        let reached = summary.map_or("no", |summary| self.reached(summary.median));
        let bound = match self.figure {
            Figure::Ratio(_) | Figure::Forked(_) => "≥",
            Figure::Least(_) => "≤",
        };
        vec![
            self.what.to_owned(),
            median(summary),
            spread(summary),
            format!("{bound} {}", number(self.must)),
            format!("{bound} {}", number(self.aim)),
            reached.to_owned(),
        ]
    }

    fn reached(&self, median: f64) -> &'static str {
        let reaches = |bound: f64| match self.figure {
            Figure::Ratio(_) | Figure::Forked(_) => median >= bound,
            Figure::Least(_) => median <= bound,
        };
        match (reaches(self.aim), reaches(self.must)) {
            (true, _) => "the aim",
            (false, true) => "yes",
            (false, false) => "no",
        }
    }
}

/// The targets whose rows ran.
pub(super) fn table(measured: &Measured) -> Table {
    let lines = TARGETS.iter().filter_map(|target| {
        let series = target.series(measured)?;
        Some(target.line(&series))
    });
    Table {
        title: "Targets".to_owned(),
        about: "Ratios of servers are of requests a second (64 MiB: of bytes a second) in the same round."
            .to_owned(),
        header: vec!["what", "median", "min..max", "must be", "aim", "reached"],
        lines: lines.collect(),
        notes: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_taken_round_by_round_and_judged_by_its_median() {
        let mut measured = Measured::default();
        let ours = vec![Some(90.0), Some(180.0), None];
        let plain = vec![Some(100.0), Some(200.0), Some(1.0)];
        measured.add("tcp", THREADED.label, ours);
        measured.add("tcp", NO_SANDBOX.label, plain);
        let expected = "\
### Targets

Ratios of servers are of requests a second (64 MiB: of bytes a second) in the same round.

| what | median | min..max | must be | aim | reached |
| --- | ---: | ---: | ---: | ---: | ---: |
| TCP, one request: threaded / no sandbox | 0.90 | 0.90..0.90 | ≥ 0.87 | ≥ 0.95 | yes |

";
        assert_eq!(table(&measured).to_string(), expected);
    }

    #[test]
    fn less_is_better_where_it_is_no_ratio() {
        let ready = |milliseconds| {
            let mut measured = Measured::default();
            measured.add(ready::NAME, THREADED.label, vec![Some(milliseconds)]);
            table(&measured).lines.concat().pop().unwrap()
        };
        assert_eq!(ready(19.0), "the aim");
        assert_eq!(ready(59.0), "yes");
        assert_eq!(ready(61.0), "no");
    }

    #[test]
    fn a_target_without_a_good_round_is_not_reached() {
        let mut measured = Measured::default();
        measured.add(ready::NAME, THREADED.label, vec![None]);
        let line = table(&measured).lines.concat().join(" | ");
        assert_eq!(
            line,
            "ready to serve, ms | no result |  | ≤ 60.0 | ≤ 20.0 | no"
        );
    }
}
