//! What was measured, as a table for people or a JSON object for programs.

use std::fmt::{self, Write as _};
use std::num::NonZeroU64;
use std::time::Duration;

use bytesize::ByteSize;
use hdrhistogram::Histogram;
use indicatif::{HumanCount, HumanFloatCount};
use serde_json::{Map, Value, json};

use crate::BindAddress;
use crate::bench::{Expected, Measured, Plan, Tally};

/// The quantiles that are told: what people call them, what programs do, and what they are.
const QUANTILES: [(&str, &str, f64); 4] = [
    ("p50", "p50", 0.5),
    ("p90", "p90", 0.9),
    ("p99", "p99", 0.99),
    ("p99.9", "p99_9", 0.999),
];

/// Characters of the longest bar of the histogram.
const WIDEST: u64 = 40;

const NANOSECONDS: u128 = 1_000_000_000;

/// What is told of a plan when it has been carried out.
pub(super) struct Report {
    address: String,
    connections: usize,
    rate: Option<NonZeroU64>,
    /// The plan in a line, but for the time that it took.
    plan: String,
}

impl Report {
    /// What `address` was asked, by `plan`.
    pub(super) fn of(address: &BindAddress, plan: &Plan) -> Self {
        Self {
            address: address.to_string(),
            connections: plan.connections,
            rate: plan.timing.rate,
            plan: summary(plan),
        }
    }

    /// One object on one line.
    pub(super) fn json(&self, measured: &Measured) -> String {
        let Measured { tally, time } = measured;
        let kinds = tally
            .failures()
            .map(|(kind, count, _)| (kind.as_str().to_owned(), count.into()));
        let object = json!({
            "address": self.address,
            "connections": self.connections,
            "requests": tally.requests,
            "seconds": rounded(time.as_secs_f64()),
            "requests_per_second": rounded(per_second(tally.requests, *time)),
            "errors": tally.errors(),
            "errors_by_kind": kinds.collect::<Map<String, Value>>(),
            "bytes_sent": tally.bytes_sent,
            "bytes_received": tally.bytes_received,
            "latency_us": latency_us(&tally.latency),
            "open_loop_rate": self.rate,
        });
        format!("{object}\n")
    }

    /// A table; with a histogram if it is to be `drawn`.
    pub(super) fn text(&self, measured: &Measured, drawn: bool) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = self.write(&mut text, measured, drawn);
        text
    }

    fn write(&self, text: &mut String, measured: &Measured, drawn: bool) -> fmt::Result {
        let Measured { tally, time } = measured;
        let seconds = time.as_secs_f64();
        writeln!(text, "{}, {}, {seconds:.1} s", self.address, self.plan)?;
        self.write_requests(text, tally, *time)?;
        write_errors(text, tally)?;
        let sent = size(tally.bytes_sent);
        let received = size(tally.bytes_received);
        writeln!(text, "bytes      {sent} sent, {received} received")?;
        let sent = size(whole_per_second(tally.bytes_sent, *time));
        let received = size(whole_per_second(tally.bytes_received, *time));
        writeln!(text, "a second   {sent} sent, {received} received")?;
        self.write_latency(text, &tally.latency)?;
        if drawn {
            write_histogram(text, &tally.latency)?;
        }
        Ok(())
    }

    fn write_requests(&self, text: &mut String, tally: &Tally, time: Duration) -> fmt::Result {
        let requests = HumanCount(tally.requests);
        let rate = HumanFloatCount((per_second(tally.requests, time) * 10.0).round() / 10.0);
        write!(text, "requests   {requests}, {rate}/s")?;
        match self.rate {
            Some(wanted) => writeln!(text, " of {} wanted", HumanCount(wanted.get())),
            None => writeln!(text),
        }
    }

    fn write_latency(&self, text: &mut String, latency: &Histogram<u64>) -> fmt::Result {
        if latency.is_empty() {
            return writeln!(text, "latency    none: no request was served");
        }
        write!(text, "latency   ")?;
        for (name, _, quantile) in QUANTILES {
            let value = latency.value_at_quantile(quantile);
            write!(text, " {name} {}  ", milliseconds(value))?;
        }
        write!(text, " max {}", milliseconds(latency.max()))?;
        match self.rate {
            Some(_) => writeln!(text, "  (since requests were due)"),
            None => writeln!(text),
        }
    }
}

/// What a plan asks for.
fn summary(plan: &Plan) -> String {
    let clients = match plan.connections {
        1 => "1 client".to_owned(),
        several => format!("{} clients", HumanCount(several as u64)),
    };
    let asking = match plan.per_connection {
        _ if plan.target.is_datagram() => clients,
        None => format!("{clients}, any number of requests on a connection"),
        Some(NonZeroU64::MIN) => format!("{clients}, one request on a connection"),
        Some(most) => format!(
            "{clients}, {} requests on a connection",
            HumanCount(most.get())
        ),
    };
    let pace = match plan.timing.rate {
        Some(rate) => format!("open loop of {}/s", HumanCount(rate.get())),
        None => "closed loop".to_owned(),
    };
    match plan.expected {
        Expected::Any => format!("{asking}, {pace}, replies not compared"),
        Expected::Bytes(_) => format!("{asking}, {pace}, replies compared"),
    }
}

/// How many failed, of which kinds, and what was said about the first of each.
fn write_errors(text: &mut String, tally: &Tally) -> fmt::Result {
    write!(text, "errors     {}", HumanCount(tally.errors()))?;
    let mut separator = ": ";
    for (kind, count, _) in tally.failures().filter(|(_, count, _)| *count > 0) {
        write!(text, "{separator}{} {}", HumanCount(count), kind.as_str())?;
        separator = ", ";
    }
    writeln!(text)?;
    for (kind, _, first) in tally.failures() {
        if let Some(first) = first {
            writeln!(text, "           the first {}: {first}", kind.as_str())?;
        }
    }
    Ok(())
}

/// Bars over the latencies, in steps of 1, 2 and 5.
fn write_histogram(text: &mut String, latency: &Histogram<u64>) -> fmt::Result {
    let mut bars: Vec<(u64, u64)> = Vec::new();
    for value in latency.iter_recorded() {
        let bound = bound(value.value_iterated_to());
        match bars.last_mut() {
            Some((last, count)) if *last == bound => *count += value.count_at_value(),
            _ => bars.push((bound, value.count_at_value())),
        }
    }
    let most = bars.iter().map(|(_, count)| *count).max().unwrap_or(1);
    for (bound, count) in bars {
        let length = usize::try_from((count * WIDEST).div_ceil(most)).unwrap_or_default();
        let bar = "▇".repeat(length);
        writeln!(
            text,
            "{:>12}  {bar} {}",
            format!("≤ {}", milliseconds(bound)),
            HumanCount(count)
        )?;
    }
    Ok(())
}

/// The least of 1, 2, 5, 10, 20, 50, … that is not less than `value`.
fn bound(value: u64) -> u64 {
    let decades = std::iter::successors(Some(1_u64), |decade| decade.checked_mul(10));
    let mut bounds = decades.flat_map(|decade| [1, 2, 5].map(|step| decade.saturating_mul(step)));
    bounds.find(|bound| *bound >= value).unwrap_or(u64::MAX)
}

/// Microseconds; null where nothing was served.
fn latency_us(latency: &Histogram<u64>) -> Value {
    let some = |nanoseconds: f64| match latency.is_empty() {
        true => Value::Null,
        false => rounded(nanoseconds / 1e3).into(),
    };
    let mut object = Map::new();
    object.insert("min".to_owned(), some(latency.min() as f64));
    object.insert("mean".to_owned(), some(latency.mean()));
    for (_, name, quantile) in QUANTILES {
        let value = latency.value_at_quantile(quantile);
        object.insert(name.to_owned(), some(value as f64));
    }
    object.insert("max".to_owned(), some(latency.max() as f64));
    object.into()
}

/// Nanoseconds as milliseconds, of three digits or more.
fn milliseconds(nanoseconds: u64) -> String {
    let value = nanoseconds as f64 / 1e6;
    match value {
        ..1.0 => format!("{value:.3} ms"),
        ..10.0 => format!("{value:.2} ms"),
        ..100.0 => format!("{value:.1} ms"),
        _ => format!("{} ms", HumanFloatCount(value.round())),
    }
}

fn size(bytes: u64) -> String {
    ByteSize(bytes).display().iec().to_string()
}

/// To three places: more would be noise.
fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

fn per_second(count: u64, time: Duration) -> f64 {
    if time.is_zero() {
        return 0.0;
    }
    count as f64 / time.as_secs_f64()
}

fn whole_per_second(count: u64, time: Duration) -> u64 {
    let rate = u128::from(count) * NANOSECONDS / time.as_nanos().max(1);
    u64::try_from(rate).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_end_at_round_numbers() {
        assert_eq!(
            [1, 2, 3, 5, 6, 10, 11, 150].map(bound),
            [1, 2, 5, 5, 10, 10, 20, 200]
        );
        assert_eq!(bound(u64::MAX), u64::MAX);
    }

    #[test]
    fn times_have_three_digits() {
        let times = [71_499, 1_234_567, 12_345_678, 1_234_567_890];
        let told = times.map(milliseconds);
        assert_eq!(told, ["0.071 ms", "1.23 ms", "12.3 ms", "1,235 ms"]);
    }

    #[test]
    fn rates_of_no_time_are_none() {
        assert!(per_second(0, Duration::ZERO).abs() < f64::EPSILON);
        assert_eq!(whole_per_second(3000, Duration::from_millis(1500)), 2000);
    }
}
