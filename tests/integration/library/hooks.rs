//! What a program may override: when each hook is called, with what, and what a panic in one does.

use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use runtime::{Hooks, Outcome, Refusal, Report, Request, Server, ServerConfig, ShutdownHandle};
use tests::Address;

use super::{address_of, ask, at, bind, both, config, finish, handler, in_mid_request, soon};

/// Notes each call, by one word, and wakes who waits for it.
#[derive(Default)]
struct Notes {
    calls: Mutex<Vec<String>>,
    called: tokio::sync::Notify,
}

impl Notes {
    fn note(&self, call: String) {
        self.calls.lock().expect("not poisoned").push(call);
        self.called.notify_one();
    }

    fn calls(&self) -> Vec<String> {
        self.calls.lock().expect("not poisoned").clone()
    }

    /// Waits until `count` calls begin with `word`.
    async fn wait_for(&self, word: &str, count: usize) {
        soon(async {
            while self
                .calls()
                .iter()
                .filter(|call| call.starts_with(word))
                .count()
                < count
            {
                self.called.notified().await;
            }
        })
        .await;
    }
}

/// Notes everything, and refuses packets and clients that say so.
struct Noting(Arc<Notes>);

impl Hooks for Noting {
    fn verify_request(&self, request: &Request) -> bool {
        self.0.note(format!("verify {}", request.id()));
        !request
            .packet()
            .is_some_and(|packet| packet.starts_with(b"refuse"))
    }

    fn handle_error(&self, report: &Report) {
        self.0
            .note(format!("error {} {}", report.id, report.outcome.as_str()));
    }

    fn shutdown_request(&self, report: &Report) {
        self.0
            .note(format!("end {} {}", report.id, report.outcome.as_str()));
    }

    fn handle_timeout(&self) {
        self.0.note("timeout".to_owned());
    }
}

/// A server with hooks, that serves in a task.
fn serve(server: Server, hooks: impl Hooks + 'static) -> (Arc<Server>, Address) {
    let server = Arc::new(server.with_hooks(hooks));
    let serving = Arc::clone(&server);
    tokio::spawn(async move { serving.serve_forever().await });
    let address = address_of(&server);
    (server, address)
}

#[tokio::test(flavor = "multi_thread")]
async fn handle_error_is_for_what_the_handler_did_wrong() {
    let notes = Arc::new(Notes::default());
    let (server, address) = serve(bind(config()), Noting(Arc::clone(&notes)));
    for request in ["error x", "panic x", "trap", "allocate 1000000000", "spin"] {
        assert_eq!(ask(&address, request).await, "");
    }
    for request in ["exit 0", "exit 1"] {
        assert_eq!(ask(&address, request).await, "");
    }
    assert_eq!(ask(&address, "upper fine").await, "FINE");
    let mut gone = in_mid_request(&address).await;
    gone.send(b"").expect("sent");
    gone.reset().expect("reset");
    notes.wait_for("end", 9).await;
    let calls = notes.calls();
    let errors: Vec<&String> = calls
        .iter()
        .filter(|call| call.starts_with("error"))
        .collect();
    assert_eq!(
        errors,
        [
            "error 1 handler-error",
            "error 2 trap",
            "error 3 trap",
            "error 4 memory",
            "error 5 cpu"
        ]
    );
    for end in ["end 6 exit", "end 7 exit", "end 8 ok", "end 9 client-gone"] {
        assert!(calls.iter().any(|call| call == end), "{end}: {calls:?}");
    }
    let counters = server.counters();
    assert_eq!(
        (counters.requests, counters.ok, counters.refused),
        (9, 2, 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_request_is_shut_down_and_counts() {
    let notes = Arc::new(Notes::default());
    let server = Server::bind(&at("udp://127.0.0.1:0"), config(), handler()).expect("bound");
    let server = server.with_hooks(Noting(Arc::clone(&notes)));
    let mut client = tests::Client::connect(&address_of(&server));
    client.send(b"refuse me").expect("sent");
    assert_eq!(
        soon(server.handle_request()).await.expect("it serves"),
        runtime::Handled::Request
    );
    assert_eq!(notes.calls(), ["verify 1", "end 1 refused-verify"]);
    assert_eq!(server.counters().refused, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_connection_is_closed() {
    struct Nobody(Arc<Mutex<Vec<Report>>>);
    impl Hooks for Nobody {
        fn verify_request(&self, _: &Request) -> bool {
            false
        }
        fn shutdown_request(&self, report: &Report) {
            self.0.lock().expect("not poisoned").push(report.clone());
        }
    }
    let reports = Arc::new(Mutex::new(Vec::new()));
    let (server, address) = serve(bind(config()), Nobody(Arc::clone(&reports)));
    for _ in 0..3 {
        let mut client = tests::Client::connect(&address);
        let ended = tokio::task::spawn_blocking(move || client.answer().unwrap_or_default());
        assert_eq!(soon(ended).await.expect("a client"), "");
    }
    soon(server.shutdown_handle().shutdown()).await;
    assert_eq!(server.counters().refused, 3);
    let reports = reports.lock().expect("not poisoned");
    assert_eq!(reports.len(), 3);
    for report in reports.iter() {
        assert_eq!(report.outcome, Outcome::Refused(Refusal::Verify));
        assert_eq!(report.peak_memory, 0, "a guest was started");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn handle_timeout_is_called_by_handle_request() {
    let notes = Arc::new(Notes::default());
    let timeout = Some(Duration::from_millis(20));
    let server = bind(ServerConfig {
        timeout,
        ..config()
    })
    .with_hooks(Noting(Arc::clone(&notes)));
    for _ in 0..2 {
        soon(server.handle_request()).await.expect("it serves");
    }
    assert_eq!(notes.calls(), ["timeout", "timeout"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_has_everything() {
    struct Keeping(Arc<Mutex<Vec<Report>>>, Arc<Notes>);
    impl Hooks for Keeping {
        fn shutdown_request(&self, report: &Report) {
            self.0.lock().expect("not poisoned").push(report.clone());
            self.1.note("end".to_owned());
        }
    }
    let (reports, notes) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Notes::default()));
    let (_server, address) = serve(
        bind(config()),
        Keeping(Arc::clone(&reports), Arc::clone(&notes)),
    );
    assert_eq!(ask(&address, "upper four").await, "FOUR");
    assert_eq!(ask(&address, "error x").await, "");
    notes.wait_for("end", 2).await;
    let reports = reports.lock().expect("not poisoned");
    let [well, failed] = reports.as_slice() else {
        panic!("{reports:?}")
    };
    assert_eq!(
        (well.id, &well.outcome, well.fault()),
        (1, &Outcome::Ok, None)
    );
    assert_eq!((well.bytes_in, well.bytes_out), (11, 4));
    assert!(well.peak_memory > 0 && well.duration > Duration::ZERO);
    assert_eq!(failed.outcome, Outcome::HandlerError("x".to_owned()));
    assert_eq!(failed.fault(), Some(runtime::Fault::Handler));
    assert!(well.client_address.to_string().starts_with("127.0.0.1:"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_a_hook_is_caught() {
    struct Clumsy;
    impl Hooks for Clumsy {
        fn handle_error(&self, _: &Report) {
            panic!("handle_error");
        }
        fn shutdown_request(&self, _: &Report) {
            panic!("shutdown_request");
        }
        fn handle_timeout(&self) {
            panic!("handle_timeout");
        }
        fn service_actions(&self) -> Option<Duration> {
            panic!("service_actions");
        }
    }
    let timeout = Some(Duration::from_millis(20));
    let server = bind(ServerConfig {
        timeout,
        ..config()
    });
    let (server, address) = serve(server, Clumsy);
    for _ in 0..3 {
        assert_eq!(ask(&address, "error x").await, "");
        assert_eq!(ask(&address, "upper fine").await, "FINE");
    }
    soon(server.shutdown_handle().shutdown()).await;
    assert_eq!(
        soon(server.handle_request()).await.expect("it serves"),
        runtime::Handled::Timeout
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verify_request_that_panics_refuses() {
    struct Clumsy;
    impl Hooks for Clumsy {
        fn verify_request(&self, request: &Request) -> bool {
            assert!(request.id() > 1, "the first is too much");
            true
        }
    }
    let (server, address) = serve(bind(config()), Clumsy);
    let mut first = tests::Client::connect(&address);
    let ended = tokio::task::spawn_blocking(move || first.answer().unwrap_or_default());
    assert_eq!(soon(ended).await.expect("a client"), "");
    assert_eq!(ask(&address, "upper second").await, "SECOND");
    assert_eq!(server.counters().refused, 1);
}

/// Wants to be called soon; a server without this hook is never woken.
#[tokio::test(flavor = "multi_thread")]
async fn service_actions_is_called_again_and_again_and_after_each_request() {
    struct Busy(Arc<Notes>, Duration);
    impl Hooks for Busy {
        fn service_actions(&self) -> Option<Duration> {
            self.0.note("service".to_owned());
            Some(self.1)
        }
    }
    for interval in [Duration::from_millis(10), Duration::from_secs(3600)] {
        let notes = Arc::new(Notes::default());
        let (_server, address) = serve(bind(config()), Busy(Arc::clone(&notes), interval));
        // An hour is too long: it is called twice a second at least.
        notes.wait_for("service", 4).await;
        let before = notes.calls().len();
        assert_eq!(ask(&address, "upper x").await, "X");
        notes.wait_for("service", before + 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_from_inside_a_hook_does_not_deadlock() {
    #[derive(Default)]
    struct Ending {
        handle: Arc<Mutex<Option<ShutdownHandle>>>,
        /// A hook's own panic would be caught: what it saw is looked at outside.
        polled: Arc<Mutex<Option<Poll<()>>>>,
    }
    impl Hooks for Ending {
        fn shutdown_request(&self, _: &Report) {
            let handle = self.handle.lock().expect("not poisoned").clone();
            let mut shutdown = std::pin::pin!(handle.expect("a handle").shutdown());
            let mut context = Context::from_waker(Waker::noop());
            let polled = shutdown.as_mut().poll(&mut context);
            *self.polled.lock().expect("not poisoned") = Some(polled);
        }
    }
    for schedule in [runtime::Schedule::Sync, runtime::Schedule::Threaded] {
        let ending = Ending::default();
        let (handle, polled) = (Arc::clone(&ending.handle), Arc::clone(&ending.polled));
        let server = bind(ServerConfig {
            schedule,
            ..config()
        })
        .with_hooks(ending);
        *handle.lock().expect("not poisoned") = Some(server.shutdown_handle());
        let address = address_of(&server);
        let (served, answer) = both(server.serve_forever(), ask(&address, "upper x")).await;
        served.expect("it serves");
        assert_eq!(answer, "X");
        assert_eq!(soon(server.server_close()).await, runtime::Closed::Drained);
        // A hook that waited here would wait for itself.
        assert_eq!(*polled.lock().expect("not poisoned"), Some(Poll::Ready(())));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_cut_short_is_reported_too() {
    let notes = Arc::new(Notes::default());
    let server = bind(ServerConfig {
        block_on_close: false,
        ..config()
    });
    let server = server.with_hooks(Noting(Arc::clone(&notes)));
    let address = address_of(&server);
    let (handled, client) = both(server.handle_request(), in_mid_request(&address)).await;
    handled.expect("it serves");
    assert_eq!(soon(server.server_close()).await, runtime::Closed::CutShort);
    notes.wait_for("end 1 aborted", 1).await;
    assert_eq!(finish(client, "too late").await, "");
}
