//! The server: Python's `BaseServer`, a row of the other rooms.

mod bind;
mod intake;

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::{self, Handle};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::access::{CounterHandle, Counters};
use crate::address::{ClientAddress, ServerAddress};
use crate::admission::waits;
use crate::config::{Schedule, ServerConfig};
use crate::error::ServeError;
use crate::finish::Execution;
use crate::hooks::{HookCaller, Hooks};
use crate::listen::{Arrival, Listener, Source};
use crate::shutdown::{Asked, Shutdown, ShutdownHandle};
use crate::stream::Socket;

use intake::Intake;

pub use bind::BoundServer;

/// A server: one socket, one handler, one schedule.
///
/// Dropping it closes the socket and aborts what runs; [`Server::server_close`] is the polite way.
///
/// ```
/// use runtime::{Handler, Server, ServerConfig};
///
/// fn start(handler: &Handler) -> Result<Server, Box<dyn std::error::Error>> {
///     let server = Server::bind(&"tcp://127.0.0.1:0".parse()?, ServerConfig::default(), handler)?;
///     println!("listening on {}", server.server_address());
///     Ok(server)
/// }
/// ```
pub struct Server {
    config: ServerConfig,
    intake: Arc<Intake>,
    shutdown: Shutdown,
    /// The socket as the async runtime that served last knows it, while nobody serves.
    source: Mutex<Option<(runtime::Id, Source)>>,
    listener: Listener,
}

/// What became of a call of [`Server::handle_request`].
///
/// ```
/// use runtime::{Handled, Server};
///
/// async fn serve_one(server: &Server) -> bool {
///     matches!(server.handle_request().await, Ok(Handled::Request))
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handled {
    /// A request was taken: scheduled, or refused.
    Request,
    /// [`ServerConfig::timeout`] went by without one; `handle_timeout` was called.
    Timeout,
    /// [`ShutdownHandle::shutdown`] was called before one came.
    Shutdown,
}

/// How a server was closed.
///
/// ```
/// use runtime::{Closed, Server};
///
/// async fn close(server: Server) {
///     if server.server_close().await == Closed::CutShort {
///         eprintln!("some requests had to be cut short");
///     }
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// Every request had ended.
    Drained,
    /// [`ServerConfig::drain_timeout`] went by, or nobody was to wait: requests were cut short.
    CutShort,
}

impl Server {
    /// Serves requests until [`ShutdownHandle::shutdown`] is called: Python's `serve_forever`.
    ///
    /// Ignores `timeout`, as Python does. Dropping the future stops it without losing a request that
    /// waits in the kernel, but for a few datagrams that were taken from there together with others; under
    /// the sync schedule, the request that is being served is a part of it. It may be called again.
    ///
    /// # Errors
    ///
    /// [`ServeError`] if the socket cannot be registered with the async runtime; nothing else ends it.
    ///
    /// # Panics
    ///
    /// If the tokio runtime has no I/O or no time driver.
    pub async fn serve_forever(&self) -> Result<(), ServeError> {
        let serving = self.shutdown.0.serving();
        let source = self.attach()?;
        tokio::select! {
            () = self.take_requests(source, serving.asked()) => {}
            () = self.service_actions() => {}
            () = self.intake.service.access.tell_refusals() => {}
        }
        self.intake.service.access.flush();
        Ok(())
    }

    /// Takes requests until a shutdown is asked for: under sync here, one after the other; else on all
    /// threads of the async runtime.
    async fn take_requests(&self, source: Source, asked: Asked) {
        if self.config.schedule == Schedule::Sync {
            return self.intake.take_requests(source, asked).await;
        }
        let mut takers = JoinSet::new();
        takers.spawn(self.taker(&source, &asked));
        for _ in 1..Handle::current().metrics().num_workers() {
            takers.spawn(self.helper(&source, &asked));
        }
        while let Some(ended) = takers.join_next().await {
            if ended.is_err() && !asked.is_asked() {
                tracing::error!("the runtime panicked while it took a request; it goes on");
                takers.spawn(self.taker(&source, &asked));
            }
        }
    }

    /// The task that takes requests.
    fn taker(&self, source: &Source, asked: &Asked) -> impl Future<Output = ()> + use<> {
        let (intake, source, asked) = self.another(source, asked);
        async move { intake.take_requests(source, asked).await }
    }

    /// A task that helps it while there is more than one thread can do.
    fn helper(&self, source: &Source, asked: &Asked) -> impl Future<Output = ()> + use<> {
        let (intake, source, asked) = self.another(source, asked);
        async move { intake.help(source, asked).await }
    }

    /// What a task of its own needs. Where a request waits for room, the others stay with the kernel.
    fn another(&self, source: &Source, asked: &Asked) -> (Arc<Intake>, Source, Asked) {
        let source = source.another(!waits(&self.config));
        (Arc::clone(&self.intake), source, asked.clone())
    }

    /// Calls the hook as often as it wants while no request comes. It never ends.
    async fn service_actions(&self) {
        let hooks = &self.intake.hooks;
        let mut changed = self.intake.actions_due.subscribe();
        let mut due = hooks.service_actions();
        loop {
            tokio::select! {
                _ = changed.changed() => due = *changed.borrow_and_update(),
                () = after(due) => due = hooks.service_actions(),
            }
        }
    }

    /// Takes one request: Python's `handle_request`. Refused ones count.
    ///
    /// Returns when the request is scheduled: under sync that is when it is finished. After
    /// [`ServerConfig::timeout`] without a request it calls `handle_timeout` instead. Safe to cancel until
    /// a request has come.
    ///
    /// # Errors
    ///
    /// As [`Server::serve_forever`].
    ///
    /// # Panics
    ///
    /// As [`Server::serve_forever`].
    pub async fn handle_request(&self) -> Result<Handled, ServeError> {
        let serving = self.shutdown.0.serving();
        let asked = serving.asked();
        let mut source = self.attach()?;
        let handled = tokio::select! {
            biased;
            () = asked.wait() => Handled::Shutdown,
            request = self.intake.get_request(&mut source) => {
                self.intake.take(request).await;
                Handled::Request
            }
            () = after(self.config.request_timeout()) => {
                self.intake.hooks.handle_timeout();
                Handled::Timeout
            }
        };
        self.keep(source)?;
        Ok(handled)
    }

    /// Serves a connection that the program accepted by itself (TLS, one end of a pair): through
    /// admission, handler and outcome like any other. Returns when it is scheduled.
    ///
    /// # Errors
    ///
    /// [`ServeError`] if this server handles datagrams.
    pub async fn process_request(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        client_address: ClientAddress,
    ) -> Result<(), ServeError> {
        if self.server_address().transport.is_datagram() {
            return Err(ServeError(std::io::Error::other(
                "this server handles datagrams, not streams",
            )));
        }
        let arrival = Arrival::Connection(Socket::Foreign(Box::new(stream)));
        let request = self.intake.number(arrival, client_address);
        self.intake.take(request).await;
        Ok(())
    }

    /// Closes the socket, and waits for running requests: Python's `server_close`.
    ///
    /// It waits for [`ServerConfig::drain_timeout`] at most, and not at all if
    /// [`ServerConfig::block_on_close`] is false; what runs then is aborted.
    pub async fn server_close(self) -> Closed {
        let Self {
            source,
            listener,
            intake,
            config,
            ..
        } = self;
        drop((source, listener));
        let patience = if config.block_on_close {
            config.drain_timeout
        } else {
            Duration::ZERO
        };
        let drained = timeout(patience, intake.scheduler.finished()).await;
        intake.service.access.flush();
        match drained {
            Ok(()) => Closed::Drained,
            Err(_) => Closed::CutShort,
        }
    }

    /// Where the server listens, with the real port: Python's `server_address`.
    #[must_use]
    pub fn server_address(&self) -> &ServerAddress {
        self.listener.address()
    }

    /// What makes `serve_forever` return.
    #[must_use]
    pub fn shutdown_handle(&self) -> ShutdownHandle {
        self.shutdown.0.clone()
    }

    /// Adds what a subclass would override in Python. To be called before the server serves.
    #[must_use]
    pub fn with_hooks(mut self, hooks: impl Hooks + 'static) -> Self {
        if let Some(intake) = Arc::get_mut(&mut self.intake) {
            intake.set_hooks(HookCaller(Arc::new(hooks)));
        }
        self
    }

    /// Waits until no request runs: what [`Server::server_close`] does, without its limit. Safe to cancel.
    pub async fn wait_for_requests(&self) {
        self.intake.scheduler.finished().await;
    }

    /// The processes that serve a request now: Python's `active_children`. None but under the forking schedule.
    #[must_use]
    pub fn active_children(&self) -> Vec<u32> {
        match &self.intake.service.execution {
            Execution::Here(_) => Vec::new(),
            Execution::InChildren(zygote) => zygote.active_children(),
        }
    }

    /// What was counted since the server was bound.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counter_handle().counters()
    }

    /// What reads the counters, also when the server has been closed.
    #[must_use]
    pub fn counter_handle(&self) -> CounterHandle {
        self.intake.service.access.counter_handle()
    }

    /// The socket, registered with the async runtime that this is called in. It is worth keeping for the
    /// next call of `handle_request`.
    fn attach(&self) -> Result<Source, ServeError> {
        let kept = self
            .source
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        match kept {
            Some((runtime, source)) if runtime == this_runtime()? => Ok(source),
            _ => Ok(self.listener.attach(&self.config)?),
        }
    }

    fn keep(&self, source: Source) -> Result<(), ServeError> {
        let kept = Some((this_runtime()?, source));
        *self.source.lock().unwrap_or_else(PoisonError::into_inner) = kept;
        Ok(())
    }
}

/// Python's `fileno` and `socket`.
impl AsFd for Server {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

fn this_runtime() -> Result<runtime::Id, ServeError> {
    let handle = Handle::try_current().map_err(std::io::Error::other)?;
    Ok(handle.id())
}

/// Waits for a time, or for ever.
async fn after(time: Option<Duration>) {
    match time {
        Some(time) => sleep(time).await,
        None => std::future::pending().await,
    }
}
