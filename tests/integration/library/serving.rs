//! `serve_forever`, `handle_request` and `shutdown`, with Python's semantics.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use runtime::{Handled, Hooks, Limits, Request, Schedule, Server, ServerConfig, ShutdownHandle};
use tokio::time::timeout;

use super::{
    address_of, ask, at, bind, both, config, finish, handler, handler_with, in_mid_request, soon,
};

/// Serves in a task.
fn serve(server: &Arc<Server>) -> tokio::task::JoinHandle<()> {
    let server = Arc::clone(server);
    tokio::spawn(async move { server.serve_forever().await.expect("it serves") })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_shut_down_may_serve_again() {
    let server = Arc::new(bind(config()));
    let address = address_of(&server);
    for _ in 0..3 {
        let serving = serve(&server);
        assert_eq!(ask(&address, "upper again").await, "AGAIN");
        soon(server.shutdown_handle().shutdown()).await;
        soon(serving).await.expect("no panic");
    }
}

/// However many clients wait, and keep the server busy.
#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_is_heard_before_the_next_client() {
    /// Asks for the shutdown when the first request is taken.
    struct Ending(Arc<OnceLock<ShutdownHandle>>);
    impl Hooks for Ending {
        fn verify_request(&self, _: &Request) -> bool {
            drop(self.0.get().expect("a handle").shutdown());
            true
        }
    }
    for (schedule, request) in [
        (Schedule::Sync, "sleep 20\n"),
        (Schedule::Threaded, "upper x\n"),
    ] {
        let handle = Arc::new(OnceLock::new());
        let server = bind(ServerConfig {
            schedule,
            ..config()
        });
        let server = server.with_hooks(Ending(Arc::clone(&handle)));
        handle.get_or_init(|| server.shutdown_handle());
        let address = address_of(&server);
        let clients = (0..50).map(|_| {
            let mut client = tests::Client::connect(&address);
            client.send(request.as_bytes()).expect("it takes a line");
            client
        });
        let clients: Vec<_> = clients.collect();
        soon(server.serve_forever()).await.expect("it serves");
        let taken = server.counters().requests;
        assert!(taken <= 4, "{schedule:?}: {taken} of {}", clients.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_before_serving_makes_it_return_at_once() {
    let server = bind(config());
    let shutdown = server.shutdown_handle().shutdown();
    soon(server.serve_forever()).await.expect("it serves");
    soon(shutdown).await;
    // It was for that one time.
    let serving = timeout(Duration::from_millis(100), server.serve_forever()).await;
    assert!(serving.is_err(), "it returned again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_of_a_server_that_is_gone_does_not_wait() {
    let server = bind(config());
    let handle = server.shutdown_handle();
    drop(server);
    soon(handle.shutdown()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_waits_until_serve_forever_has_returned() {
    for schedule in [Schedule::Sync, Schedule::Threaded] {
        let server = Arc::new(bind(ServerConfig {
            schedule,
            ..config()
        }));
        let address = address_of(&server);
        let serving = serve(&server);
        let client = in_mid_request(&address).await;
        let shutdown = tokio::spawn(server.shutdown_handle().shutdown());
        assert_eq!(finish(client, "bye").await, "bye");
        soon(shutdown).await.expect("no panic");
        assert!(soon(serving).await.is_ok());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_servers_are_shut_down_at_once() {
    for in_the_middle in [false, true] {
        let servers: Vec<_> = (0..20).map(|_| Arc::new(bind(config()))).collect();
        let serving: Vec<_> = servers.iter().map(serve).collect();
        let mut clients = Vec::new();
        if in_the_middle {
            for server in &servers {
                clients.push(in_mid_request(&address_of(server)).await);
            }
        }
        let shutdowns: Vec<_> = servers
            .iter()
            .map(|server| tokio::spawn(server.shutdown_handle().shutdown()))
            .collect();
        for shutdown in shutdowns {
            soon(shutdown).await.expect("no panic");
        }
        for serving in serving {
            soon(serving).await.expect("no panic");
        }
        for client in clients {
            assert_eq!(finish(client, "still served").await, "still served");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn handle_request_takes_one() {
    for schedule in [Schedule::Sync, Schedule::Threaded] {
        let server = bind(ServerConfig {
            schedule,
            ..config()
        });
        let address = address_of(&server);
        let (handled, answer) = both(server.handle_request(), ask(&address, "upper one")).await;
        assert_eq!(handled.expect("it serves"), Handled::Request);
        assert_eq!(answer, "ONE");
        assert_eq!(soon(server.server_close()).await, runtime::Closed::Drained);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn handle_request_of_sync_returns_when_the_request_is_finished() {
    let server = bind(ServerConfig {
        schedule: Schedule::Sync,
        ..config()
    });
    let address = address_of(&server);
    let (handled, answer) = both(server.handle_request(), ask(&address, "upper one")).await;
    assert_eq!(
        (handled.expect("it serves"), answer.as_str()),
        (Handled::Request, "ONE")
    );
    assert_eq!((server.counters().requests, server.counters().ok), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn handle_request_has_a_timeout_and_serve_forever_has_none() {
    let timeout_of = Some(Duration::from_millis(50));
    let server = Arc::new(bind(ServerConfig {
        timeout: timeout_of,
        ..config()
    }));
    assert_eq!(
        soon(server.handle_request()).await.expect("it serves"),
        Handled::Timeout
    );
    let forever = timeout(Duration::from_millis(300), server.serve_forever()).await;
    assert!(forever.is_err(), "serve_forever ended");
    let serving = serve(&server);
    assert_eq!(ask(&address_of(&server), "upper more").await, "MORE");
    serving.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn handle_request_ends_by_a_shutdown() {
    let server = Arc::new(bind(config()));
    let handling = {
        let server = Arc::clone(&server);
        tokio::spawn(async move { server.handle_request().await.expect("it serves") })
    };
    soon(server.shutdown_handle().shutdown()).await;
    assert_eq!(soon(handling).await.expect("no panic"), Handled::Shutdown);
}

/// Dropping the future at any moment loses no client: it is taken by the next call.
#[tokio::test(flavor = "multi_thread")]
async fn serve_forever_may_be_cancelled_at_any_time() {
    let server = Arc::new(bind(config()));
    let address = address_of(&server);
    let asking = tokio::spawn(async move {
        for _ in 0..50 {
            assert_eq!(ask(&address, "upper still there").await, "STILL THERE");
        }
    });
    while !asking.is_finished() {
        drop(timeout(Duration::from_millis(3), server.serve_forever()).await);
    }
    asking.await.expect("every client was answered");
}

#[tokio::test(flavor = "multi_thread")]
async fn three_servers_in_one_process_keep_their_own_limits() {
    let megabytes = |count: u64| count << 20;
    let limits = |max_memory, cpu_milliseconds| Limits {
        max_memory,
        cpu_limit: Some(Duration::from_millis(cpu_milliseconds)),
        ..Limits::default()
    };
    let small = handler_with(limits(megabytes(8), 100));
    let middle = handler_with(limits(megabytes(32), 5000));
    let server = |place: &str, handler| Server::bind(&at(place), config(), handler).expect("bound");
    let servers = [
        Arc::new(server("tcp://127.0.0.1:0", &small)),
        Arc::new(server("tcp://127.0.0.1:0", &middle)),
        Arc::new(server("udp://127.0.0.1:0", handler())),
    ];
    let serving: Vec<_> = servers.iter().map(serve).collect();
    let [small, middle, packets] = servers.each_ref().map(|server| address_of(server));
    assert_eq!(ask(&small, "allocate 16000000").await, "");
    assert_eq!(ask(&middle, "allocate 16000000").await, "16000000");
    assert_eq!(ask(&packets, "allocate 16000000").await, "16000000");
    assert_eq!(ask(&small, "compute 30000").await, "");
    assert_eq!(ask(&middle, "compute 400").await, "computed");
    for server in &servers {
        soon(server.shutdown_handle().shutdown()).await;
    }
    for serving in serving {
        soon(serving).await.expect("no panic");
    }
}

/// A thread of this process ticks for all engines and servers.
#[test]
fn servers_of_a_process_share_one_ticker() {
    super::in_a_process_of_its_own("library::serving::tickers");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "counts the threads of the whole process: run by the test above"]
async fn tickers() {
    let servers: Vec<_> = (0..3).map(|_| Arc::new(bind(config()))).collect();
    let serving: Vec<_> = servers.iter().map(serve).collect();
    for server in &servers {
        assert_eq!(ask(&address_of(server), "upper x").await, "X");
    }
    let names = std::fs::read_dir("/proc/self/task")
        .expect("threads")
        .map(|task| {
            let comm = task.expect("a thread").path().join("comm");
            std::fs::read_to_string(comm).unwrap_or_default()
        });
    assert_eq!(names.filter(|name| name.trim() == "ticker").count(), 1);
    for serving in serving {
        serving.abort();
    }
}
