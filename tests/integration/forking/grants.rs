//! What a child may reach: what was granted, through the second wall as through the first.

use std::fs;

use tempfile::TempDir;
use tests::{Server, TRANSPORTS, answerer, greeter};

use super::{serve, server};

/// A folder with a file and a folder, of which `flag` grants the folder as /data.
fn with_directory(flag: &str) -> (TempDir, Server) {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("granted")).expect("made");
    fs::write(folder.path().join("granted/file"), "content").expect("written");
    fs::write(folder.path().join("secret"), "secret").expect("written");
    let granted = format!("{}/granted::/data", folder.path().display());
    let server = server(&[flag, &granted, "--confine", "strict"]);
    (folder, server)
}

#[track_caller]
fn assert_no(server: &Server, request: &str, why: &str) {
    let answer = server.ask(format!("{request}\n"));
    let refused = answer.starts_with("NO: ") && answer.contains(why);
    assert!(refused, "{request}: {answer}\n{server}");
}

#[test]
fn variables_are_there_and_no_others() {
    let serve = serve().args(["--env", "GIVEN=a=b", "--env", "TAKEN"]);
    let server = serve.env("TAKEN", "from here").env("SECRET", "42").start();
    assert_eq!(server.ask("variable GIVEN\n"), "a=b");
    assert_eq!(server.ask("variable TAKEN\n"), "from here");
    assert_no(&server, "variable SECRET", "not found");
}

#[test]
fn a_directory_to_read_can_be_read_and_nothing_else() {
    let (folder, server) = with_directory("--dir");
    assert_eq!(server.ask("read /data/file\n"), "content");
    assert_eq!(server.ask("list /data\n"), "file");
    for request in [
        "write /data/file x",
        "write /data/new x",
        "append /data/file x",
        "remove /data/file",
        "make-folder /data/new",
        "rename /data/file /data/other",
        "soft-link file /data/link",
        "hard-link /data/file /data/link",
        "read /data/../secret",
        "read /etc/hostname",
    ] {
        assert_no(&server, request, "");
    }
    let file = fs::read_to_string(folder.path().join("granted/file"));
    assert_eq!(file.expect("it is there"), "content");
}

#[test]
fn a_directory_to_write_can_be_written() {
    let (folder, server) = with_directory("--dir-rw");
    for (request, answer) in [
        ("write /data/new some", "written"),
        ("append /data/new  more", "appended"),
        ("read /data/new", "some more"),
        ("write /data/new x", "written"),
        ("rename /data/new /data/renamed", "renamed"),
        ("read /data/renamed", "x"),
        ("hard-link /data/renamed /data/hard", "linked"),
        ("soft-link renamed /data/soft", "linked"),
        ("read /data/soft", "x"),
        ("make-folder /data/folder", "made"),
        ("list /data", "file folder hard renamed soft"),
        ("remove /data/hard", "removed"),
        ("list /data", "file folder renamed soft"),
    ] {
        assert_eq!(server.ask(format!("{request}\n")), answer, "{server}");
    }
    assert_no(&server, "write /data/../secret x", "");
    assert_no(&server, "read /secret", "");
    let renamed = fs::read_to_string(folder.path().join("granted/renamed"));
    assert_eq!(renamed.expect("it is there"), "x");
}

#[test]
fn nothing_that_the_standard_library_does_with_files_is_taken_for_an_attack() {
    let (_folder, server) = with_directory("--dir-rw");
    let told = server.ask("every-call /data/own\n");
    assert_eq!(told, "Ok(1s) 6 5 false 2 false", "{server}");
}

#[test]
fn a_large_file_is_written_and_read_within_the_limits() {
    let (folder, server) = with_directory("--dir-rw");
    // As much as a request's first line holds.
    let text = "x".repeat(200_000);
    let written = server.ask(format!("write /data/large {text}\n"));
    assert_eq!(written, "written", "{server}");
    assert_eq!(server.ask("read /data/large\n"), text);
    let large = fs::metadata(folder.path().join("granted/large"));
    assert_eq!(large.expect("it is there").len(), 200_000);
}

#[test]
fn tcp_goes_where_it_is_granted_over_every_transport_and_nowhere_else() {
    let (target, other) = (greeter(), greeter());
    for transport in TRANSPORTS {
        let folder = tempfile::tempdir().expect("a folder");
        let serve = serve().on(transport, folder.path());
        let pattern = format!("tcp://{target}");
        let server = serve.args(["--connect", &pattern]).start();
        assert_eq!(server.ask(format!("connect {target}\n")), "hello");
        assert_no(&server, &format!("connect {other}"), "Permission denied");
        assert_no(&server, "listen 127.0.0.1:0", "Permission denied");
        assert_no(&server, &format!("ask {other}"), "Permission denied");
    }
    let server = server(&["--connect", "tcp://127.0.0.1:*"]);
    assert_eq!(server.ask(format!("connect {other}\n")), "hello");
}

#[test]
fn udp_goes_where_it_is_granted_and_nowhere_else() {
    let (target, other) = (answerer(), answerer());
    let server = server(&["--connect", &format!("udp://{target}")]);
    assert_eq!(server.ask(format!("ask {target}\n")), "answer");
    assert_no(&server, &format!("ask {other}"), "Permission denied");
    assert_no(&server, &format!("connect {other}"), "Permission denied");
}

#[test]
fn without_a_grant_nothing_can_be_reached_and_nobody_is_killed() {
    let there = greeter();
    for transport in TRANSPORTS {
        let folder = tempfile::tempdir().expect("a folder");
        let server = serve().on(transport, folder.path()).start();
        let files = server.ask("files\n");
        assert_eq!(files.matches("No such file").count(), 7, "{files}");
        let sockets = server.ask(format!("sockets {there}\n"));
        assert_eq!(sockets.matches("Permission denied").count(), 5, "{sockets}");
        let told = server.ask("environment\n");
        assert!(told.starts_with("variables [] arguments [] "), "{told}");
        server.stop().assert(0, &["3 requests: 3 ok"]);
    }
}

/// A child has neither files nor sockets to look a name up by: its server does that for it, by the same rules.
#[test]
fn names_are_looked_up_by_the_server() {
    let server = server(&["--lookup", "localhost", "--lookup", "*.example.invalid"]);
    assert!(server.ask("look-up localhost\n").contains("127.0.0.1"));
    assert!(!server.ask("look-up www.example.invalid\n").contains("127."));
    assert!(!server.ask("look-up example.org\n").contains('.'));
    let _ = server.said(&["denied: look up example.org"]);
    server.assert_well();
}
