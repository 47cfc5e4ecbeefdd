//! What criterion has measured in one process (`cargo bench --bench instantiate`), if it has.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::handlers::target_folder;
use super::measured::Measured;
use super::statistics::Summary;
use super::table::{NO_RESULT, Table, median, number, spread};

/// For `--only`.
pub(super) const NAME: &str = "in-process";

/// The figures that have a target.
pub(super) const HOSTS: &str = "ours / bare wasmtime";
pub(super) const GUESTS: &str = "upper / bare guest";

/// What runs the guests, as criterion knows it, and the guests.
const OURS: &str = "ours";
const BARE_WASMTIME: &str = "bare wasmtime";
const WITHOUT_THE_CALL: &str = "bare wasmtime, without the call";
const UPPER: &str = "upper";
const BARE_GUEST: &str = "bare guest";

/// What criterion's last runs left in its folder.
pub(super) fn run(measured: &mut Measured) -> Result<Table> {
    let times = Times::read(&target_folder()?.join("criterion"))?;
    times.keep(measured);
    Ok(times.table())
}

/// Microseconds of a request, with criterion's 95 % interval of their median.
#[derive(Debug, Default)]
struct Times {
    /// By the benchmark: a guest, a slash and what runs it.
    times: BTreeMap<String, Summary>,
    /// The days on which they were measured.
    days: BTreeSet<String>,
}

impl Times {
    fn read(folder: &Path) -> Result<Self> {
        let mut reports = Vec::new();
        find(folder, &mut reports);
        let mut times = Self::default();
        for report in &reports {
            times.add(report)?;
        }
        Ok(times)
    }

    fn add(&mut self, report: &Path) -> Result<()> {
        let estimates = report.join("estimates.json");
        let time = time(&json(&report.join("benchmark.json"))?, &json(&estimates)?);
        let (benchmark, time) =
            time.with_context(|| format!("{}: not criterion's form", report.display()))?;
        self.times.insert(benchmark, time);
        let changed = fs::metadata(estimates)?.modified()?;
        self.days.insert(day(changed));
        Ok(())
    }

    fn of(&self, guest: &str, host: &str) -> Option<Summary> {
        self.times.get(&format!("{guest}/{host}")).copied()
    }

    /// What this library adds to wasmtime, for one guest.
    fn hosts(&self, guest: &str) -> Option<Summary> {
        Some(ratio(self.of(guest, OURS)?, self.of(guest, BARE_WASMTIME)?))
    }

    /// What the SDK and the standard library add to a guest, for one host.
    fn guests(&self, host: &str) -> Option<Summary> {
        Some(ratio(self.of(UPPER, host)?, self.of(BARE_GUEST, host)?))
    }

    /// For the targets.
    fn keep(&self, measured: &mut Measured) {
        for (what, ratio) in [(HOSTS, self.hosts(UPPER)), (GUESTS, self.guests(OURS))] {
            if let Some(ratio) = ratio {
                let ratios = [ratio.least, ratio.median, ratio.greatest];
                measured.add(NAME, what, ratios.map(Some).into());
            }
        }
    }

    fn table(&self) -> Table {
        let mut table = Table {
            title: "Without sockets, in one process".to_owned(),
            about: "Instantiation, call and end of a request of 32 bytes (`cargo bench --bench instantiate`): \
                    median, in microseconds, with criterion's 95 % interval of it."
                .to_owned(),
            header: vec!["guest", OURS, BARE_WASMTIME, WITHOUT_THE_CALL, HOSTS],
            ..Table::default()
        };
        if self.times.is_empty() {
            let missing =
                "nothing yet: run `cargo bench --bench instantiate` before this comparison";
            table.notes.push(missing.to_owned());
            return table;
        }
        table.lines = vec![
            self.guest_line(UPPER),
            self.guest_line(BARE_GUEST),
            self.ratio_line(),
        ];
        let days: Vec<&str> = self.days.iter().map(String::as_str).collect();
        table
            .notes
            .push(format!("measured on {}", days.join(" and ")));
        table
    }

    fn guest_line(&self, guest: &str) -> Vec<String> {
        let time = |host| cell(self.of(guest, host));
        vec![
            guest.to_owned(),
            time(OURS),
            time(BARE_WASMTIME),
            time(WITHOUT_THE_CALL),
            cell(self.hosts(guest)),
        ]
    }

    fn ratio_line(&self) -> Vec<String> {
        let ratio = |host| cell(self.guests(host));
        vec![
            GUESTS.to_owned(),
            ratio(OURS),
            ratio(BARE_WASMTIME),
            ratio(WITHOUT_THE_CALL),
            String::new(),
        ]
    }
}

/// The folders `new`, in each of which are the estimates of a benchmark's last run.
fn find(folder: &Path, reports: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()) {
        if path.ends_with("new") && path.join("estimates.json").is_file() {
            reports.push(path);
        } else if path.is_dir() {
            find(&path, reports);
        }
    }
}

fn json(path: &Path) -> Result<Value> {
    let text = fs::read(path).with_context(|| path.display().to_string())?;
    serde_json::from_slice(&text).with_context(|| path.display().to_string())
}

/// A benchmark's name and its time, which criterion keeps in nanoseconds.
fn time(benchmark: &Value, estimates: &Value) -> Option<(String, Summary)> {
    let microseconds = |place: &str| Some(estimates.pointer(place)?.as_f64()? / 1000.0);
    let time = Summary {
        median: microseconds("/median/point_estimate")?,
        least: microseconds("/median/confidence_interval/lower_bound")?,
        greatest: microseconds("/median/confidence_interval/upper_bound")?,
    };
    let name = benchmark.pointer("/full_id")?.as_str()?;
    Some((name.to_owned(), time))
}

/// A ratio lies between those of the intervals' opposite ends.
fn ratio(one: Summary, other: Summary) -> Summary {
    Summary {
        median: one.median / other.median,
        least: one.least / other.greatest,
        greatest: one.greatest / other.least,
    }
}

fn day(time: SystemTime) -> String {
    let time = humantime::format_rfc3339_seconds(time).to_string();
    time.split('T').next().unwrap_or_default().to_owned()
}

fn cell(summary: Option<Summary>) -> String {
    match summary {
        Some(_) => format!("{} ({})", median(summary), spread(summary)),
        None => NO_RESULT.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(name: &str, nanoseconds: [f64; 3]) -> (Value, Value) {
        let [least, median, greatest] = nanoseconds;
        let estimates = serde_json::json!({"median": {"point_estimate": median,
            "confidence_interval": {"lower_bound": least, "upper_bound": greatest}}});
        (serde_json::json!({ "full_id": name }), estimates)
    }

    fn times(reports: &[(&str, [f64; 3])]) -> Times {
        let times = reports.iter().map(|(name, nanoseconds)| {
            let (benchmark, estimates) = report(name, *nanoseconds);
            time(&benchmark, &estimates).unwrap()
        });
        Times {
            times: times.collect(),
            days: [day(SystemTime::UNIX_EPOCH)].into(),
        }
    }

    #[test]
    fn a_report_becomes_a_time() {
        let (benchmark, estimates) = report("upper/ours", [12_000.0, 12_340.0, 13_000.0]);
        let (name, time_of_it) = time(&benchmark, &estimates).unwrap();
        assert_eq!(name, "upper/ours");
        let expected = Summary {
            median: 12.34,
            least: 12.0,
            greatest: 13.0,
        };
        assert_eq!(time_of_it, expected);
        assert_eq!(time(&benchmark, &benchmark), None);
    }

    #[test]
    fn guests_and_hosts_are_compared() {
        let times = times(&[
            ("upper/ours", [21_000.0, 22_000.0, 24_000.0]),
            ("upper/bare wasmtime", [20_000.0, 20_000.0, 20_000.0]),
            ("bare guest/ours", [20_000.0, 20_000.0, 20_000.0]),
        ]);
        let expected = "\
### Without sockets, in one process

Instantiation, call and end of a request of 32 bytes (`cargo bench --bench instantiate`): median, in \
microseconds, with criterion's 95 % interval of it.

| guest | ours | bare wasmtime | bare wasmtime, without the call | ours / bare wasmtime |
| --- | ---: | ---: | ---: | ---: |
| upper | 22.0 (21.0..24.0) | 20.0 (20.0..20.0) | no result | 1.10 (1.05..1.20) |
| bare guest | 20.0 (20.0..20.0) | no result | no result | no result |
| upper / bare guest | 1.10 (1.05..1.20) | no result | no result |  |

- measured on 1970-01-01

";
        assert_eq!(times.table().to_string(), expected);
    }

    #[test]
    fn the_targets_are_told_the_ratios_with_their_intervals() {
        let times = times(&[
            ("upper/ours", [21_000.0, 22_000.0, 24_000.0]),
            ("upper/bare wasmtime", [20_000.0, 20_000.0, 20_000.0]),
        ]);
        let mut measured = Measured::default();
        times.keep(&mut measured);
        let ratios = [1.05, 1.1, 1.2].map(Some);
        assert_eq!(measured.of(NAME, HOSTS).unwrap(), &ratios);
        assert_eq!(measured.of(NAME, GUESTS), None);
    }

    #[test]
    fn where_nothing_was_measured_it_says_how_to() {
        let table = Times::default().table();
        assert_eq!(table.lines.len(), 0);
        assert!(
            table
                .notes
                .concat()
                .contains("cargo bench --bench instantiate")
        );
    }
}
