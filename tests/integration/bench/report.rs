//! What a run tells: an object for programs, a table for people.

use serde_json::Value;

use super::other::{Other, echo};
use super::{bench, measured};

#[test]
fn the_object_has_these_names() {
    let other = Other::new(echo);
    let flags = ["-d", "200ms", "--warm-up", "10ms", "--expect", "echo"];
    let found = measured(&other.address, &flags, 0);
    let names = |value: &Value| {
        let names = value.as_object().expect("an object").keys();
        names.cloned().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        names(&found),
        "address bytes_received bytes_sent connections errors errors_by_kind latency_us \
         open_loop_rate requests requests_per_second seconds"
    );
    let kinds = names(&found["errors_by_kind"]);
    assert_eq!(kinds, "closed connect other reset timeout wrong");
    let latency = &found["latency_us"];
    assert_eq!(names(latency), "max mean min p50 p90 p99 p99_9");
    assert_eq!(found["address"], other.address);
    assert_eq!(found["connections"], 16);
    assert_eq!(found["seconds"], 0.2);
    assert!(found["open_loop_rate"].is_null());
    let number = |name: &str| latency[name].as_f64().expect("a number");
    let order = ["min", "p50", "p90", "p99", "p99_9", "max"].map(number);
    assert!(order.is_sorted() && order[0] > 0.0, "{found}");
}

#[test]
fn people_get_a_table() {
    let other = Other::new(echo);
    let run = bench(
        &other.address,
        &["-n", "1000", "-c", "3", "--expect", "echo"],
    );
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    for part in [
        "3 clients, one request on a connection, closed loop, replies compared",
        "requests   1,000, ",
        "errors     0\n",
        "bytes      31.2 KiB sent, 31.2 KiB received",
        "latency    p50 ",
    ] {
        assert!(run.stdout.contains(part), "{part}: {}", run.stdout);
    }
}
