//! Python's `shutdown`: makes `serve_forever` return, and waits until it has.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use tokio::sync::{Notify, watch};

use crate::hooks::in_hook;

/// Ends a server's `serve_forever` from elsewhere. Clones end the same server.
///
/// As in Python, a shutdown that is asked for before `serve_forever` began makes it return as soon as it
/// begins; and a server that was shut down may serve again.
///
/// ```no_run
/// # async fn run(server: runtime::Server) {
/// let handle = server.shutdown_handle();
/// tokio::join!(server.serve_forever(), handle.shutdown()).0.ok();
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ShutdownHandle {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    asked: AtomicBool,
    /// Somebody stopped because of it, so that it is no longer to be obeyed once all have stopped.
    obeyed: AtomicBool,
    wake: Notify,
    /// How many `serve_forever` run, and whether one has ended yet.
    state: watch::Sender<State>,
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    serving: usize,
    has_served: bool,
    closed: bool,
}

/// A server's own handle. Dropping it, with the server, lets go of everybody who waits.
pub(crate) struct Shutdown(pub(crate) ShutdownHandle);

impl Drop for Shutdown {
    fn drop(&mut self) {
        self.0.shared.state.send_modify(|state| state.closed = true);
    }
}

/// One run of `serve_forever` or `handle_request`. Dropping it tells who waits for its end.
pub(crate) struct Serving(Arc<Shared>);

/// What a run is asked to do, for each task of it.
#[derive(Clone)]
pub(crate) struct Asked(Arc<Shared>);

impl ShutdownHandle {
    pub(crate) fn new() -> Self {
        Self {
            shared: Arc::new(Shared {
                asked: AtomicBool::new(false),
                obeyed: AtomicBool::new(false),
                wake: Notify::new(),
                state: watch::Sender::new(State::default()),
            }),
        }
    }

    /// Asks `serve_forever` to return, at once; the future is ready when it has, or when the server is
    /// gone.
    ///
    /// Inside a [hook](crate::Hooks) the future is ready at once, since the server waits for the hook.
    pub fn shutdown(&self) -> impl Future<Output = ()> + Send + use<> {
        self.shared.asked.store(true, SeqCst);
        self.shared.wake.notify_waiters();
        let shared = Arc::clone(&self.shared);
        let ends_by_itself = in_hook();
        async move {
            let mut state = shared.state.subscribe();
            if !ends_by_itself {
                let ended =
                    |state: &State| state.closed || (state.has_served && state.serving == 0);
                // The sender is part of the handle: this cannot fail.
                let _ = state.wait_for(ended).await.map(drop);
            }
        }
    }

    /// `serve_forever` begins.
    pub(crate) fn serving(&self) -> Serving {
        self.shared.state.send_modify(|state| state.serving += 1);
        Serving(Arc::clone(&self.shared))
    }
}

impl Serving {
    pub(crate) fn asked(&self) -> Asked {
        Asked(Arc::clone(&self.0))
    }
}

impl Asked {
    /// True if a shutdown is asked for, which the caller then obeys.
    pub(crate) fn is_asked(&self) -> bool {
        let asked = self.0.asked.load(SeqCst);
        if asked {
            self.0.obeyed.store(true, SeqCst);
        }
        asked
    }

    /// Waits until a shutdown is asked for, which the caller then obeys.
    pub(crate) async fn wait(&self) {
        loop {
            let woken = self.0.wake.notified();
            if self.is_asked() {
                return;
            }
            woken.await;
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.state.send_modify(|state| {
            state.serving -= 1;
            state.has_served = true;
            if state.serving == 0 && self.0.obeyed.swap(false, SeqCst) {
                self.0.asked.store(false, SeqCst);
            }
        });
    }
}
