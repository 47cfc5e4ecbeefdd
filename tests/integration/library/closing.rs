//! `server_close`, dropping a server, and what must not be left behind.

use std::sync::Arc;
use std::time::{Duration, Instant};

use runtime::{Closed, Server, ServerConfig, ServerLimits};
use tests::{Client, PATIENCE};

use super::{address_of, at, bind, both, config, finish, handler, in_mid_request, soon};

/// Waits until a socket that this process closed is closed indeed: a program that another test is starting
/// holds a copy of every descriptor until it has begun.
fn at_last(what: &str, mut closed: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !closed() {
        assert!(Instant::now() < until, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_never_served_can_be_closed() {
    for transport in ["tcp", "udp"] {
        let address = at(&format!("{transport}://127.0.0.1:0"));
        let server = Server::bind(&address, config(), handler()).expect("bound");
        let printed = server.server_address().to_string();
        assert_eq!(soon(server.server_close()).await, Closed::Drained);
        at_last("the port is free again", || {
            Server::bind(&at(&printed), config(), handler()).is_ok()
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_waits_for_running_requests() {
    let server = bind(config());
    let address = address_of(&server);
    let (handled, client) = both(server.handle_request(), in_mid_request(&address)).await;
    handled.expect("it serves");
    let closing = tokio::spawn(server.server_close());
    assert_eq!(finish(client, "bye").await, "bye");
    assert_eq!(soon(closing).await.expect("no panic"), Closed::Drained);
    at_last("the socket is closed", || {
        Client::try_connect(&address).is_err()
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_waits_for_the_drain_time_at_most_and_not_at_all_for_daemons() {
    for (drain_timeout, block_on_close) in [
        (Duration::from_millis(100), true),
        (Duration::from_secs(3600), false),
    ] {
        let server = bind(ServerConfig {
            drain_timeout,
            block_on_close,
            ..config()
        });
        let address = address_of(&server);
        let (handled, client) = both(server.handle_request(), in_mid_request(&address)).await;
        handled.expect("it serves");
        assert_eq!(soon(server.server_close()).await, Closed::CutShort);
        assert_eq!(finish(client, "too late").await, "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_a_server_closes_its_socket_and_aborts_what_runs() {
    let server = bind(config());
    let address = address_of(&server);
    let (handled, client) = both(server.handle_request(), in_mid_request(&address)).await;
    handled.expect("it serves");
    drop(server);
    at_last("the socket is closed", || {
        Client::try_connect(&address).is_err()
    });
    assert_eq!(finish(client, "too late").await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_a_server_removes_its_socket_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    let address = at(&format!("unix://{}", path.display()));
    let server = Server::bind(&address, config(), handler()).expect("bound");
    assert!(path.exists());
    drop(server);
    assert!(!path.exists());
}

#[test]
fn failing_binds_leave_no_descriptor() {
    super::in_a_process_of_its_own("library::closing::failing_binds");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "counts the descriptors of the whole process: run by the test above"]
async fn failing_binds() {
    let descriptors = || {
        std::fs::read_dir("/proc/self/fd")
            .expect("descriptors")
            .count()
    };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    let first = bind(config());
    let taken = at(&first.server_address().to_string());
    let packets = Server::bind(&at("udp://127.0.0.1:0"), config(), handler()).expect("bound");
    let taken_too = at(&packets.server_address().to_string());
    let in_use = at(&format!("unix://{}", path.display()));
    let unix = Server::bind(&in_use, config(), handler()).expect("bound");
    let missing = at("unix:///no/such/folder/socket");
    let too_many = ServerConfig {
        limits: ServerLimits {
            max_concurrency: Some(u32::MAX),
            ..ServerLimits::default()
        },
        ..ServerConfig::default()
    };
    let before = descriptors();
    for _ in 0..256 {
        for address in [&taken, &taken_too, &in_use, &missing] {
            assert!(Server::bind(address, config(), handler()).is_err());
        }
        assert!(Server::bind(&at("tcp://127.0.0.1:0"), too_many.clone(), handler()).is_err());
    }
    assert_eq!(descriptors(), before);
    drop((first, packets, unix));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_servers_come_and_go() {
    for _ in 0..200 {
        let server = Arc::new(bind(config()));
        let serving = {
            let server = Arc::clone(&server);
            tokio::spawn(async move { server.serve_forever().await })
        };
        soon(server.shutdown_handle().shutdown()).await;
        soon(serving).await.expect("no panic").expect("it serves");
    }
}
