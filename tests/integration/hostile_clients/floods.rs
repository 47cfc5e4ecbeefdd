//! Floods of connections and of packets.

use std::net::Ipv4Addr;

use tests::{Client, SCHEDULES};

use super::{Besieged, HONEST};

#[test]
fn a_flood_of_connections_from_one_address_leaves_room_for_another() {
    // One at a time, the kernel's queue of 1,024 holds those that nobody has accepted.
    for (schedule, hundreds) in [("sync", 9), ("threaded", 50), ("forking", 9)] {
        let besieged = Besieged::new("tcp", schedule, &[]);
        let mut served = Client::connect_from(HONEST, &besieged.address);
        served.send(b"echo\n").expect("sent");
        for _ in 0..hundreds {
            for _ in 0..100 {
                besieged.hostile().reset().expect("reset");
            }
            served.send(b"still served").expect("sent");
            assert_eq!(served.exactly(12).expect("an answer"), "still served");
            if schedule != "sync" {
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
        let besieged = Besieged::new("udp", schedule, &["--access-log", "none"]);
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
        let besieged = Besieged::new("udp", schedule, &["--access-log", "none"]);
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
