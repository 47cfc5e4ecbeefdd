//! The server: Python's `BaseServer`, a row of the other rooms.

mod bind;

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::{self, Handle};
use tokio::time::{Instant, sleep, timeout};

use crate::access::Counters;
use crate::address::{ClientAddress, ServerAddress};
use crate::admission::{Admission, Verified};
use crate::config::ServerConfig;
use crate::error::ServeError;
use crate::finish::Service;
use crate::hooks::{HookCaller, Hooks};
use crate::listen::{Arrival, Listener, Source};
use crate::request::Request;
use crate::schedule::{self, Tasks};
use crate::shutdown::{Shutdown, ShutdownHandle};
use crate::stream::Socket;

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
    admission: Admission,
    service: Arc<Service>,
    hooks: HookCaller,
    tasks: Tasks,
    shutdown: Shutdown,
    taken: AtomicU64,
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
    /// waits in the kernel; under the sync schedule, the request that is being served is a part of it.
    /// It may be called again.
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
        let mut source = self.attach()?;
        let mut due = self.hooks.service_actions();
        loop {
            tokio::select! {
                biased;
                () = serving.asked() => break,
                () = after(due) => {}
                () = after(self.service.access.next_line()) => self.service.access.flush(),
                request = self.get_request(&mut source) => self.take(request).await,
            }
            due = self.hooks.service_actions();
        }
        self.service.access.flush();
        Ok(())
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
        let mut source = self.attach()?;
        let handled = tokio::select! {
            biased;
            () = serving.asked() => Handled::Shutdown,
            request = self.get_request(&mut source) => {
                self.take(request).await;
                Handled::Request
            }
            () = after(self.config.timeout) => {
                self.hooks.handle_timeout();
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
        let request = self.number(arrival, client_address);
        self.take(request).await;
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
            tasks,
            service,
            config,
            ..
        } = self;
        drop((source, listener));
        let patience = if config.block_on_close {
            config.drain_timeout
        } else {
            Duration::ZERO
        };
        let drained = timeout(patience, tasks.finished()).await;
        service.access.flush();
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
        self.hooks = HookCaller(Arc::new(hooks));
        if let Some(service) = Arc::get_mut(&mut self.service) {
            service.access.set_hooks(self.hooks.clone());
        }
        self
    }

    /// Waits until no request runs: what [`Server::server_close`] does, without its limit. Safe to cancel.
    pub async fn wait_for_requests(&self) {
        self.tasks.finished().await;
    }

    /// What was counted since the server was bound.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.service.access.counters()
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

    async fn get_request(&self, source: &mut Source) -> Request {
        self.admission.room().await;
        let (arrival, client_address) = source.get_request().await;
        self.number(arrival, client_address)
    }

    fn number(&self, arrival: Arrival, client_address: ClientAddress) -> Request {
        Request {
            id: self.taken.fetch_add(1, Relaxed) + 1,
            transport: self.server_address().transport,
            client_address,
            taken: Instant::now(),
            arrival,
        }
    }

    /// Admission, and then the schedule.
    async fn take(&self, request: Request) {
        match self.admission.verify_request(request, &self.hooks).await {
            Verified::Admitted(admitted) => {
                let schedule = self.config.schedule;
                schedule::process_request(schedule, &self.service, &self.tasks, admitted).await;
            }
            Verified::Refused(request, refusal) => self.service.refuse(request, refusal),
        }
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
