//! Clients that reset, never close, or send what is no request.

use tests::{Client, SCHEDULES, Serve, TRANSPORTS, guest};

use super::{Besieged, HONEST, SLACK, places};

/// Leaves by a reset when as much of `answer` has come.
fn reset_after(mut client: Client, request: &[u8], answer: usize) {
    client.send(request).expect("sent");
    if answer > 0 {
        let _ = client.exactly(answer).expect("the answer's beginning");
    }
    client.reset().expect("reset");
}

/// What a client asks before it leaves, and how much of the answer it waits for.
const STAGES: [(&str, &[u8], usize); 7] = [
    ("at once", b"", 0),
    ("in the middle of the request", b"upper half a l", 0),
    ("after the request", b"upper x\n", 0),
    ("while the handler computes", b"compute 5\n", 0),
    ("while the handler sleeps", b"sleep 20\n", 0),
    ("while the handler waits for its client", b"greet\n", 5),
    ("during the answer", b"wfile-write 4000000\n", 100_000),
];

#[test]
fn a_reset_at_any_stage_harms_nobody() {
    for schedule in SCHEDULES {
        let besieged = Besieged::new("tcp", schedule, &["--idle-limit", "5s"]);
        for (_, request, answer) in STAGES {
            for _ in 0..20 {
                reset_after(besieged.hostile(), request, answer);
            }
            besieged.assert_honest();
        }
        besieged.assert_over("resets");
    }
}

/// The server is busy with the only request that it may serve, so that the kernel alone has met the clients who leave.
#[test]
fn a_reset_before_the_server_accepts_harms_nobody() {
    for schedule in SCHEDULES {
        let besieged = Besieged::new("tcp", schedule, &places(schedule, "1"));
        let mut busy = Client::connect_from(HONEST, &besieged.address);
        busy.send(b"greet\n").expect("sent");
        assert_eq!(busy.exactly(5).expect("a greeting"), "hello");
        for (_, request, _) in STAGES {
            for _ in 0..20 {
                reset_after(besieged.hostile(), request, 0);
            }
        }
        assert_eq!(busy.ask(b"bye").expect("an answer"), "bye");
        besieged.assert_over("resets in the queue");
    }
}

/// They end their side, or not even that, and never close: the server does.
#[test]
fn clients_that_never_close_keep_no_connection() {
    // One at a time, all of the others wait for the limit that ends the first.
    for (schedule, limit, clients) in [
        ("sync", "100ms", 1),
        ("threaded", "500ms", 20),
        ("forking", "500ms", 5),
    ] {
        let besieged = Besieged::new("tcp", schedule, &["--idle-limit", limit]);
        let mut open = Vec::new();
        for request in [
            &b""[..],
            b"upper x\n",
            b"upper half a l",
            b"wfile-write 4000000\n",
        ] {
            for half_closes in [true, false] {
                for _ in 0..clients {
                    let mut client = besieged.hostile();
                    client.send(request).expect("sent");
                    if half_closes {
                        client.half_close().expect("half closed");
                    }
                    open.push(client);
                }
                besieged.assert_honest();
            }
        }
        // All of them are still there.
        let server = &besieged.server;
        server.assert_settles("clients that never close", besieged.before, SLACK);
        drop(open);
        besieged.assert_over("clients that never close");
    }
}

/// What is sent as urgent data: a byte that is nobody's.
const URGENT: &[u8] = b"!";

/// Sends `part`, as urgent data if it is such. The server may have answered and closed by now.
fn try_to_send(client: &mut Client, part: &[u8]) {
    drop(if part == URGENT {
        client.send_urgent(part)
    } else {
        client.send(part)
    });
}

#[test]
fn urgent_data_of_all_kinds_is_not_read_and_harms_nobody() {
    for (schedule, clients) in [("sync", 50), ("threaded", 50), ("forking", 20)] {
        let besieged = Besieged::new("tcp", schedule, &[]);
        let mut urgent: Vec<Client> = (0..clients).map(|_| besieged.hostile()).collect();
        for part in [b"upper ", URGENT, b"x\n"] {
            for client in &mut urgent {
                try_to_send(client, part);
            }
        }
        for client in &mut urgent {
            assert_eq!(client.answer().expect("an answer"), "X");
        }
        let mut urgent: Vec<Client> = (0..clients).map(|_| besieged.hostile()).collect();
        for part in [URGENT, b"upper ", URGENT, URGENT, b"x\n", URGENT] {
            for client in &mut urgent {
                try_to_send(client, part);
            }
            if schedule != "sync" {
                besieged.assert_honest();
            }
        }
        besieged.assert_honest();
        drop(urgent);
        besieged.assert_over("urgent data");
    }
}

/// Bytes that look random, and are the same every time.
fn garbage(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state.to_be_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}

#[test]
fn garbage_on_every_transport_harms_nobody() {
    for transport in TRANSPORTS {
        for schedule in SCHEDULES {
            send_garbage(transport, schedule);
        }
    }
}

fn send_garbage(transport: &str, schedule: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let serve = Serve::new(guest("misbehave")).on(transport, folder.path());
    let server = serve.args(["--schedule", schedule]).start();
    server.assert_well();
    let before = server.footprint();
    for seed in 0..100 {
        let mut client = server.connect();
        client.send(&garbage(seed, 1 << (seed % 13))).expect("sent");
        drop(client);
        server.assert_well();
    }
    server.assert_settles("garbage", before, SLACK);
    let ended = server.stop();
    ended.assert(0, &["no such command"]);
    let odd = |letter: char| letter.is_control() && letter != '\n';
    assert!(!ended.stderr.contains(odd), "{ended}");
}
