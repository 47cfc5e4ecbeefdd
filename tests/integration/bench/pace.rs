//! When requests are made, and when a run ends.

use std::io::{Read as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::other::{Other, echo, read_request};
use super::{end, measured, start};

/// One reply that takes long: all that is due meanwhile is late, if the clients do not wait for it.
#[test]
fn an_open_loop_tells_what_a_stall_costs() {
    let p50 = |flags: &[&str]| {
        let first = AtomicBool::new(true);
        let other = Other::new(move |stream| {
            let request = read_request(stream)?;
            if first.swap(false, Ordering::SeqCst) {
                // Nothing more comes: this takes as long as it may.
                stream.set_read_timeout(Some(Duration::from_millis(400)))?;
                drop(stream.read(&mut [0]));
            }
            stream.write_all(&request)
        });
        let flags = [&["-n", "30", "-c", "1", "--expect", "echo"], flags].concat();
        let found = measured(&other.address, &flags, 0);
        assert_eq!(found["requests"], 30, "{found}");
        (
            found["latency_us"]["p50"].as_f64().expect("a number"),
            found["open_loop_rate"].clone(),
        )
    };
    let (closed, rate) = p50(&[]);
    assert!(closed < 100_000.0, "{closed}");
    assert_eq!(rate, Value::Null);
    let (open, rate) = p50(&["--rate", "100"]);
    assert!(open > 100_000.0, "{open}");
    assert_eq!(rate, 100);
}

#[test]
fn an_open_loop_keeps_its_rate() {
    let other = Other::new(echo);
    let found = measured(
        &other.address,
        &["-n", "100", "--rate", "400", "--expect", "echo"],
        0,
    );
    let seconds = found["seconds"].as_f64().expect("a number");
    assert!(seconds > 0.24, "100 requests at 400 a second: {found}");
    let flags = [
        "-d",
        "500ms",
        "--warm-up",
        "100ms",
        "--rate",
        "400",
        "--expect",
        "echo",
    ];
    let found = measured(&other.address, &flags, 0);
    let requests = found["requests"].as_u64().expect("a number");
    // What a busy machine has not begun by the end is left out.
    assert!((150..=200).contains(&requests), "{found}");
}

#[test]
fn a_signal_ends_a_run_early() {
    for signal in [Signal::INT, Signal::TERM] {
        let (told, served) = mpsc::sync_channel(0);
        let other = Other::new(move |stream| {
            echo(stream)?;
            // From the second one on, nobody listens.
            let _ = told.send(());
            Ok(())
        });
        let flags = [
            "-d",
            "1h",
            "--warm-up",
            "0s",
            "-c",
            "1",
            "--expect",
            "echo",
            "--json",
        ];
        let running = start(&other.address, &flags);
        served.recv().expect("a request");
        drop(served);
        kill_process(Pid::from_child(&running), signal).expect("it runs");
        let found = end(running).json(0);
        assert!(
            found["seconds"].as_f64().expect("a number") < 30.0,
            "{found}"
        );
        assert_eq!(found["errors"], 0, "{found}");
    }
}
