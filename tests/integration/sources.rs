//! Who is let in, how often, and how much a packet is answered with.

use std::fs::{self, Permissions};
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use tests::{Client, PATIENCE, SCHEDULES, Serve, Server, guest, refused, tool};

fn serve(transport: &str, arguments: &[&str]) -> Server {
    let serve = Serve::new(guest("misbehave")).args(["--proto", transport]);
    serve.args(arguments).start()
}

/// A client from the loopback address 127.0.0.`last`.
fn client(server: &Server, last: u8) -> Client {
    Client::connect_from(Ipv4Addr::new(127, 0, 0, last), &server.address())
}

/// Whether a request over tcp is answered. A reset is as good as an end.
fn is_served(mut client: Client) -> bool {
    // Who is refused may be so before it has sent anything.
    let sent = client.send(b"upper well\n");
    sent.is_ok() && client.answer().unwrap_or_default() == "WELL"
}

fn until(server: &Server, what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < end, "{what} did not happen: {server}");
        thread::yield_now();
    }
}

/// A client whose handler waits for it.
fn hold(mut client: Client) -> Client {
    client.send(b"greet\n").expect("sent");
    assert_eq!(client.exactly(5).expect("a greeting"), "hello");
    client
}

#[test]
fn a_source_has_no_more_running_than_it_may_and_others_are_served() {
    for (schedule, when_full) in [
        ("threaded", "refuse"),
        ("threaded", "wait"),
        ("forking", "wait"),
    ] {
        let limits = ["--max-concurrency-per-source", "2", "--schedule", schedule];
        let rest = ["--max-concurrency", "4", "--when-full", when_full];
        let server = serve("tcp", &[limits, rest].concat());
        let held: Vec<_> = (0..2).map(|_| hold(client(&server, 2))).collect();
        for _ in 0..20 {
            assert!(!is_served(client(&server, 2)), "{when_full}: {server}");
            assert!(is_served(client(&server, 3)), "{when_full}: {server}");
        }
        let _ = server.said(&["outcome=\"refused-source-full\"", "client=127.0.0.2"]);
        for mut client in held {
            assert_eq!(client.ask(b"bye").expect("an answer"), "bye");
        }
        until(&server, "the return of its places", || {
            is_served(client(&server, 2))
        });
    }
}

#[test]
fn a_source_is_refused_above_its_rate_and_others_are_served() {
    for schedule in SCHEDULES {
        let limits = ["--max-rate-per-source", "1", "--schedule", schedule];
        let server = serve("tcp", &limits);
        assert!(is_served(client(&server, 2)), "{server}");
        until(&server, "a refusal", || !is_served(client(&server, 2)));
        let _ = server.said(&["outcome=\"refused-source-rate\"", "client=127.0.0.2"]);
        assert!(is_served(client(&server, 3)), "{server}");
        until(&server, "its turn", || is_served(client(&server, 2)));
    }
}

/// If the refused counted for all, nothing would be left.
#[test]
fn a_flood_from_one_source_leaves_the_rate_of_all_to_the_others() {
    let limits = ["--max-rate", "20", "--max-rate-per-source", "1"];
    let server = serve("udp", &limits);
    let mut flooding = client(&server, 2);
    // Not so many that the kernel has no room for the others.
    for _ in 0..100 {
        flooding.send(b"silence").expect("sent");
    }
    for source in 3..13 {
        let answer = client(&server, source).ask(b"upper well");
        assert_eq!(answer.expect("an answer"), "WELL", "{server}");
    }
    let _ = server.said(&["outcome=\"refused-source-rate\"", "client=127.0.0.2"]);
}

#[test]
fn all_together_are_refused_above_their_rate_and_served_again() {
    for when_full in ["refuse", "wait"] {
        let server = serve("tcp", &["--max-rate", "1", "--when-full", when_full]);
        let mut sources = (2..250).cycle();
        let mut next = || client(&server, sources.next().expect("one more"));
        assert!(is_served(next()), "{server}");
        until(&server, "a refusal", || !is_served(next()));
        let _ = server.said(&["outcome=\"refused-rate\"", "client=127.0.0."]);
        until(&server, "a turn", || is_served(next()));
    }
}

#[test]
fn who_is_denied_is_not_served_and_uses_up_nothing() {
    let lists: [&[&str]; 3] = [
        &["--deny", "127.0.0.2"],
        &["--allow", "127.0.0.3", "--allow", "127.0.0.1/32"],
        &["--allow", "127.0.0.2/31", "--deny", "127.0.0.2/32"],
    ];
    for list in lists {
        let limits = ["--max-rate", "1", "--max-concurrency", "1"];
        let server = serve("tcp", &[list, &limits].concat());
        for _ in 0..20 {
            assert!(!is_served(client(&server, 2)), "{list:?}: {server}");
        }
        let _ = server.said(&["outcome=\"refused-denied\"", "client=127.0.0.2"]);
        assert!(is_served(client(&server, 3)), "{list:?}: {server}");
    }
}

#[test]
fn a_denied_packet_is_dropped() {
    for bind in ["127.0.0.1:0", ":0"] {
        let serve = Serve::new(guest("misbehave")).args(["--proto", "udp", "--deny", "127.0.0.2"]);
        let server = serve.bind(bind).start();
        let port = server.address().port();
        let address = tests::Address::Udp((Ipv4Addr::LOCALHOST, port).into());
        let connect = |last| Client::connect_from(Ipv4Addr::new(127, 0, 0, last), &address);
        connect(2).send(b"upper x").expect("sent");
        let _ = server.said(&["outcome=\"refused-denied\"", "client=127.0.0.2"]);
        let answer = connect(3).ask(b"upper well").expect("an answer");
        assert_eq!(answer, "WELL", "{bind}");
    }
}

fn unix(transport: &str, folder: &Path, arguments: &[&str]) -> Server {
    let serve = Serve::new(guest("misbehave")).on(transport, folder);
    serve.args(arguments).start()
}

#[test]
fn a_user_of_a_unix_socket_is_a_source() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("its own");
    let limits = ["--max-concurrency-per-source", "1", "--socket-mode", "666"];
    let server = unix("unix", folder.path(), &limits);
    let held = hold(server.connect());
    assert!(!is_served(server.connect()), "{server}");
    let _ = server.said(&["outcome=\"refused-source-full\"", "uid "]);
    if let Some(answer) = ask_as_nobody(server.address().path()) {
        assert_eq!(answer, "WELL", "{server}");
    }
    drop(held);
    until(&server, "the return of its place", || {
        is_served(server.connect())
    });
}

/// The answer to another user; none if this one may not become another.
fn ask_as_nobody(socket: &Path) -> Option<String> {
    let nc = tool("nc").filter(|_| rustix::process::geteuid().is_root())?;
    let mut command = Command::new(nc);
    command.args(["-N", "-U"]).arg(socket).uid(65_534);
    command.stdin(Stdio::piped());
    let answered = tests::run_with_input(&mut command, b"upper well\n");
    Some(String::from_utf8_lossy(&answered.stdout).into_owned())
}

#[test]
fn so_is_the_user_who_sent_a_packet() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = unix("unixgram", folder.path(), &["--max-rate-per-source", "1"]);
    server.assert_well();
    for _ in 0..100 {
        server.connect().send(b"silence").expect("sent");
    }
    let _ = server.said(&["outcome=\"refused-source-rate\"", "uid "]);
}

#[test]
fn an_echo_and_a_quote_of_the_day_are_no_amplification() {
    let server = serve("udp", &[]);
    let echo = format!("reply {}", "x".repeat(8000));
    assert_eq!(server.ask(&echo).len(), 8000);
    assert_eq!(server.ask("long 512").len(), 512);
    // 20 * (28 + 8) = 28 + 692.
    assert_eq!(server.ask("long 692").len(), 692);
    assert_eq!(server.ask("long 693"), "limit-reached");
}

#[test]
fn a_packet_that_is_answered_with_many_is_cut() {
    let server = serve("udp", &[]);
    let mut client = client(&server, 2);
    // 20 * (28 + 9) = 10 * (28 + 1) + 15 * (28 + 2): 25 packets.
    client.send(b"many 1000").expect("sent");
    for number in 0..25 {
        assert_eq!(client.answer().expect("a packet"), number.to_string());
    }
    let _ = server.said(&[
        "outcome=\"bytes-out\"",
        "max-amplification",
        "client=127.0.0.2",
    ]);
    assert_eq!(client.ask(b"upper next").expect("an answer"), "NEXT");
}

#[test]
fn the_cap_can_be_set_and_taken_away() {
    let server = serve("udp", &["--max-amplification", "1"]);
    assert_eq!(server.ask("reply xy"), "xy");
    assert_eq!(
        server.ask("long 20\n and so on for so long"),
        "x".repeat(20)
    );
    assert_eq!(
        server.ask("long 31\n and so on for so long"),
        "limit-reached"
    );
    let server = serve("udp", &["--max-amplification", "none"]);
    let mut client = client(&server, 2);
    client.send(b"many 100").expect("sent");
    for number in 0..100 {
        assert_eq!(client.answer().expect("a packet"), number.to_string());
    }
}

#[test]
fn a_packet_counts_as_long_as_it_was_although_it_is_cut_short() {
    let limits = ["--max-amplification", "1", "--max-packet-size", "9"];
    let server = serve("udp", &limits);
    let mut packet = b"long 1000".to_vec();
    packet.resize(1000, b'x');
    assert_eq!(server.ask(&packet).len(), 1000);
}

/// With the default, a client of udp could not.
#[test]
fn a_client_of_a_unix_socket_may_be_answered_with_more() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = unix("unixgram", folder.path(), &[]);
    assert_eq!(server.ask("long 10000").len(), 10_000);
}

#[test]
fn a_source_is_sent_no_more_than_its_rate_and_others_are_answered() {
    let limits = [
        "--max-reply-rate-per-source",
        "1000",
        "--max-amplification",
        "none",
    ];
    let server = serve("udp", &limits);
    let ask = |last| client(&server, last).ask(b"long 900").expect("an answer");
    assert_eq!(ask(2).len(), 900);
    until(&server, "a reply that was not sent", || {
        ask(2) == "limit-reached"
    });
    assert_eq!(ask(3).len(), 900);
    assert_eq!(server.ask("long 1000"), "limit-reached");
}

/// That no more are remembered is a test of `admission/rate`.
#[test]
fn a_flood_from_many_sources_shuts_nobody_out_and_is_told() {
    let limits = ["--max-rate-per-source", "1", "--max-sources", "100"];
    let server = serve(
        "udp",
        &[limits.as_slice(), &["--schedule", "sync"]].concat(),
    );
    let assert_answered = |honest: u8| {
        let answer = client(&server, honest).ask(b"upper well");
        assert_eq!(answer.expect("an answer"), "WELL", "{server}");
    };
    for batch in 0..200_u8 {
        // Not so many that the kernel has no room for the honest one.
        for number in 0..100 {
            let pretended = Ipv4Addr::new(127, 1, batch, number);
            let mut client = Client::connect_from(pretended, &server.address());
            client.send(b"silence").expect("sent");
        }
        if batch % 2 == 0 {
            assert_answered(2 + batch / 2);
        }
    }
    let line = server.said(&["100 sources were active", "max-sources"]);
    assert!(line.contains("not_limited="), "{line}");
    let ended = server.stop();
    ended.assert(0, &[]);
    let told = ended.stderr.matches("sources were active").count();
    assert_eq!(told, 1, "a flood of lines: {ended}");
}

#[test]
fn values_that_make_no_sense_end_with_2() {
    for (arguments, says) in [
        (
            &["--max-concurrency-per-source", "0"][..],
            "--max-concurrency-per-source is 0: choose from 1",
        ),
        (
            &["--max-rate", "0"],
            "--max-rate is 0: choose from 1 to 100000000",
        ),
        (&["--max-rate", "100000001"], "or none for no limit"),
        (&["--max-rate", "many"], "--max-rate"),
        (
            &["--max-rate-per-source", "0"],
            "--max-rate-per-source is 0",
        ),
        (
            &["--max-reply-rate-per-source", "0"],
            "--max-reply-rate-per-source is 0",
        ),
        (
            &["--max-reply-rate-per-source", "1GB"],
            "or none for no limit",
        ),
        (&["--max-amplification", "0"], "--max-amplification is 0"),
        (&["--max-amplification", "-3"], "write a number, or none"),
        (&["--max-amplification", "lots"], "write a number, or none"),
        (&["--max-sources", "0"], "--max-sources is 0: choose from 1"),
        (&["--max-sources", "16777217"], "from 1 to 16777216"),
        (&["--allow", "10.0.0.0/33"], "10.0.0.0/8 or 2001:db8::/32"),
        (&["--deny", "localhost"], "10.0.0.0/8 or 2001:db8::/32"),
    ] {
        refused(arguments).assert(2, &[says, "--help"]);
    }
}

#[test]
fn networks_make_no_sense_for_a_unix_socket() {
    for (flag, transport) in [("--allow", "unix"), ("--deny", "unixgram")] {
        let arguments = [flag, "10.0.0.0/8", "--proto", transport];
        let serve = Serve::new("no-such.wasm").args(arguments);
        let ended = serve.bind("@no-such-name").run();
        ended.assert(2, &[flag, "is for tcp and udp", "--help"]);
    }
}
