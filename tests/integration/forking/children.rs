//! How many children there are, and that none is left.

use std::collections::HashSet;
use std::fs;

use rustix::process::Signal;
use tests::{Client, STREAMS, TRANSPORTS, until};

use super::{assert_all_gone, in_mid_request, only_child, serve, server};

/// Connections that the kernel has and nobody has accepted.
fn in_the_kernels_queue(port: u16) -> usize {
    const LISTEN: &str = "0A";
    let sockets = fs::read_to_string("/proc/net/tcp").expect("a list of sockets");
    let ours = format!("0100007F:{port:04X}");
    let listener = sockets.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        (fields.get(1) == Some(&&*ours) && fields.get(3) == Some(&LISTEN)).then_some(fields[4])
    });
    // Bytes to send, and then those to receive, which for a listener are connections.
    let (_, received) = listener
        .and_then(|queues| queues.split_once(':'))
        .expect("it listens");
    usize::from_str_radix(received, 16).expect("a number")
}

fn when_full_the_next_waits(flags: &[&str], room: usize) {
    let server = server(flags);
    let mut running: Vec<Client> = (0..room).map(|_| in_mid_request(&server)).collect();
    let mut waiting: Vec<Client> = (0..5).map(|_| server.connect()).collect();
    for client in &mut waiting {
        client.send(b"greet\n").expect("sent");
    }
    let port = server.address().port();
    until("the others are in the queue", || {
        in_the_kernels_queue(port) == 5
    });
    for left in [4, 3] {
        until("there is a process for each place", || {
            server.zygote().children().len() == room
        });
        let answer = running.remove(0).ask(b"bye").expect("an answer");
        assert_eq!(answer, "bye");
        until("one of them is taken", || {
            in_the_kernels_queue(port) == left
        });
    }
    for mut client in running {
        assert_eq!(client.ask(b"bye").expect("an answer"), "bye");
    }
    for mut client in waiting {
        assert_eq!(client.exactly(5).expect("a greeting"), "hello");
        assert_eq!(client.ask(b"bye").expect("an answer"), "bye");
    }
    server.assert_well();
    assert_all_gone(&server);
}

#[test]
fn forty_run_at_once_and_the_next_waits_in_the_kernels_queue() {
    when_full_the_next_waits(&[], 40);
}

#[test]
fn the_number_can_be_set_by_both_of_its_names() {
    when_full_the_next_waits(&["--max-children", "2"], 2);
    when_full_the_next_waits(&["--max-concurrency", "3"], 3);
}

#[test]
fn the_place_of_a_child_that_was_killed_is_free_again() {
    let server = server(&["--max-children", "1"]);
    for _ in 0..3 {
        let mut client = in_mid_request(&server);
        assert!(only_child(&server).signal(Signal::KILL));
        assert_eq!(client.answer().unwrap_or_default(), "");
        server.assert_well();
    }
}

#[test]
fn each_request_has_a_process_of_its_own_and_its_line_says_which() {
    for transport in TRANSPORTS {
        let folder = tempfile::tempdir().expect("a folder");
        let server = serve().on(transport, folder.path()).start();
        let mut pids = HashSet::new();
        for id in 1..=10 {
            assert_eq!(server.ask("count\n"), "1");
            let line = server.end_of(id);
            let pid = line.split(' ').find_map(|word| word.strip_prefix("pid="));
            let pid: u32 = pid.and_then(|pid| pid.parse().ok()).expect(&line);
            assert_ne!(pid, server.pid());
            assert_ne!(pid, server.zygote().pid());
            assert!(line.contains("outcome=\"ok\""), "{line}");
            pids.insert(pid);
        }
        assert_eq!(pids.len(), 10, "{transport}: {server}");
    }
}

#[test]
fn the_process_of_the_line_is_the_one_that_served() {
    let server = server(&[]);
    let mut client = in_mid_request(&server);
    let child = only_child(&server);
    assert_eq!(client.ask(b"bye").expect("an answer"), "bye");
    let pid = format!("pid={} ", child.pid());
    assert!(format!("{} ", server.end_of(1)).contains(&pid), "{server}");
}

/// However they end.
#[test]
fn no_zombie_is_left() {
    for transport in STREAMS {
        let folder = tempfile::tempdir().expect("a folder");
        let serve = serve().on(transport, folder.path());
        let server = serve.args(["--cpu-limit", "100ms"]).start();
        for request in ["upper x", "error x", "panic x", "trap", "exit 1", "spin"] {
            for _ in 0..3 {
                drop(server.connect().ask(format!("{request}\n").as_bytes()));
            }
        }
        assert_all_gone(&server);
        // The server has one child, and nobody was left to it, or to anybody else.
        assert_eq!(server.process().children(), [server.zygote()]);
    }
}
