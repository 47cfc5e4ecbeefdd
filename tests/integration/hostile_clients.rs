//! Slow, rude and flooding clients: an honest one, from another source, is answered after each step of what they
//! do, and nothing is left of them.

use std::net::Ipv4Addr;

use tests::{Address, Client, Footprint, SCHEDULES, Serve, Server, TRANSPORTS, guest};

/// Where the honest client comes from.
const HONEST: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Where the only hostile one does.
const HOSTILE: Ipv4Addr = Ipv4Addr::new(127, 6, 6, 6);

/// Bytes of memory that a server may keep: what the places in the pool of a few hundred guests keep, and what an
/// allocator does not give back at once.
const SLACK: u64 = 64 << 20;

/// A server under attack, and the honest client beside it.
struct Besieged {
    server: Server,
    address: Address,
    before: Footprint,
}

impl Besieged {
    fn new(transport: &str, arguments: &[&str]) -> Self {
        let serve = Serve::new(guest("misbehave")).args(["--proto", transport]);
        let server = serve.args(arguments).start();
        let address = server.address();
        // What is made for the first request stays.
        server.assert_well();
        Self {
            before: server.footprint(),
            server,
            address,
        }
    }

    fn hostile(&self) -> Client {
        Client::connect_from(HOSTILE, &self.address)
    }

    /// An honest client from another source is answered.
    fn assert_honest(&self) {
        self.assert_answered(HONEST);
    }

    fn assert_answered(&self, source: Ipv4Addr) {
        let answer = Client::connect_from(source, &self.address).ask(b"upper honest\n");
        let answer = answer.unwrap_or_else(|error| panic!("{error}: {}", self.server));
        assert_eq!(answer, "HONEST");
    }

    /// All who have left are gone, too, as far as descriptors tell.
    fn assert_left(&self) {
        self.server
            .assert_settles("those who left", self.before, u64::MAX >> 1);
    }

    /// Nothing is left of the attack, and nothing of it was the server's own failure.
    fn assert_over(self, what: &str) {
        self.assert_honest();
        self.server.assert_settles(what, self.before, SLACK);
        let ended = self.server.stop();
        ended.assert(0, &[]);
        assert!(!ended.stderr.contains("fault=host"), "{ended}");
    }
}

/// Requests that never come to their end, a byte at a time: each holds a handler. Twice, since a place in the pool
/// keeps a little memory from its first guest on.
#[test]
fn slow_clients_by_the_thousand_hold_up_nobody() {
    let mut besieged = Besieged::new("tcp", &["--max-concurrency", "2100"]);
    be_slow(&besieged);
    besieged.assert_left();
    besieged.before = besieged.server.footprint();
    be_slow(&besieged);
    besieged.assert_over("slow clients");
}

fn be_slow(besieged: &Besieged) {
    const CLIENTS: usize = 2000;
    let mut slow: Vec<Client> = Vec::new();
    while slow.len() < CLIENTS {
        slow.extend((0..100).map(|_| besieged.hostile()));
        besieged.assert_honest();
    }
    for letter in b"upper" {
        for hundred in slow.chunks_mut(100) {
            for client in hundred {
                client.send(&[*letter]).expect("sent");
            }
            besieged.assert_honest();
        }
    }
    // Each still has its handler: whoever comes to an end after all is answered.
    for client in slow.iter_mut().step_by(100) {
        let answer = client.ask(b" late\n");
        assert_eq!(answer.expect("an answer"), "LATE");
    }
}

/// A source has no more places than it may, however many of its clients are slow: without that, the five that are left
/// for the others would soon be taken, too.
#[test]
fn slow_clients_of_one_source_leave_places_for_the_others() {
    for when_full in ["refuse", "wait"] {
        let places = ["--max-concurrency-per-source=20", "--max-concurrency=25"];
        let besieged = Besieged::new("tcp", &[&places[..], &["--when-full", when_full]].concat());
        let mut slow: Vec<Client> = (0..20).map(|_| besieged.hostile()).collect();
        let mut refused = Vec::new();
        for (letter, honest) in b"upper".iter().zip(2..) {
            for client in &mut slow {
                client.send(&[*letter]).expect("sent");
                refused.push(besieged.hostile());
                besieged.assert_answered(Ipv4Addr::new(127, 0, 0, honest));
            }
        }
        let parts = ["outcome=\"refused-source-full\"", "client=127.6.6.6"];
        let _ = besieged.server.said(&parts);
        // What it has, it keeps.
        for client in &mut slow {
            assert_eq!(client.ask(b" late\n").expect("an answer"), "LATE");
        }
        drop(refused);
        besieged.assert_over("slow clients of one source");
    }
}

#[test]
fn slow_clients_wait_for_their_turn_while_one_is_served_at_a_time() {
    let besieged = Besieged::new("tcp", &["--schedule", "sync", "--idle-limit", "100ms"]);
    for _ in 0..10 {
        let mut slow = besieged.hostile();
        slow.send(b"u").expect("sent");
        // It came later, and the slow one's time is soon up.
        besieged.assert_honest();
        assert_eq!(slow.answer().unwrap_or_default(), "");
    }
    besieged.assert_over("slow clients");
}

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
        let besieged = Besieged::new("tcp", &["--schedule", schedule, "--idle-limit", "5s"]);
        for (_, request, answer) in STAGES {
            for _ in 0..20 {
                reset_after(besieged.hostile(), request, answer);
            }
            besieged.assert_honest();
        }
        besieged.assert_over("resets");
    }
}

/// The server is busy, so that the kernel alone has met the clients who leave.
#[test]
fn a_reset_before_the_server_accepts_harms_nobody() {
    let besieged = Besieged::new("tcp", &["--schedule", "sync"]);
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

/// They end their side, or not even that, and never close: the server does.
#[test]
fn clients_that_never_close_keep_no_connection() {
    let besieged = Besieged::new("tcp", &["--idle-limit", "500ms"]);
    let mut open = Vec::new();
    for request in [
        &b""[..],
        b"upper x\n",
        b"upper half a l",
        b"wfile-write 4000000\n",
    ] {
        for half_closes in [true, false] {
            for _ in 0..20 {
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

#[test]
fn urgent_data_of_all_kinds_is_not_read_and_harms_nobody() {
    let besieged = Besieged::new("tcp", &[]);
    let mut urgent: Vec<Client> = (0..50).map(|_| besieged.hostile()).collect();
    for part in [&b"!"[..], b"upper ", b"!", b"!", b"x\n", b"!"] {
        for client in &mut urgent {
            // The server may have answered and closed by now.
            let _ = if part == b"!" {
                client.send_urgent(part)
            } else {
                client.send(part)
            };
        }
        besieged.assert_honest();
    }
    drop(urgent);
    besieged.assert_over("urgent data");
}

#[test]
fn a_flood_of_connections_from_one_address_leaves_room_for_another() {
    // One at a time, the kernel's queue of 1,024 holds those that nobody has accepted.
    for (schedule, hundreds) in [("sync", 9), ("threaded", 50)] {
        let besieged = Besieged::new("tcp", &["--schedule", schedule]);
        let mut served = Client::connect_from(HONEST, &besieged.address);
        served.send(b"echo\n").expect("sent");
        for _ in 0..hundreds {
            for _ in 0..100 {
                besieged.hostile().reset().expect("reset");
            }
            served.send(b"still served").expect("sent");
            assert_eq!(served.exactly(12).expect("an answer"), "still served");
            if schedule == "threaded" {
                besieged.assert_honest();
            }
        }
        drop(served);
        besieged.assert_over("a flood of connections");
    }
}

/// Packets of a flood between two honest ones, which must not find the kernel's buffer full.
const AT_A_TIME: usize = 50;

#[test]
fn a_flood_of_packets_from_many_sources_leaves_room_for_another() {
    for schedule in SCHEDULES {
        let besieged = Besieged::new("udp", &["--schedule", schedule, "--access-log", "none"]);
        let mut sources: Vec<Client> = (0..200)
            .map(|source| Client::connect_from(Ipv4Addr::new(127, 6, 0, source), &besieged.address))
            .collect();
        let requests = [
            &b"upper x"[..],
            b"",
            b"\xff\xfe\0",
            b"panic x",
            b"twice",
            b"silence",
        ];
        for request in requests {
            for some in sources.chunks_mut(AT_A_TIME) {
                for client in some {
                    client.send(request).expect("sent");
                }
                besieged.assert_honest();
            }
        }
        drop(sources);
        besieged.assert_over("a flood of packets");
    }
}

#[test]
fn packets_of_every_length_harm_nobody() {
    for schedule in SCHEDULES {
        let besieged = Besieged::new("udp", &["--schedule", schedule, "--access-log", "none"]);
        let mut client = besieged.hostile();
        // One of 64 KiB fills the kernel's buffer by a third.
        for length in [0, 1, 8191, 8192, 8193, 65_507] {
            for _ in 0..20 {
                client.send(&vec![b'x'; length]).expect("sent");
                besieged.assert_honest();
            }
        }
        besieged.assert_over("packets of every length");
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
        let folder = tempfile::tempdir().expect("a folder");
        let serve = Serve::new(guest("misbehave")).on(transport, folder.path());
        let server = serve.start();
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
}
