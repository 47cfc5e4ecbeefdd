//! What the command says, and with which exit code, when it cannot do what it was told.

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;
use tests::{Ended, SCHEDULES, Serve, TRANSPORTS, command, guest, refused, root};

const STREAMS: &str = "socketserver:handler/stream-handler@0.1.0";

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

/// A file of `bytes` in `folder`.
fn file(folder: &TempDir, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, bytes).expect("a file");
    path
}

/// Serves a handler that is written as WebAssembly text.
fn run_text(text: &str) -> Ended {
    let folder = folder();
    let wasm = wat::parse_str(text).expect("text of WebAssembly");
    Serve::new(file(&folder, "odd.wasm", wasm)).run()
}

/// A component that exports an instance without anything in it.
fn exporting(name: &str) -> String {
    format!("(component (instance $none) (export \"{name}\" (instance $none)))")
}

#[test]
fn no_such_file() {
    let ended = Serve::new("/no/such/handler.wasm").run();
    ended.assert_one_line(
        1,
        &[
            "cannot read the handler /no/such/handler.wasm",
            "No such file",
        ],
    );
}

#[test]
fn not_a_component() {
    let folder = folder();
    for (bytes, says) in [
        (&b"#!/bin/sh\n"[..], "does not begin with"),
        (b"", "it is empty"),
        (b"(module)", "WebAssembly text"),
        (
            b"\0asm\x0d\0\x01\0\xff\xff\xff",
            "not a WebAssembly component",
        ),
    ] {
        let ended = Serve::new(file(&folder, "odd.wasm", bytes)).run();
        ended.assert_one_line(1, &["odd", "is not a WebAssembly component", says]);
    }
}

#[test]
fn a_core_module() {
    run_text("(module)").assert_one_line(1, &["core module", "wasm32-wasip2"]);
}

#[test]
fn a_component_that_is_no_handler() {
    run_text("(component)").assert_one_line(1, &["is not a handler", STREAMS]);
    run_text(&exporting("acme:clock/alarm@1.0.0")).assert_one_line(1, &["is not a handler"]);
}

#[test]
fn a_component_for_another_version_of_the_contract() {
    let ended = run_text(&exporting("socketserver:handler/stream-handler@0.7.0"));
    ended.assert_one_line(1, &["version 0.7.0", "0.1.0"]);
}

#[test]
fn an_unknown_import_is_refused_by_name() {
    let ended = run_text(&format!(
        "(component
            (import \"acme:database/store@1.2.3\" (instance (export \"get\" (func))))
            (instance $none)
            (export \"{STREAMS}\" (instance $none)))"
    ));
    ended.assert_one_line(
        1,
        &["imports acme:database/store@1.2.3", "does not provide"],
    );
}

#[test]
fn a_function_that_this_contract_does_not_have_is_refused_by_name() {
    let ended = run_text(&format!(
        "(component
            (import \"socketserver:handler/server@0.1.0\"
                (instance (export \"reboot\" (func))))
            (instance $none)
            (export \"{STREAMS}\" (instance $none)))"
    ));
    ended.assert_one_line(1, &["socketserver:handler/server@0.1.0", "reboot"]);
}

#[test]
fn a_handler_of_the_right_name_and_the_wrong_shape() {
    run_text(&exporting(STREAMS)).assert_one_line(1, &["odd", "handle"]);
}

#[test]
fn the_wrong_transport_is_refused_before_anything_is_bound() {
    let ended = run_text(&exporting("socketserver:handler/datagram-handler@0.1.0"));
    ended.assert_one_line(
        1,
        &["handles datagrams, not tcp", "--proto udp or unixgram"],
    );
    let folder = folder();
    let wasm = wat::parse_str(exporting(STREAMS)).expect("text of WebAssembly");
    let socket = folder.path().join("socket");
    let serve = Serve::new(file(&folder, "odd.wasm", wasm)).args(["--proto", "unixgram"]);
    let ended = serve.bind(&socket).run();
    ended.assert_one_line(1, &["handles streams, not unixgram", "--proto tcp or unix"]);
    assert!(!socket.exists());
}

#[test]
fn a_port_in_use() {
    let tcp = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = tcp.local_addr().expect("bound").to_string();
    let ended = Serve::new(guest("bare")).bind(&address).run();
    ended.assert_one_line(
        1,
        &[
            "cannot bind",
            &address,
            "in use",
            "stop it, or bind elsewhere",
        ],
    );

    let udp = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = udp.local_addr().expect("bound").to_string();
    let ended = Serve::new(guest("bare"))
        .args(["--proto", "udp"])
        .bind(&address)
        .run();
    ended.assert_one_line(1, &["cannot bind", &address, "in use"]);
}

#[test]
fn an_address_that_is_not_ours() {
    let ended = Serve::new(guest("bare")).bind("192.0.2.1:0").run();
    ended.assert_one_line(1, &["cannot bind", "192.0.2.1", "no such address"]);
}

#[test]
fn a_folder_that_is_missing() {
    let serve = Serve::new(guest("bare")).args(["--proto", "unix"]);
    let ended = serve.bind("/no/such/folder/socket").run();
    ended.assert_one_line(1, &["cannot bind", "folder does not exist"]);
}

#[test]
fn python_source() {
    let folder = folder();
    let ended = Serve::new(file(&folder, "handler.py", "class Handler: pass\n")).run();
    ended.assert_one_line(
        1,
        &[
            "Python source",
            "not served directly yet",
            "componentize-py",
        ],
    );
}

#[test]
fn a_folder_without_a_crate() {
    let ended = Serve::new(folder().path()).run();
    ended.assert_one_line(1, &["without a Cargo.toml"]);
}

#[test]
fn a_folder_that_does_not_build() {
    let folder = folder();
    let manifest = "[package]\nname = \"broken\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\
                    [lib]\ncrate-type = [\"cdylib\"]\n";
    file(&folder, "Cargo.toml", manifest);
    fs::create_dir(folder.path().join("src")).expect("a folder");
    file(&folder, "src/lib.rs", "this is not Rust");
    let target = folder.path().join("target");
    let ended = Serve::new(folder.path())
        .env("CARGO_TARGET_DIR", &target)
        .run();
    ended.assert(1, &["does not build"]);
    // What builds, and is no component.
    file(&folder, "src/lib.rs", "");
    file(&folder, "Cargo.toml", manifest.replace("cdylib", "rlib"));
    let ended = Serve::new(folder.path())
        .env("CARGO_TARGET_DIR", &target)
        .run();
    ended.assert(1, &["crate-type = [\"cdylib\"]"]);
}

#[test]
fn a_folder_is_built_and_served() {
    // Built already: this is about the command, not about the compiler.
    let _ = guest("bare");
    let server = Serve::new(root().join("tests/guests/bare")).start();
    assert_eq!(server.ask("built"), "BUILT");
}

#[test]
fn usage_errors_end_with_2() {
    for (arguments, says) in [
        (&["--proto", "sctp"][..], "tcp, udp, unix and unixgram"),
        (&["--frobnicate"], "--frobnicate"),
        (
            &["--schedule", "forking", "--when-full", "refuse"],
            "requests wait, as in Python",
        ),
        (&["--schedule", "fair"], "--schedule fair"),
        (&["--timeout", "1s"], "--requests"),
        (&["--requests", "0"], "0"),
        (&["--cpu-limit", "fast"], "500ms, 10s or 5m"),
        (&["--cpu-limit", "0s"], "--cpu-limit is 0"),
        (&["--idle-limit", "0s"], "--idle-limit is 0"),
        (&["--wall-limit", "-3s"], "500ms, 10s or 5m"),
        (
            &["--wall-limit", "0s"],
            "--wall-limit is 0s: choose at least 1ms, or none",
        ),
        (&["--read-timeout", "0s"], "--read-timeout is 0"),
        (&["--max-memory", "lots"], "64KiB"),
        (
            &["--max-memory", "1KiB"],
            "--max-memory is 1KiB: choose from 64KiB to 4GiB",
        ),
        (&["--max-memory", "5GiB"], "max-memory"),
        (&["--max-concurrency", "0"], "max-concurrency"),
        (&["--max-packet-size", "0"], "max-packet-size"),
        (&["--max-packet-size", "65536"], "max-packet-size"),
        (&["--socket-mode", "rw"], "octal"),
        (&["--socket-mode", "7777"], "socket-mode"),
        (&["--when-full", "panic"], "refuse"),
        (&["--access-log", "some"], "choose failed or all or none"),
        (&["--log-format", "xml"], "json"),
        (&["--log-level", "loud"], "loud"),
    ] {
        refused(arguments).assert(2, &[says, "--help"]);
    }
}

#[test]
fn addresses_that_are_none_end_with_2() {
    for (proto, bind, says) in [
        ("tcp", "localhost", "HOST:PORT"),
        ("tcp", "127.0.0.1:http", "from 0 to 65535"),
        ("tcp", "::1:80", "[::1]:9999"),
        ("tcp", "udp://127.0.0.1:0", "names udp"),
        ("tcp", "fd:x", "fd:3"),
        ("unix", "@", "empty"),
    ] {
        let serve = Serve::new("no-such.wasm")
            .args(["--proto", proto])
            .bind(bind);
        serve.run().assert(2, &[says]);
    }
    let long = format!("/tmp/{}", "x".repeat(120));
    let serve = Serve::new("no-such.wasm")
        .args(["--proto", "unix"])
        .bind(long);
    serve.run().assert(2, &["107 bytes"]);
}

/// Runs the command itself.
fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(command())
        .args(arguments)
        .output()
        .expect("it runs");
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

#[test]
fn a_unix_transport_needs_an_address() {
    let (code, _, says) = run(&["serve", "--handler", "x.wasm", "--proto", "unix"]);
    assert_eq!(code, Some(2), "{says}");
    assert!(says.contains("--proto unix needs --bind"), "{says}");
}

#[test]
fn without_a_handler_and_without_anything() {
    assert_eq!(run(&["serve"]).0, Some(2));
    assert_eq!(run(&[]).0, Some(2));
}

/// Every flag with every transport and schedule is tried beside the code; here is what the operator sees.
#[test]
fn a_flag_that_could_have_no_effect_is_refused_with_what_to_do() {
    for (arguments, line) in [
        (
            &["--proto", "udp", "--first-byte-timeout", "5s"][..],
            "--first-byte-timeout is for tcp and unix, not udp: leave it out, or serve tcp or unix",
        ),
        (
            &["--max-datagrams-out", "none"],
            "--max-datagrams-out is for udp and unixgram, not tcp: leave it out, or serve udp or unixgram",
        ),
        (
            &["--max-amplification", "3"],
            "--max-amplification is for udp, not tcp: leave it out, or serve udp",
        ),
        (
            &["--schedule", "sync", "--max-concurrency", "5"],
            "--max-concurrency is for --schedule threaded and forking, not sync: leave it out, or choose threaded \
             or forking",
        ),
        (
            &["--schedule", "sync", "--when-full", "refuse"],
            "--when-full refuse: under --schedule sync requests wait, as in Python",
        ),
        (
            &["--socket-mode", "660"],
            "--socket-mode is for unix and unixgram, not tcp: leave it out, or serve unix or unixgram",
        ),
        (
            &["--max-sources", "10"],
            "--max-sources is for --max-rate-per-source and --max-reply-rate-per-source: leave it out, or set \
             --max-rate-per-source or --max-reply-rate-per-source",
        ),
    ] {
        refused(arguments).assert(2, &[&format!("error: {line}\n"), "--help"]);
    }
}

/// A default is nobody's wish: it is no offence where it has no effect.
#[test]
fn what_was_not_typed_is_not_refused() {
    for transport in TRANSPORTS {
        for schedule in SCHEDULES {
            let serve = Serve::new("no-such.wasm").args(["--proto", transport]);
            let serve = match transport {
                "unix" | "unixgram" => serve.bind("@no-such-name"),
                _ => serve,
            };
            let ended = serve.args(["--schedule", schedule]).run();
            ended.assert_one_line(1, &["cannot read the handler no-such.wasm"]);
        }
    }
}

#[test]
fn the_help_has_examples_and_a_warning() {
    let (code, help, _) = run(&["serve", "--help"]);
    assert_eq!(code, Some(0));
    for part in ["Examples:", "runtime serve --handler", "your own code"] {
        assert!(help.contains(part), "{part} is missing:\n{help}");
    }
    assert_eq!(run(&["--help"]).0, Some(0));
}

#[test]
fn the_version() {
    let version = format!("runtime {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(run(&["--version"]), (Some(0), version, String::new()));
}
