//! Every transport with every schedule, from one body: by the command, by a program that has the library in it and is its own
//! zygote, and in this process, whose zygote is the command.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::thread;

use runtime::{Cache, Closed, Handler, Limits, ServerConfig, ServerLimits};
use tests::{
    Address, Client, Serve, Server, asked_for, c_guest, cache_folder, command, example, guest,
};
use tokio::runtime::Runtime;
use tokio::task::spawn_blocking;

/// A test for each pair, all of the same body.
macro_rules! matrix {
    ($body:ident: $($name:ident($transport:literal, $schedule:literal)),+ $(,)?) => {
        mod $body {
            $(#[test] fn $name() { super::$body($transport, $schedule); })+
        }
    };
    ($($body:ident),+ $(,)?) => {
        $(matrix!($body:
            tcp_sync("tcp", "sync"), tcp_threaded("tcp", "threaded"), tcp_forking("tcp", "forking"),
            udp_sync("udp", "sync"), udp_threaded("udp", "threaded"), udp_forking("udp", "forking"),
            unix_sync("unix", "sync"), unix_threaded("unix", "threaded"), unix_forking("unix", "forking"),
            unixgram_sync("unixgram", "sync"), unixgram_threaded("unixgram", "threaded"), unixgram_forking("unixgram", "forking"),
        );)+
    };
}

matrix!(upper, embedded, in_process, bare, in_c, fresh, told, order);

fn serve(handler: PathBuf, transport: &str, schedule: &str, folder: &Path) -> Server {
    let serve = Serve::new(handler).on(transport, folder);
    serve
        .args(["--schedule", schedule, "--access-log", "all"])
        .start()
}

/// Runs `client` several times at once, each with its number, and returns what they return.
fn several<T: Send>(client: impl Fn(usize) -> T + Sync) -> Vec<T> {
    thread::scope(|scope| {
        let client = &client;
        let clients: Vec<_> = (0..8)
            .map(|number| scope.spawn(move || client(number)))
            .collect();
        let ends = clients
            .into_iter()
            .map(|thread| thread.join().expect("a client"));
        ends.collect()
    })
}

/// The example of all tutorials: asked by several clients, several times each.
fn upper(transport: &str, schedule: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let server = serve(example("upper"), transport, schedule, folder.path());
    ask_for_upper(&server.address());
    server.stop().assert(0, &["listening on"]);
    assert_no_socket_in(folder.path());
}

fn ask_for_upper(address: &Address) {
    several(|number| {
        for round in 0..5 {
            let request = format!("  hello {number}, Grüße {round}\n");
            let answer = Client::connect(address).ask(request.as_bytes());
            let expected = format!("HELLO {number}, GRüßE {round}");
            assert_eq!(answer.expect("an answer"), expected);
        }
    });
}

fn assert_no_socket_in(folder: &Path) {
    let socket = folder.join("socket");
    assert!(!socket.exists(), "the socket's file is left");
}

/// The same by an embedding program. Under forking, it is its own zygote.
fn embedded(transport: &str, schedule: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let serve = Serve::embedding(&example("upper"), transport, schedule, folder.path());
    let server = serve.start();
    ask_for_upper(&server.address());
    server.stop().assert(0, &["closed: Drained"]);
    assert_no_socket_in(folder.path());
}

/// The same in this process. Under forking, it names its zygote.
fn in_process(transport: &str, schedule: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let asked_for = asked_for(transport, folder.path());
    let config = ServerConfig {
        schedule: schedule.parse().expect("a schedule"),
        zygote: Some(command()),
        limits: ServerLimits {
            // So that the servers of many tests fit into one engine's pool.
            max_concurrency: (schedule != "sync").then_some(16),
            ..ServerLimits::default()
        },
        ..ServerConfig::default()
    };
    let cache = Cache::at(cache_folder()).expect("a cache");
    let handler = Handler::load_with_cache(example("upper"), Limits::default(), Some(&cache));
    let tasks = Runtime::new().expect("a runtime");
    let closed = tasks.block_on(async {
        let address = asked_for.parse().expect("an address");
        let server = runtime::Server::bind(&address, config, &handler.expect("a handler"));
        let server = server.expect("a server");
        let address = Address::parse(&server.server_address().to_string());
        let shutdown = server.shutdown_handle();
        let serving = tokio::spawn(async move {
            server.serve_forever().await.expect("it serves");
            server.server_close().await
        });
        let asking = move || ask_for_upper(&address.expect("an address"));
        spawn_blocking(asking).await.expect("no panic");
        shutdown.shutdown().await;
        serving.await.expect("no panic")
    });
    assert_eq!(closed, Closed::Drained);
    assert_no_socket_in(folder.path());
}

/// A guest without SDK, standard library and WASI.
fn bare(transport: &str, schedule: &str) {
    shouts(guest("bare"), transport, schedule);
}

/// A guest in another language.
fn in_c(transport: &str, schedule: &str) {
    if let Some(plain) = c_guest("plain") {
        shouts(plain, transport, schedule);
    }
}

fn shouts(handler: PathBuf, transport: &str, schedule: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let server = serve(handler, transport, schedule, folder.path());
    several(|number| {
        assert_eq!(
            server.ask(format!("hello {number}")),
            format!("HELLO {number}")
        );
    });
}

/// A static counter, counted up by each request, is 1 in each of them.
fn fresh(transport: &str, schedule: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let server = serve(guest("misbehave"), transport, schedule, folder.path());
    several(|_| {
        for _ in 0..5 {
            assert_eq!(server.ask("count\n"), "1");
        }
    });
}

/// What a handler is told about its server, and the numbers of requests.
fn told(transport: &str, schedule: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let server = serve(guest("misbehave"), transport, schedule, folder.path());
    let words = format!("TransportType::{transport} ScheduleType::{schedule} misbehave ");
    let ids: HashSet<String> = several(|_| {
        let about = server.ask("about\n");
        let lower = about.to_lowercase();
        let rest = lower.strip_prefix(&words.to_lowercase());
        let (id, address) = rest.and_then(|rest| rest.split_once(" at ")).expect(&about);
        let where_it_is = match transport {
            "tcp" | "udp" => format!("ipv4 127.0.0.1:{}", server.address().port()),
            _ => format!("unix path {}", server.address().path().display()),
        };
        assert_eq!(address, where_it_is.to_lowercase());
        id.to_owned()
    })
    .into_iter()
    .collect();
    let all: HashSet<String> = (1..=8).map(|id: u32| id.to_string()).collect();
    assert_eq!(ids, all);
}

/// Under sync, requests end in the order in which they came, however long one takes; under threaded, clients
/// wait for each other.
fn order(transport: &str, schedule: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let server = serve(guest("misbehave"), transport, schedule, folder.path());
    match (transport, schedule) {
        ("udp" | "unixgram", "sync") => packets_in_order(&server),
        ("udp" | "unixgram", _) => packets_overtake(&server),
        (_, "sync") => connections_in_order(&server),
        _ => connections_wait_for_each_other(&server),
    }
}

fn packets_in_order(server: &Server) {
    let mut client = server.connect();
    client.send(b"compute 100").expect("sent");
    for number in 0..10 {
        client
            .send(format!("reply {number}").as_bytes())
            .expect("sent");
    }
    assert_eq!(client.answer().expect("an answer"), "computed");
    for number in 0..10 {
        assert_eq!(client.answer().expect("an answer"), number.to_string());
    }
}

fn packets_overtake(server: &Server) {
    let mut client = server.connect();
    client.send(b"sleep 2000").expect("sent");
    for number in 0..8 {
        client
            .send(format!("reply {number}").as_bytes())
            .expect("sent");
    }
    let answers = (0..9)
        .map(|_| client.answer().expect("an answer"))
        .collect::<Vec<_>>();
    assert_eq!(
        answers.last().map(String::as_str),
        Some("slept"),
        "{answers:?}"
    );
}

/// The first client keeps the server while the others ask; only when it has left are they answered.
fn connections_in_order(server: &Server) {
    let mut first = server.connect();
    first.send(b"echo\n").expect("sent");
    let mut others: Vec<Client> = Vec::new();
    for number in 0..8 {
        let mut other = server.connect();
        other
            .send(format!("reply {number}\n").as_bytes())
            .expect("sent");
        others.push(other);
        first.send(b"still here").expect("sent");
        assert_eq!(first.exactly(10).expect("an answer"), "still here");
    }
    drop(first);
    for (number, mut other) in others.into_iter().enumerate() {
        assert_eq!(other.answer().expect("an answer"), number.to_string());
    }
    let _ = server.said(&["id=9"]);
    let log = server.stderr();
    let places: Vec<_> = (1..=9).map(|id| log.find(&format!("id={id}"))).collect();
    assert!(places.iter().all(Option::is_some), "{server}");
    assert!(places.is_sorted(), "requests ended out of order: {server}");
}

/// Each handler greets and then waits for its client, who answers when all have been greeted.
fn connections_wait_for_each_other(server: &Server) {
    let mut clients: Vec<Client> = (0..8).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send(b"greet\n").expect("sent");
        assert_eq!(client.exactly(5).expect("a greeting"), "hello");
    }
    for (number, client) in clients.iter_mut().enumerate().rev() {
        let answer = client.ask(format!("answer {number}").as_bytes());
        assert_eq!(answer.expect("an answer"), format!("answer {number}"));
    }
}
