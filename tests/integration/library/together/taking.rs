//! Who takes packets that are received together, and what becomes of those that were taken when that ends.

use std::collections::HashSet;
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::thread::{self, ThreadId};
use std::time::Duration;

use runtime::{Handled, Hooks, Request, Schedule, ServerConfig, ServerLimits, ShutdownHandle};
use tokio::sync::Notify;

use super::{TOGETHER, answer, answers, bind, client, config, ip_of, serve};
use crate::library::soon;

/// Asks for the shutdown at the first request.
#[derive(Default)]
struct Ending(Arc<OnceLock<ShutdownHandle>>);

impl Hooks for Ending {
    fn verify_request(&self, _: &Request) -> bool {
        drop(self.0.get().expect("a handle").shutdown());
        true
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_received_before_the_shutdown_is_answered() {
    let ending = Ending::default();
    let handle = Arc::clone(&ending.0);
    let server = bind(config()).with_hooks(ending);
    handle.set(server.shutdown_handle()).expect("set once");
    let client = client(ip_of(&server), &["upper x"; TOGETHER]).await;
    soon(server.serve_forever()).await.expect("it serves");
    // Nobody serves any more: what has not left by now, never will.
    assert_eq!(answers(&client, TOGETHER).await, ["X"; TOGETHER]);
    // A request is counted when it has ended, which is after its answer.
    server.wait_for_requests().await;
    assert_eq!(server.counters().ok, TOGETHER as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn handle_request_takes_one_packet_and_leaves_the_others_with_the_kernel() {
    for schedule in [Schedule::Sync, Schedule::Threaded] {
        let server = bind(ServerConfig {
            schedule,
            ..config()
        });
        let client = client(ip_of(&server), &["upper one", "upper two", "upper three"]).await;
        for (request, next) in [("ONE", "upper two"), ("TWO", "upper three")] {
            let handled = soon(server.handle_request()).await.expect("it serves");
            assert_eq!(handled, Handled::Request);
            assert_eq!(answer(&client).await.0, request);
            let mut buffer = [0; 100];
            let socket = server.as_fd();
            let flags = rustix::net::RecvFlags::PEEK | rustix::net::RecvFlags::DONTWAIT;
            let (count, _) = rustix::net::recv(socket, &mut buffer, flags).expect("a packet");
            assert_eq!(String::from_utf8_lossy(&buffer[..count]), next);
        }
    }
}

/// Notes who takes requests, and how often it is asked what else is to be done.
#[derive(Default)]
struct Takers {
    threads: Mutex<HashSet<ThreadId>>,
    joined: Condvar,
    actions: AtomicUsize,
}

/// Is busy with a request until a second thread takes requests, too.
struct Busy(Arc<Takers>);

impl Hooks for Busy {
    fn verify_request(&self, _: &Request) -> bool {
        /// Not for longer at a time: this thread may have to hand on what the other one is to run.
        const AT_A_TIME: Duration = Duration::from_millis(1);
        let mut threads = self.0.threads.lock().expect("not poisoned");
        threads.insert(thread::current().id());
        self.0.joined.notify_all();
        let alone = |threads: &mut HashSet<_>| threads.len() == 1;
        let waited = self.0.joined.wait_timeout_while(threads, AT_A_TIME, alone);
        drop(waited.expect("not poisoned"));
        true
    }

    fn service_actions(&self) -> Option<Duration> {
        self.0.actions.fetch_add(1, SeqCst);
        None
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn several_threads_take_requests_and_each_calls_service_actions() {
    const PACKETS: usize = 200;
    let takers = Arc::new(Takers::default());
    let server = bind(config()).with_hooks(Busy(Arc::clone(&takers)));
    let client = client(ip_of(&server), &["upper x"; PACKETS]).await;
    let answers = serve(&server, answers(&client, PACKETS)).await;
    assert_eq!(answers, ["X"; PACKETS]);
    assert!(takers.threads.lock().expect("not poisoned").len() > 1);
    // Once at the beginning, and after each request; the last one's may have come after the shutdown.
    let actions = takers.actions.load(SeqCst);
    assert!((PACKETS..=PACKETS + 1).contains(&actions), "{actions}");
}

#[tokio::test(flavor = "multi_thread")]
async fn those_that_have_to_wait_are_answered_later() {
    let server = bind(config());
    let client = client(ip_of(&server), &["sleep 50"; TOGETHER]).await;
    let answers = serve(&server, answers(&client, TOGETHER)).await;
    assert_eq!(answers, ["slept"; TOGETHER]);
}

#[tokio::test]
async fn one_thread_is_enough() {
    let server = bind(config());
    let client = client(ip_of(&server), &["upper x"; 5 * TOGETHER]).await;
    let answers = serve(&server, answers(&client, 5 * TOGETHER)).await;
    assert_eq!(answers, ["X"; 5 * TOGETHER]);
}

#[tokio::test(flavor = "multi_thread")]
async fn packets_that_wait_for_room_are_all_served() {
    for max_concurrency in [1, 2] {
        let server = bind(ServerConfig {
            limits: ServerLimits {
                max_concurrency: Some(max_concurrency),
                ..ServerLimits::default()
            },
            when_full: runtime::WhenFull::Wait,
            ..config()
        });
        let requests: Vec<&str> = ["sleep 3", "upper x"].repeat(30);
        let client = client(ip_of(&server), &requests).await;
        let answers = serve(&server, answers(&client, requests.len())).await;
        assert_eq!(answers[..30], ["X"; 30]);
        assert_eq!(answers[30..], ["slept"; 30]);
        assert_eq!(server.counters().refused, 0);
    }
}

/// Tells when a request is taken.
struct Telling(Arc<Notify>, u64);

impl Hooks for Telling {
    fn verify_request(&self, request: &Request) -> bool {
        if request.id() == self.1 {
            self.0.notify_one();
        }
        true
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_on_after_serve_forever_was_dropped_is_answered() {
    let taken = Arc::new(Notify::new());
    let server = bind(config()).with_hooks(Telling(Arc::clone(&taken), 10));
    let client = client(ip_of(&server), &["sleep 50"; 32]).await;
    tokio::select! {
        () = taken.notified() => {}
        _ = server.serve_forever() => panic!("nobody asked it to end"),
    }
    let mut answered = 0;
    soon(async {
        while answered < 9 || answered < server.counters().ok {
            answer(&client).await;
            answered += 1;
        }
        server.wait_for_requests().await;
    })
    .await;
    while answered < server.counters().ok {
        soon(answer(&client)).await;
        answered += 1;
    }
}
