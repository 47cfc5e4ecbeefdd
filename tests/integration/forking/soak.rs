//! A soak: a great many forked requests, and then what the server and its zygote still hold of the system.
//!
//! `tests/soak.sh` runs it, with the number in `SOAK_FORKED`.

use std::net::Ipv4Addr;
use std::thread;
use std::time::Instant;

use tests::{Address, Client, Footprint, Process, Serve, guest, until};

use super::assert_all_gone;

/// Clients at once.
const CLIENTS: u8 = 4;

/// Requests, half of them connections.
const REQUESTS: u64 = 20_000;

/// Bytes of memory that a process may hold more of after the soak: what its allocator happens to keep.
const SLACK: u64 = 4 << 20;

#[test]
#[ignore = "tests/soak.sh runs it"]
fn a_soak_leaves_nothing_behind() {
    println!("\n  proto  process    requests  seconds  descriptors   threads    memory in KiB");
    let requests = std::env::var("SOAK_FORKED").unwrap_or_default();
    let requests = match requests.as_str() {
        "" => REQUESTS,
        number => number.parse().expect("SOAK_FORKED is a number"),
    };
    for transport in ["udp", "tcp"] {
        soak(transport, requests / 2);
    }
}

/// One server and its requests: what it and its zygote held after a twentieth of them, and after all.
fn soak(transport: &str, requests: u64) {
    let server = Serve::new(guest("misbehave"))
        .args(["--schedule", "forking", "--proto", transport])
        .args(["--access-log", "none"])
        .start();
    let (address, zygote) = (server.address(), server.zygote());
    let start = Instant::now();
    ask_all(&address, requests / 20);
    assert_all_gone(&server);
    let processes = [("server", server.process()), ("zygote", zygote)];
    let before = processes.map(|(_, process)| process.footprint());
    ask_all(&address, requests - requests / 20);
    server.assert_well();
    assert_all_gone(&server);
    for ((name, process), before) in processes.into_iter().zip(before) {
        let after = settled(process, before);
        println!(
            "  {transport:5}  {name:9} {requests:>9} {:>8}  {:2} -> {:2}      {} -> {}    {} -> {}",
            start.elapsed().as_secs(),
            before.descriptors,
            after.descriptors,
            before.threads,
            after.threads,
            before.memory >> 10,
            after.memory >> 10,
        );
    }
    assert_eq!(server.zygote(), zygote, "it is the same all the time");
    assert_eq!(server.process().children(), [zygote]);
    server.stop().assert(0, &[]);
    until("the zygote has gone", || {
        !zygote.is_there() || zygote.is_zombie()
    });
}

/// What a process holds as soon as it is no more than before.
fn settled(process: Process, before: Footprint) -> Footprint {
    until("a process holds no more than before", || {
        let now = process.footprint();
        now.descriptors <= before.descriptors
            && now.threads <= before.threads
            && now.memory <= before.memory + SLACK
    });
    process.footprint()
}

/// So many requests, by several clients at once. A connection comes from a source that has ports left: the kernel keeps
/// those of closed connections for a minute.
fn ask_all(address: &Address, requests: u64) {
    let each = requests.div_ceil(CLIENTS.into());
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            scope.spawn(move || {
                let sources = (1..=250).map(|last| Ipv4Addr::new(127, 8, client, last));
                for (_, source) in (0..each).zip(sources.cycle()) {
                    let answer = Client::connect_from(source, address).ask(b"upper soak\n");
                    assert_eq!(answer.expect("an answer"), "SOAK");
                }
            });
        }
    });
}
