//! More requests than may run at once.

use std::thread;
use std::time::Instant;

use tests::{Client, PATIENCE, Serve, Server, guest};

fn serve(when_full: &str) -> Server {
    let arguments = [
        "--max-concurrency",
        "2",
        "--when-full",
        when_full,
        "--access-log",
        "all",
    ];
    Serve::new(guest("misbehave")).args(arguments).start()
}

/// Two clients whose handlers wait for them: no room is left.
fn fill(server: &Server) -> [Client; 2] {
    std::array::from_fn(|_| {
        let mut client = server.connect();
        client.send(b"greet\n").expect("sent");
        assert_eq!(client.exactly(5).expect("a greeting"), "hello");
        client
    })
}

#[test]
fn refuse_closes_at_once_without_a_guest_and_counts() {
    let server = serve("refuse");
    let full = fill(&server);
    for _ in 0..20 {
        // A reset is as good as an end: nothing was sent.
        assert_eq!(server.connect().answer().unwrap_or_default(), "");
    }
    let line = server.said(&["outcome=\"refused-full\""]);
    assert!(
        line.contains("fault=operator") && line.contains("refused=1"),
        "{line}"
    );
    for mut client in full {
        assert_eq!(client.ask(b"bye").expect("an answer"), "bye");
    }
    // The first to be served afterwards may come before both have given their place back.
    let _ = server.said(&["outcome=\"ok\""]);
    let ended = server.stop();
    ended.assert(0, &[]);
    let refusals = ended
        .stderr
        .lines()
        .filter(|line| line.contains("refused"))
        .count();
    assert!((1..=3).contains(&refusals), "a flood of lines: {ended}");
}

#[test]
fn refuse_is_the_default() {
    let server = Serve::new(guest("misbehave"))
        .args(["--max-concurrency", "2"])
        .start();
    let _full = fill(&server);
    assert_eq!(server.connect().answer().unwrap_or_default(), "");
    let _ = server.said(&["outcome=\"refused-full\""]);
}

/// The refusals that the lines so far tell of.
fn told(server: &Server) -> u32 {
    let log = server.stderr();
    let numbers = log.split("refused=").skip(1).map(|rest| {
        let end = rest.find(|letter: char| !letter.is_ascii_digit());
        rest[..end.unwrap_or(rest.len())].parse::<u32>()
    });
    numbers.map(|number| number.expect("a number")).sum()
}

#[test]
fn every_refusal_is_told_in_the_end_although_no_request_follows() {
    let server = serve("refuse");
    let _full = fill(&server);
    for _ in 0..20 {
        assert_eq!(server.connect().answer().unwrap_or_default(), "");
    }
    let until = Instant::now() + PATIENCE;
    while told(&server) < 20 {
        assert!(Instant::now() < until, "some were not told: {server}");
        thread::yield_now();
    }
    assert_eq!(told(&server), 20, "{server}");
}

#[test]
fn everybody_who_waits_is_served() {
    for room in ["1", "2"] {
        let arguments = ["--max-concurrency", room, "--when-full", "wait"];
        let server = Serve::new(guest("misbehave")).args(arguments).start();
        let mut clients: Vec<Client> = (0..60).map(|_| server.connect()).collect();
        for (number, client) in clients.iter_mut().enumerate() {
            // Every third has to wait for the clock, every third for its client.
            let request = ["upper x\n", "sleep 3\n", "length\n"][number % 3];
            client.send(request.as_bytes()).expect("sent");
        }
        for client in &clients {
            client.half_close().expect("half closed");
        }
        for (number, client) in clients.iter_mut().enumerate() {
            let answer = client.answer().expect("an answer");
            assert_eq!(answer, ["X", "slept", "0"][number % 3], "{server}");
        }
    }
}

#[test]
fn wait_leaves_them_in_the_kernels_queue() {
    let server = serve("wait");
    let full = fill(&server);
    let mut waiting: Vec<Client> = (0..10).map(|_| server.connect()).collect();
    for client in &mut waiting {
        client.send(b"upper patience\n").expect("sent");
    }
    for mut client in full {
        assert_eq!(client.ask(b"bye").expect("an answer"), "bye");
    }
    for mut client in waiting {
        assert_eq!(client.answer().expect("an answer"), "PATIENCE");
    }
    assert!(!server.stop().stderr.contains("refused"));
}

#[test]
fn packets_above_the_number_are_dropped_or_wait() {
    for (when_full, answers) in [("refuse", "first"), ("wait", "second")] {
        let arguments = [
            "--proto",
            "udp",
            "--max-concurrency",
            "1",
            "--when-full",
            when_full,
        ];
        let server = Serve::new(guest("misbehave")).args(arguments).start();
        let mut client = server.connect();
        client.send(b"sleep 300").expect("sent");
        client.send(b"reply second").expect("sent");
        assert_eq!(client.answer().expect("an answer"), "slept");
        if answers == "second" {
            assert_eq!(client.answer().expect("an answer"), "second");
        } else {
            let _ = server.said(&["outcome=\"refused-full\""]);
        }
    }
}

#[test]
fn a_place_is_given_back_however_a_request_ends() {
    let arguments = [
        "--max-concurrency",
        "1",
        "--when-full",
        "wait",
        "--cpu-limit",
        "50ms",
    ];
    let server = Serve::new(guest("misbehave")).args(arguments).start();
    for request in [
        "panic x\n",
        "spin\n",
        "exit 1\n",
        "error x\n",
        "allocate 1000000000\n",
        "",
    ] {
        let mut client = server.connect();
        client.send(request.as_bytes()).expect("sent");
        client.half_close().expect("half closed");
        assert_eq!(client.answer().expect("the stream's end"), "");
        server.assert_well();
    }
}

#[test]
fn a_hundred_connections_are_held_at_once() {
    let server = Serve::new(guest("misbehave")).start();
    let mut clients: Vec<Client> = (0..100).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send(b"greet\n").expect("sent");
        assert_eq!(client.exactly(5).expect("a greeting"), "hello");
    }
    for mut client in clients {
        assert_eq!(client.ask(b"bye").expect("an answer"), "bye");
    }
}
