//! What is asked: over every transport, on how many connections, and with which bytes.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;

use tests::{Serve, TRANSPORTS, example};

use super::other::{Other, echo};
use super::{PAYLOAD, assert_failed, bench, measured, printed};

#[test]
fn every_transport_is_measured_at_the_address_that_is_printed() {
    for transport in TRANSPORTS {
        let folder = tempfile::tempdir().expect("a folder");
        let server = Serve::new(example("upper"))
            .on(transport, folder.path())
            .start();
        let address = printed(&server);
        let flags = [
            "-n",
            "200",
            "-c",
            "4",
            "--threads",
            "2",
            "--expect",
            "upper-stripped",
        ];
        let found = measured(&address, &flags, 0);
        assert_eq!(found["requests"], 200, "{found}");
        assert_eq!(found["bytes_sent"], 200 * PAYLOAD, "{found}");
        assert_eq!(found["bytes_received"], 200 * (PAYLOAD - 1), "{found}");
        let wrong = measured(&address, &["-n", "20", "--expect", "echo"], 3);
        assert_failed(&wrong, "wrong", 20);
        server.stop().assert(0, &[]);
    }
}

#[test]
fn a_server_of_every_interface_is_measured_here() {
    let server = Serve::new(example("upper")).bind("0.0.0.0:0").start();
    let found = measured(
        &printed(&server),
        &["-n", "5", "--expect", "upper-stripped"],
        0,
    );
    assert_eq!(found["requests"], 5, "{found}");
}

#[test]
fn many_requests_share_a_connection() {
    for transport in ["tcp", "unix"] {
        let folder = tempfile::tempdir().expect("a folder");
        let serve = Serve::new(example("upper-loop")).on(transport, folder.path());
        let server = serve.start();
        for each in ["50", "unlimited"] {
            let flags = ["-n", "200", "-c", "2", "--expect", "upper"];
            let flags = [&flags[..], &["--requests-per-connection", each]].concat();
            let found = measured(&printed(&server), &flags, 0);
            assert_eq!(found["requests"], 200, "{found}");
        }
        server.stop().assert(0, &[]);
    }
}

#[test]
fn a_connection_takes_as_many_requests_as_it_is_told_to() {
    let other = Other::new(echo);
    let flags = ["-n", "100", "-c", "1", "--expect", "echo"];
    for (each, connections) in [("1", 100), ("10", 10), ("unlimited", 1)] {
        let before = other.connections();
        let each = ["--requests-per-connection", each];
        let found = measured(&other.address, &[&flags[..], &each].concat(), 0);
        assert_eq!(found["requests"], 100, "{found}");
        assert_eq!(other.connections() - before, connections, "{each:?}");
    }
}

#[test]
fn any_reply_is_a_line_where_a_connection_takes_many() {
    let other = Other::new(echo);
    let flags = ["-n", "50", "--requests-per-connection", "unlimited"];
    assert_eq!(measured(&other.address, &flags, 0)["requests"], 50);
}

#[test]
fn large_payloads_are_sent_and_received_side_by_side() {
    let other = Other::new(echo);
    let flags = [
        "-n",
        "4",
        "-c",
        "2",
        "--size",
        "8MiB",
        "--expect",
        "echo",
        "--timeout",
        "25s",
    ];
    for more in [
        &[][..],
        &["--half-close"],
        &["--requests-per-connection", "2"],
    ] {
        let found = measured(&other.address, &[&flags[..], more].concat(), 0);
        assert_eq!(found["bytes_received"], 4 * 8 * 1024 * 1024, "{found}");
        assert_eq!(found["requests"], 4, "{found}");
    }
}

#[test]
fn a_server_that_reads_to_the_end_needs_one() {
    let other = Other::new(|stream| {
        let mut request = Vec::new();
        stream.read_to_end(&mut request)?;
        stream.write_all(&request)?;
        stream.shutdown(Shutdown::Write)
    });
    let flags = ["-n", "4", "--expect", "echo", "--timeout", "200ms"];
    assert_failed(&measured(&other.address, &flags, 3), "timeout", 4);
    let found = measured(&other.address, &[&flags[..], &["--half-close"]].concat(), 0);
    assert_eq!(found["requests"], 4, "{found}");
}

#[test]
fn payload_and_reply_can_be_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("written");
        path.display().to_string()
    };
    let (payload, reply) = (file("payload", b"  hello\n"), file("reply", b"HELLO"));
    let server = Serve::new(example("upper")).start();
    let flags = ["-n", "4", "--payload", &payload, "--expect", &reply];
    assert_eq!(measured(&printed(&server), &flags, 0)["requests"], 4);
    let empty = file("empty", b"");
    for (flags, says) in [
        (
            ["--payload", "/no/such/file"],
            "cannot read the payload /no/such/file",
        ),
        (
            ["--expect", "/no/such/file"],
            "cannot read the expected reply /no/such/file",
        ),
        (["--expect", &empty], "leave out --requests-per-connection"),
    ] {
        let flags = [&flags[..], &["--requests-per-connection", "2"]].concat();
        let run = bench(&printed(&server), &flags);
        assert_eq!(run.code, Some(1), "{}", run.stderr);
        assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
        assert!(run.stderr.contains(says), "{says}: {}", run.stderr);
    }
}
