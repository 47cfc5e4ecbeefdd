//! Client programs as the documentation of Python's `socketserver` has them, and handlers asked by Debian's
//! netcat.

use std::process::Command;

use tests::{SCHEDULES, Serve, Server, command_output, example, run_with_input, tool};

/// Connects, sends a line in two pieces, and prints what one read gives.
const TCP: &str = r#"
import socket
import sys

HOST, PORT = "localhost", 9999
data = " ".join(sys.argv[1:])

with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
    sock.connect((HOST, PORT))
    sock.sendall(bytes(data, "utf-8"))
    sock.sendall(b"\n")
    received = str(sock.recv(1024), "utf-8")

print("Sent:    ", data)
print("Received:", received)
"#;

/// Needs no connection: sends a packet, and prints what comes back.
const UDP: &str = r#"
import socket
import sys

HOST, PORT = "localhost", 9999
data = " ".join(sys.argv[1:])

sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.sendto(bytes(data + "\n", "utf-8"), (HOST, PORT))
received = str(sock.recv(1024), "utf-8")

print("Sent:    ", data)
print("Received:", received)
"#;

/// Three threads, a connection each, as the documentation's threaded example.
const THREADS: &str = r#"
import socket
import threading

def client(ip, port, message):
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.connect((ip, port))
        sock.sendall(bytes(message, "ascii"))
        response = str(sock.recv(1024), "ascii")
        print("Received: {}".format(response))

clients = [threading.Thread(target=client, args=("localhost", 9999, "Hello World %d" % number))
           for number in (1, 2, 3)]
for thread in clients:
    thread.start()
for thread in clients:
    thread.join()
"#;

/// Runs a program against a server: the port is all that is changed.
fn python(program: &str, server: &Server, arguments: &[&str]) -> Option<String> {
    let python = tool("python3")?;
    let program = program.replace("9999", &server.address().port().to_string());
    Some(command_output(
        Command::new(python).args(["-c", &program]).args(arguments),
    ))
}

#[test]
fn the_documentations_tcp_client() {
    for handler in ["upper", "upper-line", "upper-loop"] {
        for schedule in SCHEDULES {
            let server = Serve::new(example(handler))
                .args(["--schedule", schedule])
                .start();
            for _ in 0..5 {
                let Some(said) = python(TCP, &server, &["hello world", "with TCP"]) else {
                    return;
                };
                let said = said.trim_end();
                let told = "Sent:     hello world with TCP\nReceived: HELLO WORLD WITH TCP";
                assert_eq!(said, told, "{handler} {server}");
            }
        }
    }
}

#[test]
fn the_documentations_udp_client() {
    for handler in ["upper", "upper-line"] {
        for schedule in SCHEDULES {
            let arguments = ["--schedule", schedule, "--proto", "udp"];
            let server = Serve::new(example(handler)).args(arguments).start();
            let Some(said) = python(UDP, &server, &["hello world", "with UDP"]) else {
                return;
            };
            assert_eq!(
                said,
                "Sent:     hello world with UDP\nReceived: HELLO WORLD WITH UDP\n"
            );
        }
    }
}

#[test]
fn the_documentations_threaded_clients() {
    let server = Serve::new(example("upper")).start();
    let Some(said) = python(THREADS, &server, &[]) else {
        return;
    };
    // Python's threads print a line and its end one after the other, so that lines may run into each other.
    for number in 1..=3 {
        let told = format!("Received: HELLO WORLD {number}");
        assert_eq!(said.matches(&told).count(), 1, "{said:?}");
    }
}

#[test]
fn netcat_over_every_transport() {
    let Some(nc) = tool("nc") else { return };
    for transport in tests::TRANSPORTS {
        let folder = tempfile::tempdir().expect("a folder");
        let server = Serve::new(example("upper"))
            .on(transport, folder.path())
            .start();
        let mut nc = Command::new(&nc);
        match transport {
            "tcp" => nc.args(["-N", "127.0.0.1", &server.address().port().to_string()]),
            "udp" => nc.args([
                "-u",
                "-w1",
                "127.0.0.1",
                &server.address().port().to_string(),
            ]),
            "unix" => nc.args(["-N", "-U"]).arg(server.address().path()),
            _ => {
                let own = folder.path().join("nc");
                nc.args(["-u", "-w1", "-U", "-s"])
                    .arg(own)
                    .arg(server.address().path())
            }
        };
        let output = run_with_input(&mut nc, b"hello\n");
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            "HELLO",
            "{transport}"
        );
    }
}
