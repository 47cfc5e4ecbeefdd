//! Clients that take their time: others are served beside them, or as soon as a limit has ended them.

use std::net::Ipv4Addr;

use tests::{Client, SCHEDULES};

use super::Besieged;

/// Bytes of memory that a server may hold more of after its second two thousand guests: what it had for the first ones,
/// up to 180 MiB, its allocator gives back when it likes.
const SLACK_OF_THOUSANDS: u64 = 64 << 20;

/// Requests that never come to their end, a byte at a time: each holds a handler. Twice, since a place in the pool
/// keeps a little memory from its first guest on.
#[test]
fn slow_clients_by_the_thousand_hold_up_nobody() {
    for (schedule, clients) in [("threaded", 2000), ("forking", 100)] {
        let places = (clients + 100).to_string();
        let mut besieged = Besieged::new("tcp", schedule, &["--max-concurrency", &places]);
        be_slow(&besieged, clients);
        besieged.assert_left();
        besieged.before = besieged.server.footprint();
        be_slow(&besieged, clients);
        besieged.assert_over_but_for(SLACK_OF_THOUSANDS, "slow clients");
    }
}

fn be_slow(besieged: &Besieged, clients: usize) {
    let some = clients / 20;
    let mut slow: Vec<Client> = Vec::new();
    while slow.len() < clients {
        slow.extend((0..some).map(|_| besieged.hostile()));
        besieged.assert_honest();
    }
    for letter in b"upper" {
        for some in slow.chunks_mut(some) {
            for client in some {
                client.send(&[*letter]).expect("sent");
            }
            besieged.assert_honest();
        }
    }
    // Each still has its handler: whoever comes to an end after all is answered.
    for client in slow.iter_mut().step_by(some) {
        let answer = client.ask(b" late\n");
        assert_eq!(answer.expect("an answer"), "LATE");
    }
}

/// A source has no more places than it may, however many of its clients are slow: without that, the five that are left
/// for the others would soon be taken, too.
#[test]
fn slow_clients_of_one_source_leave_places_for_the_others() {
    for (schedule, when_full) in [
        ("threaded", "refuse"),
        ("threaded", "wait"),
        ("forking", "wait"),
    ] {
        let places = ["--max-concurrency-per-source=20", "--max-concurrency=25"];
        let flags = [&places[..], &["--when-full", when_full]].concat();
        let besieged = Besieged::new("tcp", schedule, &flags);
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

/// A client that takes a place and does not get on: what it sends at first, and later again and again; the limit that it
/// meets, and how that is called in the log.
struct Loiterer {
    first: &'static [u8],
    later: &'static [u8],
    limit: &'static str,
    outcome: &'static str,
}

const LOITERERS: [Loiterer; 3] = [
    Loiterer {
        first: b"",
        later: b"",
        limit: "--first-byte-timeout=100ms",
        outcome: "first-byte",
    },
    Loiterer {
        first: b"u",
        later: b"",
        limit: "--idle-limit=100ms",
        outcome: "idle",
    },
    Loiterer {
        first: b"u",
        later: b"p",
        limit: "--wall-limit=200ms",
        outcome: "wall",
    },
];

/// They have all places, and there are always more of them who wait for one: what serves an honest client all the same is
/// that a limit frees the places.
#[test]
fn slow_clients_that_take_all_places_are_ended_by_a_limit() {
    for schedule in SCHEDULES {
        for loiterer in LOITERERS {
            take_all_places(schedule, &loiterer);
        }
    }
}

fn take_all_places(schedule: &str, loiterer: &Loiterer) {
    let places = if schedule == "sync" { 1 } else { 4 };
    let number = places.to_string();
    let full = super::places(schedule, &number);
    let flags = [&full[..], &[loiterer.limit, "--access-log", "all"]].concat();
    let besieged = Besieged::new("tcp", schedule, &flags);
    let mut slow = Vec::new();
    for _ in 0..3 {
        slow.extend((0..2 * places).map(|_| {
            let mut client = besieged.hostile();
            client.send(loiterer.first).expect("sent");
            client
        }));
        for client in &mut slow {
            // The server may have closed by now.
            drop(client.send(loiterer.later));
        }
        besieged.assert_honest();
    }
    for client in &mut slow {
        assert_eq!(client.answer().unwrap_or_default(), "");
    }
    let ended = besieged.assert_over("slow clients in all places");
    let outcome = format!("outcome=\"{}\"", loiterer.outcome);
    let met = ended.stderr.matches(&outcome).count();
    assert_eq!(met, slow.len(), "{ended}");
}
