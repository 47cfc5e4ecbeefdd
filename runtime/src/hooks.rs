//! What a program may add: the methods that Python lets a subclass of `BaseServer` override.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use crate::outcome::Report;
use crate::request::Request;

/// Python's overridable methods, each with Python's default.
///
/// They are ordinary functions, called between two steps of the server: they must not block. A panic in
/// one is caught and logged, and the server goes on; a `verify_request` that panics refuses.
///
/// All of them are called in the server's own process, under the forking schedule, too: there only the handler runs
/// in a child, and what a hook knows, counts and opens is the server's. Python calls `shutdown_request` and, after a
/// request that failed, `handle_error` in the child.
///
/// Of Python's other methods, `get_request` and `process_request` have the form of
/// [`Server::process_request`](crate::Server::process_request), for programs that accept by themselves;
/// `finish_request` and `close_request` cannot be overridden, since between a client and a handler that nobody
/// trusts there is exactly one path.
///
/// ```
/// use runtime::{Hooks, Report, Request};
///
/// struct Loopback;
///
/// impl Hooks for Loopback {
///     fn verify_request(&self, request: &Request) -> bool {
///         request.client_address().endpoint.ip().is_some_and(|client| client.ip().is_loopback())
///     }
///
///     fn handle_error(&self, report: &Report) {
///         println!("request {} from {}: {}", report.id, report.client_address, report.outcome);
///     }
/// }
/// ```
pub trait Hooks: Send + Sync {
    /// Whether to serve a request. Default: yes.
    fn verify_request(&self, request: &Request) -> bool {
        let _ = request;
        true
    }

    /// Called after a request that ended by its handler's fault: an error, a panic, a limit. Not for a
    /// refusal, not for `exit`, not for a client that left. Default: nothing, since the log has its line
    /// already, where Python's default prints one.
    fn handle_error(&self, report: &Report) {
        let _ = report;
    }

    /// Called at the end of every request, refused ones included, with how it went: to count and to
    /// measure. Default: nothing.
    fn shutdown_request(&self, report: &Report) {
        let _ = report;
    }

    /// Called by [`Server::handle_request`](crate::Server::handle_request) when its `timeout` went by
    /// without a request. Default: nothing; children, which Python collects here, are collected at once by
    /// themselves.
    fn handle_timeout(&self) {}

    /// Called by `serve_forever` when it begins and after each request that it took. What it returns is
    /// how soon it wants to be called again if none comes; half a second at most, as Python's
    /// `poll_interval`.
    ///
    /// Default: `None`, never: a server without requests does not wake up.
    fn service_actions(&self) -> Option<Duration> {
        None
    }
}

/// The hooks of a server that has none of its own.
pub(crate) struct NoHooks;

impl Hooks for NoHooks {}

/// Calls hooks: catches their panics, and remembers that one is being called.
#[derive(Clone)]
pub(crate) struct HookCaller(pub(crate) Arc<dyn Hooks>);

thread_local! {
    static IN_HOOK: Cell<bool> = const { Cell::new(false) };
}

/// True while this thread is inside a hook, where nobody may wait for the server.
pub(crate) fn in_hook() -> bool {
    IN_HOOK.get()
}

impl HookCaller {
    /// Python calls `service_actions` twice a second.
    const SERVICE_INTERVAL: Duration = Duration::from_millis(500);

    pub(crate) fn verify_request(&self, request: &Request) -> bool {
        self.call("verify_request", false, |hooks| {
            hooks.verify_request(request)
        })
    }

    pub(crate) fn handle_error(&self, report: &Report) {
        self.call("handle_error", (), |hooks| hooks.handle_error(report));
    }

    pub(crate) fn shutdown_request(&self, report: &Report) {
        self.call("shutdown_request", (), |hooks| {
            hooks.shutdown_request(report)
        });
    }

    pub(crate) fn handle_timeout(&self) {
        self.call("handle_timeout", (), |hooks| hooks.handle_timeout());
    }

    pub(crate) fn service_actions(&self) -> Option<Duration> {
        let wanted = self.call("service_actions", Some(Self::SERVICE_INTERVAL), |hooks| {
            hooks.service_actions()
        });
        wanted.map(|soon| soon.min(Self::SERVICE_INTERVAL))
    }

    fn call<T>(&self, name: &str, after_panic: T, hook: impl FnOnce(&dyn Hooks) -> T) -> T {
        IN_HOOK.set(true);
        let result = catch_unwind(AssertUnwindSafe(|| hook(&*self.0)));
        IN_HOOK.set(false);
        result.unwrap_or_else(|_| {
            tracing::error!("the hook {name} panicked; the server goes on");
            after_panic
        })
    }
}
