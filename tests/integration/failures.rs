//! Each way in which a handler can end, what the log says of it, and the good request after it.

use rustix::process::Signal;
use tests::{Serve, Server, guest};

/// What a handler is told to do, the outcome in the log, whose fault it is, and more of that line.
const FAILURES: [(&str, &str, Option<&str>, &str); 12] = [
    (
        "error no such user: 'Ä'",
        "handler-error",
        Some("handler"),
        "no such user: 'Ä'",
    ),
    (
        "panic out of cheese",
        "trap",
        Some("handler"),
        "out of cheese",
    ),
    ("trap", "trap", Some("handler"), "unreachable"),
    ("stray", "trap", Some("handler"), "out of bounds"),
    ("recurse 0", "trap", Some("handler"), "endless recursion"),
    ("allocate 1000000000", "memory", Some("handler"), ""),
    ("spin", "cpu", Some("handler"), ""),
    ("exit 0", "exit", None, ""),
    ("exit 3", "exit", Some("handler"), "exit with a failure"),
    (
        "no-such-command",
        "handler-error",
        Some("handler"),
        "no such command",
    ),
    ("upper all is well", "ok", None, ""),
    ("error", "handler-error", Some("handler"), ""),
];

fn serve(transport: &str, folder: &tempfile::TempDir) -> Server {
    let serve = Serve::new(guest("misbehave")).on(transport, folder.path());
    serve
        .args(["--access-log", "all", "--cpu-limit", "200ms"])
        .start()
}

fn failures(transport: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let server = serve(transport, &folder);
    let mut id = 0;
    for (request, outcome, fault, detail) in FAILURES {
        id += 1;
        let mut client = server.connect();
        client.send(request.as_bytes()).expect("sent");
        if !client.is_datagram() {
            client.half_close().expect("half closed");
            let answer = client.answer().expect("the stream's end");
            assert_eq!(answer.is_empty(), outcome != "ok", "{request}: {answer:?}");
        }
        let outcome = format!("outcome=\"{outcome}\"");
        let line = server.said(&[&outcome, &format!("id={id} "), detail].map(str::trim_end));
        match fault {
            Some(fault) => assert!(line.contains(&format!("fault={fault}")), "{line}"),
            None => assert!(!line.contains("fault="), "{line}"),
        }
        id += 1;
        server.assert_well();
    }
    server.stop().assert(0, &[]);
}

#[test]
fn of_connections() {
    failures("tcp");
}

#[test]
fn of_unix_connections() {
    failures("unix");
}

#[test]
fn of_packets() {
    failures("udp");
}

#[test]
fn of_unix_packets() {
    failures("unixgram");
}

#[test]
fn a_panic_is_told_in_one_line_and_not_to_the_client() {
    let server = Serve::new(guest("misbehave")).start();
    assert_eq!(server.ask("panic first\n"), "");
    let line = server.said(&["outcome=\"trap\"", "fault=handler", "commands.rs", "first"]);
    assert!(line.contains("transport=tcp client=127.0.0.1:"), "{line}");
    server.assert_well();
}

#[test]
fn an_error_text_is_cut_at_4096_bytes() {
    let server = Serve::new(guest("misbehave")).start();
    assert_eq!(server.ask(format!("error {}END\n", "ä".repeat(3000))), "");
    let line = server.said(&["handler-error"]);
    assert!(
        line.contains(&"ä".repeat(2048)) && !line.contains(&"ä".repeat(2049)),
        "{line}"
    );
    assert!(!line.contains("END"), "{line}");
}

#[test]
fn a_list_of_more_than_a_mebibyte_is_the_handlers_fault() {
    let server = Serve::new(guest("misbehave")).start();
    assert_eq!(server.ask("huge-send\n"), "");
    let _ = server.said(&["outcome=\"memory\"", "fault=handler", "max-call-bytes"]);
    server.assert_well();
}

#[test]
fn too_many_handles_are_the_handlers_fault() {
    let server = Serve::new(guest("misbehave")).start();
    assert_eq!(server.ask("many-handles\n"), "");
    let _ = server.said(&["outcome=\"memory\"", "fault=handler", "max-handles"]);
    server.assert_well();
}

#[test]
fn nothing_that_a_handler_does_ends_the_server() {
    let server = Serve::new(guest("misbehave"))
        .args(["--cpu-limit", "50ms"])
        .start();
    for _ in 0..20 {
        for request in [
            "panic x\n",
            "allocate 1000000000\n",
            "recurse 0\n",
            "exit 1\n",
        ] {
            assert_eq!(server.ask(request), "");
        }
    }
    server.assert_well();
    server.signal(Signal::HUP);
    server.assert_well();
    server.stop().assert(0, &[]);
}
