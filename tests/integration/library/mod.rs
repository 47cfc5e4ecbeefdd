//! The library itself, without the command: servers inside this process.

mod closing; // server_close, dropping, what must not be left behind
mod hooks; // what a program may override
mod serving; // serve_forever, handle_request, shutdown
mod sockets; // server_bind and server_activate apart, from_socket, process_request
mod together; // packets that are received together

use std::sync::OnceLock;
use std::time::Duration;

use runtime::{BindAddress, Cache, Handler, Limits, Server, ServerConfig, ServerLimits};
use tests::{Address, Client, PATIENCE, cache_folder, guest};
use tokio::time::timeout;

/// The handler of these tests, with limits.
fn handler_with(limits: Limits) -> Handler {
    let cache = Cache::at(cache_folder()).expect("a cache");
    Handler::load_with_cache(guest("misbehave"), limits, Some(&cache)).expect("a handler")
}

/// The same with small limits, loaded once.
fn handler() -> &'static Handler {
    static HANDLER: OnceLock<Handler> = OnceLock::new();
    HANDLER.get_or_init(|| {
        handler_with(Limits {
            cpu_limit: Some(Duration::from_millis(300)),
            ..Limits::default()
        })
    })
}

/// Few requests at once, so that the servers of many tests fit into one engine's pool.
fn config() -> ServerConfig {
    ServerConfig {
        limits: ServerLimits {
            max_concurrency: Some(16),
            ..ServerLimits::default()
        },
        ..ServerConfig::default()
    }
}

fn at(address: &str) -> BindAddress {
    address.parse().expect("an address")
}

/// A server of streams on a free port.
fn bind(config: ServerConfig) -> Server {
    Server::bind(&at("tcp://127.0.0.1:0"), config, handler()).expect("a server")
}

/// What a future gives, which must be soon.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("it takes too long")
}

/// What two futures give that need each other: a server's, say, and its client's.
async fn both<A, B>(one: impl Future<Output = A>, other: impl Future<Output = B>) -> (A, B) {
    soon(async { tokio::join!(one, other) }).await
}

fn address_of(server: &Server) -> Address {
    Address::parse(&server.server_address().to_string()).expect("an address")
}

/// Asks in a thread that may block, by a client of its own.
async fn ask(address: &Address, request: &str) -> String {
    let (address, request) = (address.clone(), format!("{request}\n"));
    let asked = tokio::task::spawn_blocking(move || {
        Client::connect(&address)
            .ask(request.as_bytes())
            .expect("an answer")
    });
    soon(asked).await.expect("a client")
}

/// A connection in the middle of its request: its handler has greeted, and waits for the answer.
async fn in_mid_request(address: &Address) -> Client {
    let address = address.clone();
    let connected = tokio::task::spawn_blocking(move || {
        let mut client = Client::connect(&address);
        client.send(b"greet\n").expect("sent");
        assert_eq!(client.exactly(5).expect("a greeting"), "hello");
        client
    });
    soon(connected).await.expect("a client")
}

/// What a client in mid-request is told after its answer.
async fn finish(mut client: Client, answer: &'static str) -> String {
    let told = tokio::task::spawn_blocking(move || client.ask(answer.as_bytes()));
    soon(told).await.expect("a client").unwrap_or_default()
}

/// Runs one of the ignored tests of this binary in a process of its own: what it counts is the whole
/// process's.
fn in_a_process_of_its_own(name: &str) {
    let this = std::env::current_exe().expect("the test's own path");
    let output = std::process::Command::new(this)
        .args([
            "--exact",
            name,
            "--ignored",
            "--nocapture",
            "--test-threads",
            "1",
        ])
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let failed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{failed}");
    assert!(said.contains("1 passed"), "{name} was not found: {said}");
}
