//! What a handler asks for and what a command line would grant it, told before anything is served.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use tests::{Ended, cache_folder, command, example, guest};

/// `runtime inspect` of a handler, to its end.
fn inspect(handler: PathBuf, flags: &[&str]) -> Ended {
    let output = Command::new(command())
        .arg("inspect")
        .arg(handler)
        .args(flags)
        .arg("--cache-dir")
        .arg(cache_folder())
        .output()
        .expect("the command starts");
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// The line of `told` that tells of `interface`, without the space around its parts.
#[track_caller]
fn line(told: &Ended, interface: &str) -> String {
    let lines = told.stdout.lines().map(str::split_whitespace);
    let mut lines = lines.map(|words| words.collect::<Vec<_>>().join(" "));
    let found = lines.find(|line| line.starts_with(interface));
    found.unwrap_or_else(|| panic!("{interface} is missing: {told}"))
}

/// Asserts what becomes of an interface, whatever its version is.
#[track_caller]
fn assert_is(told: &Ended, interface: &str, what: &str) {
    let line = line(told, interface);
    assert!(line.ends_with(what), "{line}");
}

#[test]
fn what_is_not_granted_is_refused_and_by_which_flag_it_would_be() {
    let told = inspect(guest("misbehave"), &[]);
    told.assert(0, &[]);
    assert_eq!(told.stderr, "");
    for (interface, what) in [
        ("wasi:cli/environment@", "refused: no --env"),
        ("wasi:filesystem/preopens@", "refused: no --dir"),
        ("wasi:sockets/tcp@", "refused: no --connect tcp://…"),
        ("wasi:sockets/udp@", "refused: no --connect udp://…"),
        ("wasi:sockets/ip-name-lookup@", "refused: no --lookup"),
        (
            "socketserver:handler/types send-to",
            "refused: no --send-to",
        ),
        (
            "wasi:clocks/monotonic-clock@",
            "always: clocks cannot be refused",
        ),
        ("wasi:random/", "always: random bytes cannot be refused"),
        ("misbehave serves", "serves tcp, unix, udp, unixgram"),
        ("memories", "of the 64MiB that they may have"),
    ] {
        assert_is(&told, interface, what);
    }
}

#[test]
fn what_is_granted_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().display().to_string();
    let flags = [
        ["--env", "TOKEN=secret"],
        ["--dir", &path],
        ["--dir-rw", "/tmp::/scratch"],
        ["--connect", "tcp://db.example.com:5432"],
        ["--lookup", "*.example.org"],
        ["--send-to", "10.0.0.0/8:514"],
    ];
    let told = inspect(guest("misbehave"), flags.as_flattened());
    told.assert(0, &[]);
    let directories = format!("granted: {path} read-only, /tmp::/scratch read-write");
    for (interface, what) in [
        ("wasi:cli/environment@", "granted: TOKEN"),
        ("wasi:filesystem/preopens@", &directories),
        ("wasi:sockets/tcp@", "granted: tcp://db.example.com:5432"),
        ("wasi:sockets/udp@", "refused: no --connect udp://…"),
        (
            "wasi:sockets/ip-name-lookup@",
            "granted: db.example.com, *.example.org",
        ),
        (
            "socketserver:handler/types send-to",
            "granted: 10.0.0.0/8:514",
        ),
    ] {
        assert_is(&told, interface, what);
    }
    assert!(!told.stdout.contains("secret"), "{told}");
    assert!(!told.stdout.contains("not asked for"), "{told}");
}

#[test]
fn exports_and_imports_are_those_of_the_component_in_order() {
    let told = inspect(guest("bare"), &["--json"]);
    told.assert(0, &[]);
    let told: Value = serde_json::from_str(&told.stdout).expect("one object");
    let names = |of: &str| -> Vec<String> {
        let list = told[of].as_array().expect("a list").iter();
        let name = |one: &Value| one["name"].as_str().or(one.as_str()).map(str::to_owned);
        list.map(|one| name(one).expect("a name")).collect()
    };
    let exports = names("exports");
    assert!(exports.is_sorted(), "{exports:?}");
    assert!(exports.contains(&"socketserver:handler/stream-handler@0.1.0".to_owned()));
    let imports = names("imports");
    assert!(
        imports.contains(&"socketserver:handler/types@0.1.0".to_owned()),
        "{imports:?}"
    );
    assert_eq!(told["name"], "bare");
    assert_eq!(told["memories"], 1);
    assert!(told["initial_memory"].as_u64() >= Some(65_536));
    assert_eq!(told["max_memory"], 64 << 20);
}

#[test]
fn a_grant_that_nothing_asks_for_is_told() {
    let told = inspect(
        example("upper"),
        &["--connect", "tcp://10.0.0.1:80", "--json"],
    );
    told.assert(0, &[]);
    let told: Value = serde_json::from_str(&told.stdout).expect("one object");
    assert_eq!(
        told["not_asked_for"],
        serde_json::json!(["--connect tcp://…"])
    );
    let told = inspect(example("upper"), &["--connect", "tcp://10.0.0.1:80"]);
    told.assert(0, &[]);
    assert_is(&told, "--connect tcp://…:", "tcp://10.0.0.1:80");
}

#[test]
fn what_could_not_be_served_ends_with_1_and_the_reason() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = folder.path().join("notes.wasm");
    fs::write(&text, "some text").expect("written");
    inspect(text, &[]).assert_one_line(1, &["notes is not a WebAssembly component"]);
    inspect("/no/such.wasm".into(), &[]).assert_one_line(1, &["cannot read the handler"]);
    let inspect = |flags: &[&str]| inspect(guest("misbehave"), flags);
    inspect(&["--max-memory", "64KiB"]).assert_one_line(1, &["begins with", "max-memory"]);
    inspect(&["--dir", "/no/such"]).assert_one_line(1, &["dir /no/such", "No such file"]);
    inspect(&["--max-concurrency", "1000000"]).assert_one_line(1, &["has room for"]);
}

#[test]
fn a_usage_error_ends_with_2() {
    let inspect = |flags: &[&str]| inspect("no-such.wasm".into(), flags);
    inspect(&["--connect", "everywhere"]).assert(2, &["--connect", "write tcp://HOST:PORT"]);
    inspect(&["--cpu-limit", "0s"]).assert(2, &["--cpu-limit"]);
    inspect(&["--env", "A=1", "--env", "A=2"]).assert(2, &["--env A is given twice"]);
    inspect(&["--max-concurrency", "0"]).assert(2, &["--max-concurrency"]);
}
