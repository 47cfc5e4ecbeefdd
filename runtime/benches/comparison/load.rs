//! The client: `runtime bench`, in a process of its own, and what it reports.

use std::process::{Command, Output, Stdio};

use serde_json::Value;

use super::plan::Plan;
use super::process::end_with_this_process;
use super::servers::RUNTIME;

/// What one measurement says. Every reply was checked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Served {
    pub(super) requests_per_second: f64,
    /// Milliseconds that a request took: on average, half of them at most, and 99 % of them at most.
    pub(super) mean: f64,
    pub(super) p50: f64,
    pub(super) p99: f64,
}

/// A measurement, or why it does not count.
pub(super) type Measurement = Result<Served, String>;

/// Asks the server at `address` for as long as the plan says.
pub(super) fn measure(address: &str, flags: &[&str], plan: Plan) -> Measurement {
    let mut client = Command::new(RUNTIME);
    client.args(["bench", address, "--json"]).args(flags);
    let milliseconds = |time: std::time::Duration| format!("{}ms", time.as_millis());
    client.args(["--duration", &milliseconds(plan.duration)]);
    client.args(["--warm-up", &milliseconds(plan.warm_up)]);
    end_with_this_process(&mut client);
    let output = client.stdin(Stdio::null()).output();
    report_of(&output.map_err(|error| format!("{RUNTIME}: {error}"))?)
}

fn report_of(output: &Output) -> Measurement {
    let out = String::from_utf8_lossy(&output.stdout);
    if out.trim().is_empty() {
        let err = String::from_utf8_lossy(&output.stderr);
        let first = err.lines().next().unwrap_or("it said nothing");
        return Err(format!("the client: {first}"));
    }
    parse(&out)
}

/// Reads the client's report. A server that failed a single request is not measured by the others.
fn parse(json: &str) -> Measurement {
    let report: Value =
        serde_json::from_str(json).map_err(|error| format!("the client's report: {error}"))?;
    if number(&report, "/errors")? > 0.0 {
        return Err(errors(&report));
    }
    if number(&report, "/requests")? < 1.0 {
        return Err("no request was served".to_owned());
    }
    Ok(Served {
        requests_per_second: number(&report, "/requests_per_second")?,
        mean: number(&report, "/latency_us/mean")? / 1000.0,
        p50: number(&report, "/latency_us/p50")? / 1000.0,
        p99: number(&report, "/latency_us/p99")? / 1000.0,
    })
}

fn number(report: &Value, place: &str) -> Result<f64, String> {
    let value = report.pointer(place).and_then(Value::as_f64);
    value.ok_or_else(|| format!("the client's report has no number {place}"))
}

/// The kinds of errors there were: `3 wrong, 1 timeout`.
fn errors(report: &Value) -> String {
    let kinds = report.pointer("/errors_by_kind").and_then(Value::as_object);
    let kinds = kinds.into_iter().flatten();
    let seen = kinds.filter(|(_, count)| count.as_u64() != Some(0));
    let seen: Vec<String> = seen
        .map(|(kind, count)| format!("{count} {kind}"))
        .collect();
    format!("failed requests: {}", seen.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(errors: u32, wrong: u32) -> String {
        format!(
            r#"{{"address":"tcp://127.0.0.1:9","connections":16,"requests":3000,"seconds":1.5,
            "requests_per_second":2000.0,"errors":{errors},
            "errors_by_kind":{{"wrong":{wrong},"timeout":0,"connect":1,"reset":0,"closed":0,"other":0}},
            "bytes_sent":96000,"bytes_received":93000,
            "latency_us":{{"min":1.0,"mean":720.0,"p50":710.0,"p90":4.0,"p99":1500.0,"p99_9":6.0,"max":7.0}},
            "open_loop_rate":null}}"#
        )
    }

    #[test]
    fn a_good_report_is_read() {
        let served = parse(&report(0, 0)).unwrap();
        let expected = Served {
            requests_per_second: 2000.0,
            mean: 0.72,
            p50: 0.71,
            p99: 1.5,
        };
        assert_eq!(served, expected);
    }

    #[test]
    fn one_error_and_nothing_counts() {
        let why = parse(&report(3, 2)).unwrap_err();
        assert_eq!(why, "failed requests: 1 connect, 2 wrong");
    }

    #[test]
    fn a_report_without_a_number_says_which() {
        let why = parse(r#"{"errors":0,"requests":1}"#).unwrap_err();
        assert_eq!(
            why,
            "the client's report has no number /requests_per_second"
        );
        assert!(parse("nonsense").is_err());
    }

    #[test]
    fn a_server_that_serves_nothing_is_not_measured() {
        let why = parse(r#"{"errors":0,"requests":0}"#).unwrap_err();
        assert_eq!(why, "no request was served");
    }
}
