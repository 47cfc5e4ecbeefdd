//! A soak: a great many requests, one in ten hostile, and then what the server still holds of the system.
//!
//! `tests/soak.sh` runs it, with the numbers in `SOAK_DATAGRAMS` and `SOAK_CONNECTIONS`; without them it is
//! short. Its tasks nobody can count from outside: one that is left would keep memory, or a descriptor.

use std::net::Ipv4Addr;
use std::thread;
use std::time::Instant;

use tests::{Address, Client, Footprint, Serve, guest};

use super::zoo::quick_ways;

/// Clients at once.
const CLIENTS: u8 = 4;

/// One request in so many is hostile.
const HOSTILE: u64 = 10;

/// Bytes of memory that a server may hold more of after the soak: what its allocator happens to keep.
const SLACK: u64 = 16 << 20;

#[test]
#[ignore = "tests/soak.sh runs it"]
fn a_soak_leaves_nothing_behind() {
    println!("\n  proto    requests  seconds  descriptors      threads        memory in MiB");
    let soaked = [
        soak("udp", number("SOAK_DATAGRAMS", 10_000)),
        soak("tcp", number("SOAK_CONNECTIONS", 1000)),
    ];
    for [before, after] in soaked {
        assert_eq!(
            after.descriptors, before.descriptors,
            "descriptors are left"
        );
        assert_eq!(after.threads, before.threads, "threads are left");
        let grown = after.memory.saturating_sub(before.memory);
        assert!(grown <= SLACK, "{grown} bytes of memory are left");
    }
}

fn number(variable: &str, otherwise: u64) -> u64 {
    let text = std::env::var(variable).unwrap_or_default();
    if text.is_empty() {
        return otherwise;
    }
    text.parse()
        .unwrap_or_else(|_| panic!("{variable}={text}: give a number"))
}

/// One server and its requests: what it held after a twentieth of them, and after all.
fn soak(transport: &'static str, requests: u64) -> [Footprint; 2] {
    let server = Serve::new(guest("hostile"))
        .args(["--proto", transport, "--access-log", "none"])
        // A hostile packet has no end that its client sees: so no more than these are ever there at once.
        .args(["--max-concurrency", "16", "--when-full", "wait"])
        .start();
    let address = server.address();
    let start = Instant::now();
    ask_all(&address, requests / 20);
    let before = server.footprint();
    ask_all(&address, requests - requests / 20);
    server.assert_well();
    server.assert_settles(transport, before, SLACK);
    let [before, after] = [before, server.footprint()].map(|held| held.server);
    let arrow = |before: u64, after: u64| format!("{before} -> {after}");
    println!(
        "  {transport:5} {requests:>11} {:>8}  {:16} {:14} {}",
        start.elapsed().as_secs(),
        arrow(before.descriptors as u64, after.descriptors as u64),
        arrow(before.threads, after.threads),
        arrow(before.memory >> 20, after.memory >> 20),
    );
    server.stop().assert(0, &[]);
    [before, after]
}

/// So many requests, by several clients at once.
fn ask_all(address: &Address, requests: u64) {
    let each = requests.div_ceil(CLIENTS.into());
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            scope.spawn(move || match address {
                Address::Udp(_) => send_packets(address, each),
                _ => open_connections(client, address, each),
            });
        }
    });
}

fn send_packets(address: &Address, packets: u64) {
    let ways = quick_ways("udp");
    let mut hostile = Client::connect(address);
    let mut honest = Client::connect(address);
    let mut ways = ways.iter().cycle();
    for number in 0..packets {
        if number % HOSTILE == 0 {
            let way = ways.next().expect("a cycle");
            // What it answers is not read: the kernel drops it in the end.
            hostile.send(way.as_bytes()).expect("sent");
        } else {
            assert_eq!(honest.ask(b"upper soak").expect("an answer"), "SOAK");
        }
    }
}

/// Each from a source that has ports left: the kernel keeps those of closed connections for a minute.
fn open_connections(client: u8, address: &Address, connections: u64) {
    let ways = quick_ways("tcp");
    let mut ways = ways.iter().cycle();
    let sources = (1..=250).map(|last| Ipv4Addr::new(127, 7, client, last));
    for (number, source) in (0..connections).zip(sources.cycle()) {
        let mut client = Client::connect_from(source, address);
        if number % HOSTILE == 0 {
            let way = ways.next().expect("a cycle");
            // A reset is as good as an end.
            drop(client.ask(format!("{way}\n").as_bytes()));
        } else {
            let answer = client.ask(b"upper soak\n");
            assert_eq!(answer.expect("an answer"), "SOAK");
        }
    }
}
