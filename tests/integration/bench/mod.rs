//! `runtime bench`, against this server and against others that answer in ways of their own: what it asks
//! (`requests`) and when (`pace`), what it counts as a failure (`failures`), what it tells (`report`) and which flags
//! it refuses (`usage`).

mod failures;
mod other;
mod pace;
mod report;
mod requests;
mod usage;

use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tests::{Server, command};

/// The bytes of a request, if nothing else is said.
const PAYLOAD: usize = 32;

/// How a run ended.
struct Run {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn start(address: &str, flags: &[&str]) -> Child {
    let mut bench = Command::new(command());
    bench.args(["bench", address]).args(flags);
    bench.stdin(Stdio::null());
    bench.stdout(Stdio::piped()).stderr(Stdio::piped());
    bench.spawn().expect("the command starts")
}

fn end(bench: Child) -> Run {
    let output = bench.wait_with_output().expect("it ends");
    Run {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("text"),
        stderr: String::from_utf8(output.stderr).expect("text"),
    }
}

fn bench(address: &str, flags: &[&str]) -> Run {
    end(start(address, flags))
}

/// A run with `--json`, which ends with `code`, and its object.
fn measured(address: &str, flags: &[&str], code: i32) -> Value {
    bench(address, &[flags, &["--json"]].concat()).json(code)
}

impl Run {
    fn json(&self, code: i32) -> Value {
        assert_eq!(self.code, Some(code), "{}{}", self.stdout, self.stderr);
        assert_eq!(self.stdout.lines().count(), 1, "{}", self.stdout);
        assert_eq!(self.stderr, "");
        serde_json::from_str(&self.stdout).expect("an object")
    }
}

/// Asserts that nothing was served, and that all `count` requests failed in one way.
fn assert_failed(found: &Value, kind: &str, count: u64) {
    assert_eq!(found["requests"], 0, "{found}");
    assert_eq!(found["errors"], count, "{found}");
    assert_eq!(found["errors_by_kind"][kind], count, "{found}");
    assert!(found["latency_us"]["p50"].is_null(), "{found}");
}

/// The address that a server says that it listens on, as it says it.
fn printed(server: &Server) -> String {
    let line = server.said(&["listening on"]);
    let address = line.split_whitespace().last();
    address.expect("an address").to_owned()
}
