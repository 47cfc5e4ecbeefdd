//! What criterion has measured in one process (`cargo bench --bench instantiate`), if it has.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::handlers::target_folder;
use super::table::{Table, number};

/// For `--only`.
pub(super) const NAME: &str = "in-process";

/// The table of all that criterion's last runs left in its folder.
pub(super) fn table() -> Result<Table> {
    let mut reports = Vec::new();
    find(&target_folder()?.join("criterion"), &mut reports);
    reports.sort();
    let mut table = Table {
        title: "Without sockets, in one process".to_owned(),
        about: "`cargo bench --bench instantiate`; microseconds, with criterion's 95 % interval of the median."
            .to_owned(),
        header: vec!["what", "median µs", "interval", "measured on"],
        ..Table::default()
    };
    for report in &reports {
        table.lines.push(line(report)?);
    }
    if reports.is_empty() {
        let missing = "nothing yet: run `cargo bench --bench instantiate` before this comparison";
        table.notes.push(missing.to_owned());
    }
    Ok(table)
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

fn line(report: &Path) -> Result<Vec<String>> {
    let read = |name: &str| -> Result<Value> {
        let path = report.join(name);
        let text = fs::read(&path).with_context(|| path.display().to_string())?;
        serde_json::from_slice(&text).with_context(|| path.display().to_string())
    };
    let changed = fs::metadata(report.join("estimates.json"))?.modified()?;
    let cells = cells(&read("benchmark.json")?, &read("estimates.json")?, changed);
    cells.with_context(|| format!("{}: not criterion's form", report.display()))
}

fn cells(benchmark: &Value, estimates: &Value, changed: SystemTime) -> Option<Vec<String>> {
    let microseconds = |place: &str| Some(number(estimates.pointer(place)?.as_f64()? / 1000.0));
    let least = microseconds("/median/confidence_interval/lower_bound")?;
    let greatest = microseconds("/median/confidence_interval/upper_bound")?;
    let changed = humantime::format_rfc3339_seconds(changed).to_string();
    Some(vec![
        benchmark.pointer("/full_id")?.as_str()?.to_owned(),
        microseconds("/median/point_estimate")?,
        format!("{least}..{greatest}"),
        changed.split('T').next()?.to_owned(),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_becomes_a_line() {
        let benchmark = serde_json::json!({"full_id": "instantiate/upper"});
        let estimates = serde_json::json!({"median": {"point_estimate": 12_340.0,
            "confidence_interval": {"lower_bound": 12_000.0, "upper_bound": 13_000.0}}});
        let line = cells(&benchmark, &estimates, SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(
            line,
            ["instantiate/upper", "12.3", "12.0..13.0", "1970-01-01"]
        );
        assert_eq!(cells(&benchmark, &benchmark, SystemTime::UNIX_EPOCH), None);
    }
}
