//! `runtime bench`: what it counts, against this server and against others that answer in ways of their own.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use socket2::{Domain, SockRef, Socket, Type};
use tests::{Serve, Server, TRANSPORTS, command, example};

/// The bytes of a request, if nothing else is said.
const PAYLOAD: usize = 32;

/// How a run ended.
struct Run {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn start(address: &str, flags: &[&str]) -> Child {
    let mut bench = Command::new(command());
    bench.args(["bench", address]).args(flags);
    bench.stdin(Stdio::null());
    bench.stdout(Stdio::piped()).stderr(Stdio::piped());
    bench.spawn().expect("the command starts")
}

fn end(bench: Child) -> Run {
    let output = bench.wait_with_output().expect("it ends");
    Run {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("text"),
        stderr: String::from_utf8(output.stderr).expect("text"),
    }
}

fn bench(address: &str, flags: &[&str]) -> Run {
    end(start(address, flags))
}

/// A run with `--json`, which ends with `code`, and its object.
fn measured(address: &str, flags: &[&str], code: i32) -> Value {
    bench(address, &[flags, &["--json"]].concat()).json(code)
}

impl Run {
    fn json(&self, code: i32) -> Value {
        assert_eq!(self.code, Some(code), "{}{}", self.stdout, self.stderr);
        assert_eq!(self.stdout.lines().count(), 1, "{}", self.stdout);
        assert_eq!(self.stderr, "");
        serde_json::from_str(&self.stdout).expect("an object")
    }
}

/// Asserts that nothing was served, and that all `count` requests failed in one way.
fn assert_failed(found: &Value, kind: &str, count: u64) {
    assert_eq!(found["requests"], 0, "{found}");
    assert_eq!(found["errors"], count, "{found}");
    assert_eq!(found["errors_by_kind"][kind], count, "{found}");
    assert!(found["latency_us"]["p50"].is_null(), "{found}");
}

/// The address that a server says that it listens on, as it says it.
fn printed(server: &Server) -> String {
    let line = server.said(&["listening on"]);
    let address = line.split_whitespace().last();
    address.expect("an address").to_owned()
}

/// A TCP server that handles each connection as a test says, in a thread for each.
struct Other {
    address: String,
    connections: Arc<AtomicUsize>,
    ended: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl Other {
    fn new(handle: impl Fn(&mut TcpStream) -> io::Result<()> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let address = listener.local_addr().expect("it is bound");
        let (connections, ended) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let handle = Arc::new(handle);
        let (count, end) = (Arc::clone(&connections), Arc::clone(&ended));
        let accepting = std::thread::spawn(move || {
            let mut handling = Vec::new();
            for stream in listener.incoming() {
                if end.load(Ordering::SeqCst) {
                    break;
                }
                count.fetch_add(1, Ordering::SeqCst);
                let (mut stream, handle) = (stream.expect("a client"), Arc::clone(&handle));
                // What goes wrong here is the client's to tell.
                handling.push(std::thread::spawn(move || drop(handle(&mut stream))));
            }
            handling
                .into_iter()
                .for_each(|thread| thread.join().expect("no panic"));
        });
        Self {
            address: format!("tcp://{address}"),
            connections,
            ended,
            accepting: Some(accepting),
        }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        let address = self.address.trim_start_matches("tcp://");
        drop(TcpStream::connect(address).expect("it still accepts"));
        let accepting = self.accepting.take().expect("once");
        accepting.join().expect("no panic");
    }
}

fn read_request(stream: &mut TcpStream) -> io::Result<[u8; PAYLOAD]> {
    let mut request = [0; PAYLOAD];
    stream.read_exact(&mut request)?;
    Ok(request)
}

/// Reads on until the client has left.
fn wait_until_left(stream: &mut TcpStream) -> io::Result<()> {
    io::copy(stream, &mut io::sink()).map(drop)
}

fn echo(stream: &mut TcpStream) -> io::Result<()> {
    io::copy(&mut stream.try_clone()?, stream).map(drop)
}

#[test]
fn every_transport_is_measured_at_the_address_that_is_printed() {
    for transport in TRANSPORTS {
        let folder = tempfile::tempdir().expect("a folder");
        let server = Serve::new(example("upper"))
            .on(transport, folder.path())
            .start();
        let address = printed(&server);
        let flags = [
            "-n",
            "200",
            "-c",
            "4",
            "--threads",
            "2",
            "--expect",
            "upper-stripped",
        ];
        let found = measured(&address, &flags, 0);
        assert_eq!(found["requests"], 200, "{found}");
        assert_eq!(found["bytes_sent"], 200 * PAYLOAD, "{found}");
        assert_eq!(found["bytes_received"], 200 * (PAYLOAD - 1), "{found}");
        let wrong = measured(&address, &["-n", "20", "--expect", "echo"], 3);
        assert_failed(&wrong, "wrong", 20);
        server.stop().assert(0, &[]);
    }
}

#[test]
fn a_server_of_every_interface_is_measured_here() {
    let server = Serve::new(example("upper")).bind("0.0.0.0:0").start();
    let found = measured(
        &printed(&server),
        &["-n", "5", "--expect", "upper-stripped"],
        0,
    );
    assert_eq!(found["requests"], 5, "{found}");
}

#[test]
fn many_requests_share_a_connection() {
    for transport in ["tcp", "unix"] {
        let folder = tempfile::tempdir().expect("a folder");
        let serve = Serve::new(example("upper-loop")).on(transport, folder.path());
        let server = serve.start();
        for each in ["50", "unlimited"] {
            let flags = ["-n", "200", "-c", "2", "--expect", "upper"];
            let flags = [&flags[..], &["--requests-per-connection", each]].concat();
            let found = measured(&printed(&server), &flags, 0);
            assert_eq!(found["requests"], 200, "{found}");
        }
        server.stop().assert(0, &[]);
    }
}

#[test]
fn a_connection_takes_as_many_requests_as_it_is_told_to() {
    let other = Other::new(echo);
    let flags = ["-n", "100", "-c", "1", "--expect", "echo"];
    for (each, connections) in [("1", 100), ("10", 10), ("unlimited", 1)] {
        let before = other.connections();
        let each = ["--requests-per-connection", each];
        let found = measured(&other.address, &[&flags[..], &each].concat(), 0);
        assert_eq!(found["requests"], 100, "{found}");
        assert_eq!(other.connections() - before, connections, "{each:?}");
    }
}

#[test]
fn any_reply_is_a_line_where_a_connection_takes_many() {
    let other = Other::new(echo);
    let flags = ["-n", "50", "--requests-per-connection", "unlimited"];
    assert_eq!(measured(&other.address, &flags, 0)["requests"], 50);
}

#[test]
fn the_object_has_these_names() {
    let other = Other::new(echo);
    let flags = ["-d", "200ms", "--warm-up", "10ms", "--expect", "echo"];
    let found = measured(&other.address, &flags, 0);
    let names = |value: &Value| {
        let names = value.as_object().expect("an object").keys();
        names.cloned().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        names(&found),
        "address bytes_received bytes_sent connections errors errors_by_kind latency_us \
         open_loop_rate requests requests_per_second seconds"
    );
    let kinds = names(&found["errors_by_kind"]);
    assert_eq!(kinds, "closed connect other reset timeout wrong");
    let latency = &found["latency_us"];
    assert_eq!(names(latency), "max mean min p50 p90 p99 p99_9");
    assert_eq!(found["address"], other.address);
    assert_eq!(found["connections"], 16);
    assert_eq!(found["seconds"], 0.2);
    assert!(found["open_loop_rate"].is_null());
    let number = |name: &str| latency[name].as_f64().expect("a number");
    let order = ["min", "p50", "p90", "p99", "p99_9", "max"].map(number);
    assert!(order.is_sorted() && order[0] > 0.0, "{found}");
}

#[test]
fn people_get_a_table() {
    let other = Other::new(echo);
    let run = bench(
        &other.address,
        &["-n", "1000", "-c", "3", "--expect", "echo"],
    );
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    for part in [
        "3 clients, one request on a connection, closed loop, replies compared",
        "requests   1,000, ",
        "errors     0\n",
        "bytes      31.2 KiB sent, 31.2 KiB received",
        "latency    p50 ",
    ] {
        assert!(run.stdout.contains(part), "{part}: {}", run.stdout);
    }
}

/// One reply that takes long: all that is due meanwhile is late, if the clients do not wait for it.
#[test]
fn an_open_loop_tells_what_a_stall_costs() {
    let p50 = |flags: &[&str]| {
        let first = AtomicBool::new(true);
        let other = Other::new(move |stream| {
            let request = read_request(stream)?;
            if first.swap(false, Ordering::SeqCst) {
                // Nothing more comes: this takes as long as it may.
                stream.set_read_timeout(Some(Duration::from_millis(400)))?;
                drop(stream.read(&mut [0]));
            }
            stream.write_all(&request)
        });
        let flags = [&["-n", "30", "-c", "1", "--expect", "echo"], flags].concat();
        let found = measured(&other.address, &flags, 0);
        assert_eq!(found["requests"], 30, "{found}");
        (
            found["latency_us"]["p50"].as_f64().expect("a number"),
            found["open_loop_rate"].clone(),
        )
    };
    let (closed, rate) = p50(&[]);
    assert!(closed < 100_000.0, "{closed}");
    assert_eq!(rate, Value::Null);
    let (open, rate) = p50(&["--rate", "100"]);
    assert!(open > 100_000.0, "{open}");
    assert_eq!(rate, 100);
}

#[test]
fn an_open_loop_keeps_its_rate() {
    let other = Other::new(echo);
    let found = measured(
        &other.address,
        &["-n", "100", "--rate", "400", "--expect", "echo"],
        0,
    );
    let seconds = found["seconds"].as_f64().expect("a number");
    assert!(seconds > 0.24, "100 requests at 400 a second: {found}");
    let flags = [
        "-d",
        "500ms",
        "--warm-up",
        "100ms",
        "--rate",
        "400",
        "--expect",
        "echo",
    ];
    let found = measured(&other.address, &flags, 0);
    let requests = found["requests"].as_u64().expect("a number");
    // What a busy machine has not begun by the end is left out.
    assert!((150..=200).contains(&requests), "{found}");
}

#[test]
fn a_wrong_reply_is_shown_and_not_counted() {
    let other = Other::new(|stream| {
        let request = read_request(stream)?;
        stream.write_all(&request[..4])?;
        stream.write_all(b"\x1b[2J")
    });
    let flags = ["-n", "10", "--expect", "echo"];
    assert_failed(&measured(&other.address, &flags, 3), "wrong", 10);
    let run = bench(&other.address, &flags);
    let shown = r#"the first wrong: at byte 4 of 32: expected "efghijklmnopqrstuvwxyz01234\n", got "\u{1b}[2J""#;
    assert!(run.stdout.contains(shown), "{}", run.stdout);
    assert!(
        run.stdout.contains("errors     10: 10 wrong"),
        "{}",
        run.stdout
    );
}

#[test]
fn a_reply_that_goes_on_is_wrong() {
    let other = Other::new(|stream| {
        let request = read_request(stream)?;
        stream.write_all(&request)?;
        wait_until_left(stream)?;
        stream.write_all(b"more")
    });
    let found = measured(&other.address, &["-n", "4", "--expect", "echo"], 3);
    assert_failed(&found, "wrong", 4);
}

#[test]
fn a_reply_that_stops_is_wrong_or_none() {
    let other = Other::new(|stream| {
        let request = read_request(stream)?;
        stream.write_all(&request[..4])
    });
    let found = measured(&other.address, &["-n", "4", "--expect", "echo"], 3);
    assert_failed(&found, "wrong", 4);
    let flags = [
        "-n",
        "4",
        "--expect",
        "echo",
        "--requests-per-connection",
        "2",
    ];
    assert_failed(&measured(&other.address, &flags, 3), "closed", 4);
}

#[test]
fn a_server_that_closes_without_a_word_has_not_served() {
    let other = Other::new(|stream| read_request(stream).map(drop));
    for expect in ["any", "echo"] {
        let found = measured(&other.address, &["-n", "4", "--expect", expect], 3);
        assert_failed(&found, "closed", 4);
    }
}

#[test]
fn a_reset_is_counted() {
    let other = Other::new(|stream| {
        let _ = read_request(stream)?;
        SockRef::from(&*stream).set_linger(Some(Duration::ZERO))
    });
    assert_failed(&measured(&other.address, &["-n", "4"], 3), "reset", 4);
}

#[test]
fn a_server_that_never_answers_runs_into_time_outs() {
    let other = Other::new(wait_until_left);
    let flags = ["-n", "4", "-c", "2", "--timeout", "100ms"];
    assert_failed(&measured(&other.address, &flags, 3), "timeout", 4);
    let silent = UdpSocket::bind("127.0.0.1:0").expect("bound");
    let address = format!("udp://{}", silent.local_addr().expect("it is bound"));
    assert_failed(&measured(&address, &flags, 3), "timeout", 4);
}

/// The first packet is answered when the second one has come: that one is not answered at all.
#[test]
fn a_late_datagram_is_not_the_next_ones_reply() {
    let server = UdpSocket::bind("127.0.0.1:0").expect("bound");
    let address = format!("udp://{}", server.local_addr().expect("it is bound"));
    let serving = std::thread::spawn(move || {
        let mut packet = [0; PAYLOAD];
        let (_, first) = server.recv_from(&mut packet).expect("a packet");
        let (_, second) = server.recv_from(&mut packet).expect("another");
        server.send_to(&packet, first).expect("sent");
        assert_ne!(first, second, "the socket is a new one");
    });
    let found = measured(&address, &["-n", "2", "-c", "1", "--timeout", "200ms"], 3);
    assert_failed(&found, "timeout", 2);
    serving.join().expect("no panic");
}

#[test]
fn large_payloads_are_sent_and_received_side_by_side() {
    let other = Other::new(echo);
    let flags = [
        "-n",
        "4",
        "-c",
        "2",
        "--size",
        "8MiB",
        "--expect",
        "echo",
        "--timeout",
        "25s",
    ];
    for more in [
        &[][..],
        &["--half-close"],
        &["--requests-per-connection", "2"],
    ] {
        let found = measured(&other.address, &[&flags[..], more].concat(), 0);
        assert_eq!(found["bytes_received"], 4 * 8 * 1024 * 1024, "{found}");
        assert_eq!(found["requests"], 4, "{found}");
    }
}

#[test]
fn a_server_that_reads_to_the_end_needs_one() {
    let other = Other::new(|stream| {
        let mut request = Vec::new();
        stream.read_to_end(&mut request)?;
        stream.write_all(&request)?;
        stream.shutdown(Shutdown::Write)
    });
    let flags = ["-n", "4", "--expect", "echo", "--timeout", "200ms"];
    assert_failed(&measured(&other.address, &flags, 3), "timeout", 4);
    let found = measured(&other.address, &[&flags[..], &["--half-close"]].concat(), 0);
    assert_eq!(found["requests"], 4, "{found}");
}

#[test]
fn payload_and_reply_can_be_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("written");
        path.display().to_string()
    };
    let (payload, reply) = (file("payload", b"  hello\n"), file("reply", b"HELLO"));
    let server = Serve::new(example("upper")).start();
    let flags = ["-n", "4", "--payload", &payload, "--expect", &reply];
    assert_eq!(measured(&printed(&server), &flags, 0)["requests"], 4);
    let empty = file("empty", b"");
    for (flags, says) in [
        (
            ["--payload", "/no/such/file"],
            "cannot read the payload /no/such/file",
        ),
        (
            ["--expect", "/no/such/file"],
            "cannot read the expected reply /no/such/file",
        ),
        (["--expect", &empty], "leave out --requests-per-connection"),
    ] {
        let flags = [&flags[..], &["--requests-per-connection", "2"]].concat();
        let run = bench(&printed(&server), &flags);
        assert_eq!(run.code, Some(1), "{}", run.stderr);
        assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
        assert!(run.stderr.contains(says), "{says}: {}", run.stderr);
    }
}

/// An address at which nobody answers, and that nobody else is given while its socket lives: a stream's does not
/// listen, a datagram's talks to itself only.
fn deaf(kind: Type) -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, kind, None).expect("a socket");
    let any: SocketAddr = "127.0.0.1:0".parse().expect("an address");
    socket.bind(&any.into()).expect("bound");
    let own = socket.local_addr().expect("it is bound");
    if kind == Type::DGRAM {
        socket.connect(&own).expect("connected");
    }
    (socket, own.as_socket().expect("one of IP"))
}

#[test]
fn nobody_there_is_one_line() {
    let ((_tcp, tcp), (_udp, udp)) = (deaf(Type::STREAM), deaf(Type::DGRAM));
    for (address, reason) in [
        (format!("tcp://{tcp}"), "connection refused"),
        (format!("udp://{udp}"), "connection refused"),
        (
            "unix:///no/such.sock".to_owned(),
            "no such file or directory",
        ),
        ("unixgram:@nobody-is-here".to_owned(), "connection refused"),
    ] {
        let run = bench(&address, &["-d", "20s"]);
        let line = format!("error: {address}: {reason}: is the server running?\n");
        assert_eq!((run.code, run.stderr), (Some(1), line));
        assert_eq!(run.stdout, "");
    }
    let run = bench("tcp://no.such.host.invalid:1", &[]);
    assert_eq!(run.code, Some(1));
    assert!(
        run.stderr.contains("cannot resolve no.such.host.invalid"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_server_that_goes_away_does_not_end_the_run() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = format!("tcp://{}", listener.local_addr().expect("it is bound"));
    let serving = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        drop(listener);
        echo(&mut stream).expect("an answer");
    });
    let flags = [
        "-d",
        "300ms",
        "-c",
        "1",
        "--warm-up",
        "0s",
        "--expect",
        "echo",
    ];
    let found = measured(&address, &flags, 3);
    serving.join().expect("no panic");
    assert_eq!(found["requests"], 1, "{found}");
    let refused = found["errors_by_kind"]["connect"]
        .as_u64()
        .expect("a number");
    assert!(
        (1..100).contains(&refused),
        "it rests between them: {found}"
    );
}

#[test]
fn a_signal_ends_a_run_early() {
    for signal in [Signal::INT, Signal::TERM] {
        let (told, served) = mpsc::sync_channel(0);
        let other = Other::new(move |stream| {
            echo(stream)?;
            // From the second one on, nobody listens.
            let _ = told.send(());
            Ok(())
        });
        let flags = [
            "-d",
            "1h",
            "--warm-up",
            "0s",
            "-c",
            "1",
            "--expect",
            "echo",
            "--json",
        ];
        let running = start(&other.address, &flags);
        served.recv().expect("a request");
        drop(served);
        kill_process(Pid::from_child(&running), signal).expect("it runs");
        let found = end(running).json(0);
        assert!(
            found["seconds"].as_f64().expect("a number") < 30.0,
            "{found}"
        );
        assert_eq!(found["errors"], 0, "{found}");
    }
}

#[test]
fn flags_that_make_no_sense_say_so() {
    for (address, flags, says) in [
        ("127.0.0.1:9", &[][..], "begin with the transport"),
        ("tcp://127.0.0.1", &[], "write HOST:PORT"),
        (
            "tcp://127.0.0.1:9",
            &["-c", "0"],
            "invalid value '0' for '--connections",
        ),
        (
            "tcp://127.0.0.1:9",
            &["-n", "5", "-d", "1s"],
            "cannot be used with",
        ),
        (
            "tcp://127.0.0.1:9",
            &["--size", "1", "--payload", "x"],
            "cannot be used with",
        ),
        ("tcp://127.0.0.1:9", &["--duration", "10"], "with its unit"),
        (
            "tcp://127.0.0.1:9",
            &["--duration", "0s"],
            "--duration is from 1ms to 365days",
        ),
        (
            "tcp://127.0.0.1:9",
            &["--timeout", "0s"],
            "--timeout is from 1ms to 365days",
        ),
        (
            "tcp://127.0.0.1:9",
            &["--warm-up", "9999days"],
            "--warm-up is at most 365days",
        ),
        (
            "tcp://127.0.0.1:9",
            &["--threads", "513"],
            "513 is not in 1..=512",
        ),
        (
            "tcp://127.0.0.1:9",
            &["--size", "2GiB"],
            "--size 2GiB: at most 1GiB",
        ),
        (
            "tcp://127.0.0.1:9",
            &["--rate", "0"],
            "invalid value '0' for '--rate",
        ),
        (
            "tcp://127.0.0.1:9",
            &["--requests-per-connection", "0"],
            "a number from 1, or unlimited",
        ),
        (
            "tcp://127.0.0.1:9",
            &["--half-close", "--requests-per-connection", "2"],
            "--half-close leaves no room",
        ),
        (
            "udp://127.0.0.1:9",
            &["--half-close"],
            "--half-close is for streams",
        ),
        (
            "unixgram:@x",
            &["--requests-per-connection", "1"],
            "unixgram has no connections",
        ),
        (
            "udp://127.0.0.1:9",
            &["--size", "64KiB"],
            "at most 65507 bytes",
        ),
    ] {
        let run = bench(address, flags);
        assert_eq!(run.code, Some(2), "{flags:?}: {}", run.stderr);
        assert!(run.stderr.contains(says), "{says}: {}", run.stderr);
        let errors = run.stderr.lines().filter(|line| line.starts_with("error:"));
        assert_eq!(errors.count(), 1, "{}", run.stderr);
    }
    for (address, says) in [
        ("tcp://fd:3", "give the address that it prints"),
        ("tcp://127.0.0.1:0", "port 0"),
    ] {
        let run = bench(address, &[]);
        assert_eq!(run.code, Some(1), "{}", run.stderr);
        assert!(run.stderr.contains(says), "{says}: {}", run.stderr);
    }
}

#[test]
fn the_help_has_every_flag() {
    let run = bench("--help", &[]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    for part in [
        "Examples:",
        "--connections",
        "--duration",
        "--requests",
        "--warm-up",
        "--rate",
        "coordinated omission",
        "--timeout",
        "--threads",
        "--json",
        "--payload",
        "--size",
        "--expect",
        "upper-stripped",
        "--requests-per-connection",
        "--half-close",
        "Exit codes: 0",
    ] {
        assert!(run.stdout.contains(part), "{part}: {}", run.stdout);
    }
}
