//! The library under the forking schedule: hooks, foreign connections, `handle_request`. The zygote is the command.

use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use runtime::{
    Cache, ClientAddress, Closed, Endpoint, Handled, Handler, Hooks, Limits, Outcome, Report,
    Request, Schedule, Server, ServerConfig, UnixName,
};
use rustix::process::Signal;
use tests::{Address, Client, PATIENCE, Process, cache_folder, command, guest, until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
use tokio::time::timeout;

pub(super) fn handler() -> &'static Handler {
    static HANDLER: OnceLock<Handler> = OnceLock::new();
    HANDLER.get_or_init(|| {
        let cache = Cache::at(cache_folder()).expect("a cache");
        Handler::load_with_cache(guest("misbehave"), Limits::default(), Some(&cache))
            .expect("a handler")
    })
}

pub(super) fn config() -> ServerConfig {
    ServerConfig {
        schedule: Schedule::Forking,
        zygote: Some(command()),
        ..ServerConfig::default()
    }
}

/// Why no server can be made.
pub(super) fn bind_error(config: ServerConfig) -> String {
    let address = "tcp://127.0.0.1:0".parse().expect("an address");
    let server = Server::bind(&address, config, handler());
    server.err().expect("no server").to_string()
}

fn bind(config: ServerConfig) -> Server {
    let address = "tcp://127.0.0.1:0".parse().expect("an address");
    Server::bind(&address, config, handler()).expect("a server")
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("it takes too long")
}

/// Does what may block in a thread of its own.
async fn beside<T: Send + 'static>(block: impl FnOnce() -> T + Send + 'static) -> T {
    soon(tokio::task::spawn_blocking(block))
        .await
        .expect("no panic")
}

fn connect(server: &Server, request: &str) -> Client {
    let address = Address::parse(&server.server_address().to_string()).expect("an address");
    let mut client = Client::connect(&address);
    client.send(request.as_bytes()).expect("sent");
    client
}

/// The one child that runs, as soon as the server has heard of it.
fn only_child(server: &Server) -> Process {
    until("one child runs", || server.active_children().len() == 1);
    Process::of(server.active_children()[0]).expect("it runs")
}

/// What the client gets to the end of the stream.
async fn answer(mut client: Client) -> String {
    beside(move || client.answer().unwrap_or_default()).await
}

/// A client whose handler waits for it.
async fn in_mid_request(server: &Server) -> Client {
    let mut client = connect(server, "greet\n");
    soon(server.handle_request()).await.expect("it serves");
    beside(move || {
        assert_eq!(client.exactly(5).expect("a greeting"), "hello");
        client
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn active_children_are_those_that_serve() {
    let server = bind(config());
    assert_eq!(server.active_children(), [0_u32; 0]);
    let client = in_mid_request(&server).await;
    let child = only_child(&server);
    assert!(child.is_there());
    assert_ne!(child.pid(), std::process::id());
    let mut client = client;
    client.send(b"bye").expect("sent");
    assert_eq!(answer(client).await, "bye");
    soon(server.wait_for_requests()).await;
    assert_eq!(server.active_children(), [0_u32; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn handle_request_serves_one_and_waits_no_longer_than_its_timeout() {
    let server = bind(ServerConfig {
        timeout: Some(Duration::from_millis(50)),
        ..config()
    });
    assert_eq!(
        soon(server.handle_request()).await.expect("it serves"),
        Handled::Timeout
    );
    let client = connect(&server, "upper one\n");
    assert_eq!(
        soon(server.handle_request()).await.expect("it serves"),
        Handled::Request
    );
    assert_eq!(answer(client).await, "ONE");
    assert_eq!(
        soon(server.handle_request()).await.expect("it serves"),
        Handled::Timeout
    );
    assert_eq!(soon(server.server_close()).await, Closed::Drained);
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_waits_for_children_or_not() {
    for (drain_timeout, block_on_close, closed) in [
        (PATIENCE, true, Closed::Drained),
        (Duration::from_millis(100), true, Closed::CutShort),
        (PATIENCE, false, Closed::CutShort),
    ] {
        let server = bind(ServerConfig {
            drain_timeout,
            block_on_close,
            ..config()
        });
        let mut client = in_mid_request(&server).await;
        let child = only_child(&server);
        if closed == Closed::Drained {
            client.send(b"bye").expect("sent");
        }
        assert_eq!(soon(server.server_close()).await, closed);
        let told = if closed == Closed::Drained { "bye" } else { "" };
        assert_eq!(answer(client).await, told);
        beside(move || {
            until("the child has gone", || {
                !child.is_there() || child.is_zombie()
            })
        })
        .await;
    }
}

fn somebody() -> ClientAddress {
    ClientAddress {
        endpoint: Endpoint::Unix(UnixName::Abstract(b"somebody".to_vec())),
        credentials: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_no_other_process_can_have_is_served_by_a_child() {
    let server = bind(config());
    let (mut client, theirs) = duplex(64);
    let processed = server.process_request(theirs, somebody()).await;
    processed.expect("processed");
    client.write_all(b"client\n").await.expect("sent");
    let mut told = String::new();
    soon(client.read_to_string(&mut told))
        .await
        .expect("an answer");
    assert_eq!(told, "unix abstract somebody");

    // Much more than the pair holds, both ways.
    let (client, theirs) = duplex(1000);
    let processed = server.process_request(theirs, somebody()).await;
    processed.expect("processed");
    let (mut reading, mut writing) = tokio::io::split(client);
    let sending = tokio::spawn(async move {
        writing.write_all(b"echo\n").await.expect("sent");
        writing.write_all(&vec![b'x'; 300_000]).await.expect("sent");
        writing.shutdown().await.expect("ended");
    });
    let mut echoed = Vec::new();
    soon(reading.read_to_end(&mut echoed))
        .await
        .expect("an answer");
    assert_eq!(echoed.len(), 300_000);
    soon(sending).await.expect("no panic");
    assert_eq!(soon(server.server_close()).await, Closed::Drained);
}

/// A client that goes away in mid-request is seen to, and its child does not stay.
#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_such_a_connection_is_seen() {
    let server = bind(config());
    let (mut client, theirs) = duplex(64);
    let processed = server.process_request(theirs, somebody()).await;
    processed.expect("processed");
    client.write_all(b"echo\n").await.expect("sent");
    drop(client);
    assert_eq!(soon(server.server_close()).await, Closed::Drained);
}

/// Keeps what the hooks were called with.
#[derive(Clone, Default)]
struct Noting(Arc<Mutex<Vec<String>>>);

impl Noting {
    fn note(&self, what: String) {
        self.0.lock().expect("not poisoned").push(what);
    }
}

impl Hooks for Noting {
    fn verify_request(&self, request: &Request) -> bool {
        self.note(format!("verify {}", request.id()));
        request.id() != 2
    }

    fn handle_error(&self, report: &Report) {
        self.note(format!("error {} {}", report.id, report.outcome));
    }

    fn shutdown_request(&self, report: &Report) {
        let had_a_process = report.pid.is_some();
        let word = report.outcome.as_str();
        self.note(format!("end {} {word} {had_a_process}", report.id));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_run_in_the_server_and_hear_what_became_of_children() {
    let notes = Noting::default();
    let server = bind(config()).with_hooks(notes.clone());
    for request in ["upper fine\n", "upper refused\n", "error text\n"] {
        let client = connect(&server, request);
        soon(server.handle_request()).await.expect("it serves");
        let _ = answer(client).await;
        soon(server.wait_for_requests()).await;
    }
    let killed = in_mid_request(&server).await;
    assert!(only_child(&server).signal(Signal::KILL));
    assert_eq!(answer(killed).await, "");
    soon(server.wait_for_requests()).await;
    let expected = [
        "verify 1",
        "end 1 ok true",
        "verify 2",
        "end 2 refused-verify false",
        "verify 3",
        "error 3 handler-error: text",
        "end 3 handler-error true",
        "verify 4",
        "error 4 killed: SIGKILL",
        "end 4 killed true",
    ];
    assert_eq!(*notes.0.lock().expect("not poisoned"), expected);
    let counters = server.counters();
    assert_eq!(
        (counters.requests, counters.ok, counters.refused),
        (4, 1, 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_has_everything() {
    struct Keeping(Arc<Mutex<Vec<Report>>>);
    impl Hooks for Keeping {
        fn shutdown_request(&self, report: &Report) {
            self.0.lock().expect("not poisoned").push(report.clone());
        }
    }
    let reports = Arc::new(Mutex::new(Vec::new()));
    let server = bind(config()).with_hooks(Keeping(Arc::clone(&reports)));
    let client = connect(&server, "upper four\n");
    soon(server.handle_request()).await.expect("it serves");
    assert_eq!(answer(client).await, "FOUR");
    soon(server.wait_for_requests()).await;
    let reports = reports.lock().expect("not poisoned");
    let [report] = reports.as_slice() else {
        panic!("{reports:?}")
    };
    assert_eq!((report.id, &report.outcome), (1, &Outcome::Ok));
    assert_eq!((report.bytes_in, report.bytes_out), (11, 4));
    assert!(report.peak_memory > 0 && report.duration > Duration::ZERO);
    assert!(report.pid.is_some_and(|pid| pid != std::process::id()));
}

/// Python's `ForkingMixIn` waits for `-1`, and takes the program's own children.
#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_children_are_not_touched() {
    let mut ours = Command::new("true").spawn().expect("it starts");
    let process = Process::of(ours.id()).expect("it was not waited for");
    beside(move || until("it has ended", || process.is_zombie())).await;
    let server = bind(config());
    for _ in 0..10 {
        let client = connect(&server, "upper x\n");
        soon(server.handle_request()).await.expect("it serves");
        assert_eq!(answer(client).await, "X");
    }
    assert_eq!(soon(server.server_close()).await, Closed::Drained);
    assert!(process.is_zombie(), "somebody has waited for it");
    assert!(ours.wait().expect("it is ours").success());
}

/// Dropping it closes its zygote, and leaves none as a zombie.
#[tokio::test(flavor = "multi_thread")]
async fn servers_come_and_go_with_their_zygotes() {
    for _ in 0..5 {
        let server = bind(config());
        let client = in_mid_request(&server).await;
        let child = only_child(&server);
        drop(server);
        assert_eq!(answer(client).await, "");
        beside(move || {
            until("the child has gone", || {
                !child.is_there() || child.is_zombie()
            })
        })
        .await;
    }
}
