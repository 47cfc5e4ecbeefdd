//! The server: Python's `BaseServer`, a row of the other rooms.

mod bind;

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep, timeout};

use crate::access::Counters;
use crate::address::{ClientAddress, ServerAddress};
use crate::admission::{Admission, Room, Verified};
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
    /// If it is polled outside a tokio runtime with its I/O and time drivers.
    pub async fn serve_forever(&self) -> Result<(), ServeError> {
        let serving = self.shutdown.0.serving();
        let mut source = self.listener.attach(&self.config)?;
        let mut due = self.hooks.service_actions();
        loop {
            tokio::select! {
                biased;
                () = serving.asked() => break,
                () = after(due) => {}
                (room, request) = self.get_request(&mut source) => self.take(room, request).await,
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
        let mut source = self.listener.attach(&self.config)?;
        tokio::select! {
            biased;
            () = serving.asked() => Ok(Handled::Shutdown),
            (room, request) = self.get_request(&mut source) => {
                self.take(room, request).await;
                Ok(Handled::Request)
            }
            () = after(self.config.timeout) => {
                self.hooks.handle_timeout();
                Ok(Handled::Timeout)
            }
        }
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
        let room = self.admission.room().await;
        let arrival = Arrival::Connection(Socket::Foreign(Box::new(stream)));
        let request = self.number(arrival, client_address);
        self.take(room, request).await;
        Ok(())
    }

    /// Closes the socket, and waits for running requests: Python's `server_close`.
    ///
    /// It waits for [`ServerConfig::drain_timeout`] at most, and not at all if
    /// [`ServerConfig::block_on_close`] is false; what runs then is aborted.
    pub async fn server_close(self) -> Closed {
        let Self {
            listener,
            tasks,
            service,
            config,
            ..
        } = self;
        drop(listener);
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

    /// What was counted since the server was bound.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.service.access.counters()
    }

    async fn get_request(&self, source: &mut Source) -> (Room, Request) {
        let room = self.admission.room().await;
        let (arrival, client_address) = source.get_request().await;
        (room, self.number(arrival, client_address))
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
    async fn take(&self, room: Room, request: Request) {
        match self.admission.verify_request(request, room, &self.hooks) {
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

/// Waits for a time, or for ever.
async fn after(time: Option<Duration>) {
    match time {
        Some(time) => sleep(time).await,
        None => std::future::pending().await,
    }
}
