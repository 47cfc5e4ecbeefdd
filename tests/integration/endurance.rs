//! What a server must survive: running out of descriptors, nobody who reads its output, many requests; and
//! components of yesterday.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use tests::{Address, Client, Serve, Server, TRANSPORTS, cache_folder, command, guest, root};

/// Descriptors that a server has open.
fn descriptors(server: &Server) -> usize {
    fs::read_dir(format!("/proc/{}/fd", server.pid()))
        .expect("it runs")
        .count()
}

#[test]
fn requests_leave_no_descriptor_behind() {
    for transport in TRANSPORTS {
        let folder = tempfile::tempdir().expect("a folder");
        let serve = Serve::new(guest("misbehave")).on(transport, folder.path());
        let server = serve.start();
        server.assert_well();
        let before = descriptors(&server);
        for _ in 0..50 {
            server.assert_well();
            for request in ["panic x\n", "error x\n"] {
                let mut client = server.connect();
                client.send(request.as_bytes()).expect("sent");
            }
        }
        // The last ones may still be open, and no more than those.
        server.assert_well();
        let after = descriptors(&server);
        assert!(
            after <= before + 10,
            "{transport}: {before} descriptors, then {after}"
        );
    }
}

#[test]
fn a_server_takes_all_the_descriptors_that_it_may_have() {
    let server = Serve::new(guest("misbehave"))
        .with_room_for_files(32)
        .start();
    // All at once, and each with its handler.
    let mut clients: Vec<Client> = (0..100).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send(b"greet\n").expect("sent");
        assert_eq!(client.exactly(5).expect("a greeting"), "hello");
    }
    server.assert_well();
}

/// Once for each time that it is out of them, however often it tries meanwhile: for as long as the first handler sleeps.
#[test]
fn a_server_out_of_descriptors_says_so_once_and_goes_on() {
    let server = Serve::new(guest("misbehave")).start();
    server.assert_well();
    let room = u64::try_from(descriptors(&server)).expect("a small number") + 3;
    let limit = Rlimit {
        current: Some(room),
        maximum: Some(room),
    };
    let pid = i32::try_from(server.pid()).ok().and_then(Pid::from_raw);
    prlimit(pid, Resource::Nofile, limit).expect("its own child");
    let mut first = server.connect();
    first.send(b"sleep 1000\n").expect("sent");
    let mut clients: Vec<Client> = (0..8).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send(b"greet\n").expect("sent");
    }
    let _ = server.said(&["cannot take requests", "Too many open files"]);
    assert_eq!(first.answer().expect("an answer"), "slept");
    // Each that leaves makes room for one that waits.
    for mut client in clients {
        assert_eq!(client.exactly(5).expect("a greeting"), "hello");
        assert_eq!(client.ask(b"bye").expect("an answer"), "bye");
    }
    server.assert_well();
    let _ = server.said(&["taking requests again"]);
    let said = server.stop().stderr;
    let lines = said.lines().filter(|line| line.contains("requests"));
    let out = lines.filter_map(|line| match line {
        line if line.contains("cannot take requests") => Some(true),
        line if line.contains("taking requests again") => Some(false),
        _ => None,
    });
    let out: Vec<bool> = out.collect();
    assert!(out.chunks(2).all(|pair| pair == [true, false]), "{said}");
}

/// A server of which only the first line on standard error is read; dropping it kills it.
struct Unread(Child);

impl Drop for Unread {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn nobody_who_reads_its_output_is_no_reason_to_end() {
    let mut child = Command::new(command())
        .args([
            "serve",
            "--bind",
            "127.0.0.1:0",
            "--log-level",
            "off",
            "--cache-dir",
        ])
        .arg(cache_folder())
        .arg("--handler")
        .arg(guest("misbehave"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
    let stdout = child.stdout.take();
    let server = Unread(child);
    let mut line = String::new();
    stderr.read_line(&mut line).expect("a line");
    let address = line
        .split("listening on ")
        .nth(1)
        .and_then(|text| Address::parse(text.trim()));
    let address = address.unwrap_or_else(|| panic!("{line}"));
    // Full at first: nothing is held up by it.
    for _ in 0..40 {
        let answer = Client::connect(&address).ask(b"print-lines 1000\n");
        assert_eq!(answer.expect("an answer"), "printed");
    }
    // Then closed: SIGPIPE and EPIPE are nothing to end for.
    drop((stdout, stderr));
    for request in ["print x\n", "print-error x\n", "panic x\n", "print x\n"] {
        drop(
            Client::connect(&address)
                .ask(request.as_bytes())
                .expect("an end"),
        );
    }
    let answer = Client::connect(&address).ask(b"upper well\n");
    assert_eq!(answer.expect("an answer"), "WELL");
    drop(server);
}

/// A component that was built when the contract was this young: what is added later must not break it.
#[test]
fn a_component_of_an_older_contract_is_served() {
    for transport in TRANSPORTS {
        let folder = tempfile::tempdir().expect("a folder");
        let kept = root().join("tests/kept/bare-0.1.0.wasm");
        let server = Serve::new(kept).on(transport, folder.path()).start();
        assert_eq!(server.ask("still served"), "STILL SERVED");
    }
}

#[test]
fn a_thousand_requests_one_after_the_other() {
    let server = Serve::new(guest("bare")).start();
    for _ in 0..1000 {
        assert_eq!(server.ask("again"), "AGAIN");
    }
}
