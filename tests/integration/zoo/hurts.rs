//! Every way of the guest `hostile`, on every transport that it can be done on, with every schedule.

use std::path::Path;

use tests::{Client, DATAGRAMS, SCHEDULES, STREAMS, Serve, Server, guest};

use super::SLACK;
use super::expected::{HONEST, Limit, expected};
use super::ways::Hurt;

impl Limit {
    const ALL: [Self; 4] = [Self::Cpu, Self::Wall, Self::Idle, Self::None];

    /// It, and no other of those that `transport` has.
    pub(super) fn flags(self, transport: &str) -> Vec<String> {
        let flag = |limit, name, short| {
            let value = if self == limit { short } else { "none" };
            format!("--{name}-limit={value}")
        };
        let mut flags = vec![
            flag(Self::Cpu, "cpu", "50ms"),
            flag(Self::Wall, "wall", "200ms"),
        ];
        if STREAMS.contains(&transport) {
            flags.push(flag(Self::Idle, "idle", "200ms"));
        }
        flags
    }
}

fn serve(transport: &str, schedule: &str, limit: Limit, folder: &Path) -> Serve {
    // Shown if the test fails.
    println!("{transport}, {schedule}, {limit:?}");
    let serve = Serve::new(guest("hostile")).on(transport, folder);
    let serve = serve.args(limit.flags(transport));
    let serve = serve.args(["--schedule", schedule, "--access-log", "all"]);
    if DATAGRAMS.contains(&transport) {
        // A client of unixgram that reads nothing has room for ten packets, and udp drops what it has no room for.
        serve.args(["--max-datagrams-out", "5"])
    } else {
        serve
    }
}

/// The ways that can be done on a transport.
fn ways_on(transport: &str) -> impl Iterator<Item = Hurt> {
    let ways = Hurt::ALL.iter().copied();
    ways.filter(move |way| expected(*way).transports.contains(&transport))
}

/// The names of those that end by themselves, at once.
pub(crate) fn quick_ways(transport: &str) -> Vec<&'static str> {
    let quick = ways_on(transport).filter(|way| expected(*way).limit == Limit::None);
    quick.map(Hurt::name).collect()
}

/// Asks for it, and waits until it has begun.
fn begin(server: &Server, way: Hurt) -> Client {
    let mut client = server.connect();
    let mut request = format!("{}\n", way.name()).into_bytes();
    if way == Hurt::NeverRead {
        // Something that it does not read.
        request.resize(100_000, b'x');
    }
    client.send(&request).expect("sent");
    if way != Hurt::TrapInSetup {
        let begun = if client.is_datagram() {
            client.answer()
        } else {
            client.exactly(5)
        };
        let begun = begun.unwrap_or_else(|error| panic!("{way:?}: {error}: {server}"));
        assert_eq!(begun, "begun", "{way:?}");
    }
    client
}

/// A server that is hurt, and honest requests beside that.
struct Zoo {
    server: Server,
    schedule: &'static str,
    /// Requests so far.
    taken: u64,
}

impl Zoo {
    /// Is hurt in one way, while an honest client asks, and sees how that ended.
    fn meet(&mut self, way: Hurt) {
        let server = &self.server;
        let hostile = begin(server, way);
        server.assert_well();
        let (id, honest) = (self.taken + 1, self.taken + 2);
        self.taken = honest;
        let ends = [server.end_of(id), server.end_of(honest)];
        expected(way).assert(&ends[0]);
        HONEST.assert(&ends[1]);
        if self.schedule == "sync" {
            let log = server.stderr();
            let places = ends.map(|line| log.find(&line));
            assert!(places.is_sorted(), "the honest one overtook: {log}");
        }
        drop(hostile);
    }
}

/// All ways, on each of `transports` with every schedule.
fn meet_all(transports: [&'static str; 2]) {
    for transport in transports {
        for schedule in SCHEDULES {
            for limit in Limit::ALL {
                meet_twice(transport, schedule, limit);
            }
        }
    }
}

/// All ways that end by `limit`, twice: what the first round left is what the second may have.
fn meet_twice(transport: &str, schedule: &'static str, limit: Limit) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut zoo = Zoo {
        server: serve(transport, schedule, limit, folder.path()).start(),
        schedule,
        taken: 0,
    };
    let ways = ways_on(transport).filter(|way| expected(*way).limit == limit);
    let ways: Vec<Hurt> = ways.collect();
    for way in &ways {
        zoo.meet(*way);
    }
    let before = zoo.server.footprint();
    for way in &ways {
        zoo.meet(*way);
        zoo.server.assert_settles(way.name(), before, SLACK);
    }
    let ended = zoo.server.stop();
    ended.assert(0, &[]);
    let printed = ended.stdout + &ended.stderr;
    let odd = printed
        .chars()
        .find(|letter| letter.is_control() && *letter != '\n');
    assert_eq!(odd, None, "what commands a terminal was printed");
}

#[test]
fn every_way_on_connections_ends_as_expected_and_leaves_nothing() {
    meet_all(STREAMS);
}

#[test]
fn every_way_on_packets_ends_as_expected_and_leaves_nothing() {
    meet_all(DATAGRAMS);
}

/// On each of `transports`, with every schedule under which requests do not wait for each other.
fn answered_beside_all_on(transports: [&str; 2]) {
    for transport in transports {
        for schedule in SCHEDULES.iter().filter(|schedule| **schedule != "sync") {
            answered_beside_all(transport, schedule);
        }
    }
}

/// No limit ends the hostile ones, which become ever more: who is answered is answered beside them.
fn answered_beside_all(transport: &str, schedule: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let serve = serve(transport, schedule, Limit::None, folder.path());
    let server = serve.args(["--drain-timeout", "1ms"]).start();
    let mut hostile = Vec::new();
    for way in ways_on(transport).filter(|way| expected(*way).limit != Limit::None) {
        hostile.push(begin(&server, way));
        for _ in 0..3 {
            server.assert_well();
        }
        let log = server.stderr();
        let failed = log.lines().find(|line| line.contains("fault="));
        assert_eq!(failed, None, "{way:?}, or one before it, has ended");
    }
    assert!(hostile.len() > 5, "hardly anything was tried");
    // They are cut short with the server.
    let ended = server.stop();
    ended.assert(3, &["outcome=\"aborted\""]);
}

#[test]
fn honest_connections_are_answered_while_all_others_hurt() {
    answered_beside_all_on(STREAMS);
}

#[test]
fn honest_packets_are_answered_while_all_others_hurt() {
    answered_beside_all_on(DATAGRAMS);
}
