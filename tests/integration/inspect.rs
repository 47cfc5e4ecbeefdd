//! What a handler asks for and what a command line would grant it, told before anything is served.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use tests::{Ended, cache_folder, command, example, guest};

/// `runtime inspect` of a handler, to its end.
fn inspect(handler: PathBuf, flags: &[&str]) -> Ended {
    let handler = handler.display().to_string();
    run("inspect", &[&[handler.as_str()], flags].concat())
}

/// The command with these arguments, to its end.
fn run(subcommand: &str, arguments: &[&str]) -> Ended {
    let output = Command::new(command())
        .arg(subcommand)
        .args(arguments)
        .arg("--cache-dir")
        .arg(cache_folder())
        .output();
    output.expect("the command starts").into()
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

/// What `serve` would do with its command line, told of every transport and schedule. Nothing is bound: the address is
/// nobody's, and the socket is not made.
#[test]
fn a_whole_command_line_of_serve_is_taken() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("socket").display().to_string();
    let rest = "--requests 1 --timeout 1s --cpu-limit 200ms --max-memory 32MiB --max-rate 5 --drain-timeout 1s \
                --env TOKEN=secret --access-log all --log-format json --log-level warn --send-buffer 64KiB";
    for (server, flags) in [
        (
            "--proto tcp --bind 192.0.2.1:9999",
            "--schedule sync --idle-limit 1s --allow 10.0.0.0/8",
        ),
        (
            "--proto udp --bind 192.0.2.1:9999",
            "--schedule forking --max-children 9 --confine strict",
        ),
        (
            "--proto unix",
            "--schedule threaded --socket-mode 660 --max-concurrency 9",
        ),
        (
            "--proto unixgram",
            "--schedule forking --max-packet-size 100",
        ),
    ] {
        let mut flags: Vec<&str> = [server, flags, rest]
            .iter()
            .flat_map(|part| part.split_whitespace())
            .collect();
        if server.contains("unix") {
            flags.extend(["--bind", &socket]);
        }
        let told = inspect(guest("misbehave"), &flags);
        told.assert(0, &[]);
        assert_is(&told, "wasi:cli/environment@", "granted: TOKEN");
        assert_is(&told, "memories", "of the 32MiB that they may have");
    }
    assert!(!folder.path().join("socket").exists());
}

#[test]
fn the_handler_may_be_named_as_serve_has_it() {
    let named = |arguments: &[&str]| {
        let handler = guest("bare").display().to_string();
        let words = arguments.iter();
        let words: Vec<&str> = words
            .map(|word| {
                if *word == "HANDLER" {
                    handler.as_str()
                } else {
                    *word
                }
            })
            .collect();
        run("inspect", &words)
    };
    named(&["--handler", "HANDLER"]).assert(0, &[]);
    named(&["--proto", "udp", "--handler", "HANDLER"]).assert(0, &[]);
    named(&["HANDLER", "--handler", "HANDLER"]).assert(2, &["cannot be used with"]);
    named(&["--proto", "udp"]).assert(2, &["--handler"]);
}

#[test]
fn what_serve_would_refuse_is_refused_with_its_words() {
    for flags in [
        &["--proto", "udp", "--idle-limit", "1s"][..],
        &["--confine", "strict"],
        &["--proto", "unix"],
        &["--schedule", "fair"],
        &["--schedule", "forking", "--max-total-memory", "1GiB"],
        &["--max-packet-size", "65536"],
        &["--proto", "unix", "--bind", "@x", "--allow", "10.0.0.1"],
    ] {
        let line = |ended: &Ended| ended.stderr.lines().next().map(str::to_owned);
        let serve = run("serve", &[&["--handler", "no-such.wasm"], flags].concat());
        let inspected = inspect("no-such.wasm".into(), flags);
        serve.assert(2, &["error: "]);
        inspected.assert(2, &["error: "]);
        assert_eq!(line(&serve), line(&inspected));
    }
}

#[test]
fn a_transport_that_is_named_has_to_be_one_of_the_handlers() {
    let streams = example("http");
    inspect(streams.clone(), &[]).assert(0, &[]);
    let told = inspect(streams, &["--proto", "udp"]);
    told.assert_one_line(1, &["handles streams, not udp: choose --proto tcp or unix"]);
    let packets = example("log-collector");
    inspect(packets.clone(), &[]).assert(0, &[]);
    let told = inspect(packets, &["--bind", "tcp://127.0.0.1:0"]);
    told.assert_one_line(
        1,
        &["handles datagrams, not tcp: choose --proto udp or unixgram"],
    );
}

/// A process for each request is what has to fit under forking; under the others, all requests of one process.
#[test]
fn capacity_is_that_of_the_schedule() {
    let schedule = |schedule| {
        inspect(
            guest("misbehave"),
            &["--schedule", schedule, "--max-concurrency", "1000000"],
        )
    };
    schedule("threaded").assert_one_line(1, &["has room for"]);
    schedule("forking").assert(0, &[]);
}
