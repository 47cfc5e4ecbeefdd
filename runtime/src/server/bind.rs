//! From an address and a handler to a server: Python's constructor, `server_bind` and `server_activate`.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::sync::{Arc, Mutex};

use tokio::sync::{Notify, watch};

use super::Server;
use super::intake::Intake;
use crate::access::Access;
use crate::address::{BindAddress, ServerAddress, Transport};
use crate::admission::Admission;
use crate::config::{Schedule, ServerConfig};
use crate::error::BindError;
use crate::execute::Executor;
use crate::finish::{Execution, Service};
use crate::forking::{Forks, Zygote};
use crate::handler::Handler;
use crate::hooks::{HookCaller, Hooks, NoHooks};
use crate::listen::Listener;
use crate::output::Output;
use crate::reply_budget::ReplyLimits;
use crate::sandbox::{About, Concurrency, Granted, Program, TotalMemory};
use crate::schedule::Scheduler;
use crate::shutdown::{Shutdown, ShutdownHandle};

/// A server whose socket is bound and does not listen yet: between Python's `server_bind` and
/// `server_activate`, for who wants the socket first.
///
/// ```no_run
/// # fn bind(handler: &runtime::Handler) -> Result<runtime::Server, Box<dyn std::error::Error>> {
/// use runtime::{Server, ServerConfig};
/// use std::os::fd::AsFd;
///
/// let bound = Server::server_bind(&"tcp://127.0.0.1:0".parse()?, ServerConfig::default(), handler)?;
/// println!("{:?} is {}", bound.as_fd(), bound.server_address());
/// # Ok(bound.server_activate()?)
/// # }
/// ```
pub struct BoundServer {
    server: Server,
}

impl Server {
    /// Binds and listens: Python's constructor with `bind_and_activate`. Clients can connect from here on.
    ///
    /// # Errors
    ///
    /// [`BindError`] if the handler does not speak this transport, if a setting is out of bounds, if the
    /// socket cannot be bound, if a granted directory cannot be opened, if the machine cannot carry
    /// `max_concurrency`, or if the forking schedule has no zygote or not the [`Confine`](crate::Confine) that was
    /// asked for.
    pub fn bind(
        address: &BindAddress,
        config: ServerConfig,
        handler: &Handler,
    ) -> Result<Self, BindError> {
        Self::server_bind(address, config, handler)?
            .server_activate()
            .map_err(|reason| BindError::Socket {
                address: Box::new(address.clone()),
                reason,
                help: "the socket is bound, but cannot listen",
            })
    }

    /// Binds, and does not listen yet.
    ///
    /// # Errors
    ///
    /// As [`Server::bind`].
    pub fn server_bind(
        address: &BindAddress,
        config: ServerConfig,
        handler: &Handler,
    ) -> Result<BoundServer, BindError> {
        // Nothing is bound for a handler that could not serve it.
        let granted = check(handler, address.transport(), &config)?;
        let listener = Listener::server_bind(address, &config)?;
        Self::furnish(listener, config, handler, granted)
    }

    /// Takes a socket that is bound already, as systemd hands it over. Its file, if it has one, stays.
    ///
    /// # Errors
    ///
    /// [`BindError::WrongSocket`] if it is not a bound socket of `transport`; else as [`Server::bind`].
    pub fn from_socket(
        socket: OwnedFd,
        transport: Transport,
        config: ServerConfig,
        handler: &Handler,
    ) -> Result<BoundServer, BindError> {
        let granted = check(handler, transport, &config)?;
        let listener = Listener::from_bound(socket.into(), transport)?;
        Self::furnish(listener, config, handler, granted)
    }

    /// Whether `handler` could be served with `config` on `transport`: all that [`Server::bind`] checks, but for the
    /// socket. Nothing is bound, and no code of the handler runs.
    ///
    /// # Errors
    ///
    /// As [`Server::bind`].
    pub fn check(
        transport: Transport,
        config: &ServerConfig,
        handler: &Handler,
    ) -> Result<(), BindError> {
        drop(check(handler, transport, config)?);
        check_program(handler, config)
    }

    /// Puts the other rooms behind a bound socket.
    fn furnish(
        listener: Listener,
        config: ServerConfig,
        handler: &Handler,
        granted: Granted,
    ) -> Result<BoundServer, BindError> {
        let hooks = HookCaller(Arc::new(NoHooks));
        let (execution, concurrency) = execution(&listener, &config, handler, granted)?;
        let service = Service {
            execution,
            replies: ReplyLimits::new(handler.limits(), &config.limits),
            access: Access::new(config.access_log, hooks.clone()),
        };
        let intake = Intake {
            transport: listener.address().transport,
            admission: Admission::new(&config, concurrency),
            hooks,
            service: Arc::new(service),
            scheduler: Scheduler::new(config.schedule),
            taken: AtomicU64::new(0),
            busy: Notify::new(),
            resting: AtomicU32::new(0),
            actions_due: watch::Sender::new(None),
        };
        let server = Self {
            intake: Arc::new(intake),
            shutdown: Shutdown(ShutdownHandle::new()),
            source: Mutex::new(None),
            listener,
            config,
        };
        Ok(BoundServer { server })
    }
}

impl BoundServer {
    /// Listens: Python's `server_activate`.
    ///
    /// # Errors
    ///
    /// What `listen(2)` says.
    pub fn server_activate(self) -> std::io::Result<Server> {
        let server = self.server;
        server
            .listener
            .server_activate(server.config.request_queue_size)?;
        Ok(server)
    }

    /// Adds what a subclass would override in Python.
    #[must_use]
    pub fn with_hooks(mut self, hooks: impl Hooks + 'static) -> Self {
        self.server = self.server.with_hooks(hooks);
        self
    }

    /// Where the server is bound.
    #[must_use]
    pub fn server_address(&self) -> &ServerAddress {
        self.server.server_address()
    }
}

impl AsFd for BoundServer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.server.as_fd()
    }
}

/// What can be known before anything is bound; returns what guests will be granted.
fn check(
    handler: &Handler,
    transport: Transport,
    config: &ServerConfig,
) -> Result<Granted, BindError> {
    config.check()?;
    config.check_transport(transport)?;
    if let Some(total) = config.limits.max_total_memory {
        let needs = &handler.code.needs;
        needs.check_total(handler.name(), total)?;
    }
    let wrong = |handles, instead| {
        Err(BindError::WrongTransport {
            name: handler.name().to_owned(),
            handles,
            transport,
            instead,
        })
    };
    match (
        transport.is_datagram(),
        handler.handles_streams(),
        handler.handles_datagrams(),
    ) {
        (true, _, false) => wrong("streams", "tcp or unix"),
        (false, false, _) => wrong("datagrams", "udp or unixgram"),
        _ => Ok(Granted::open(handler.grants())?),
    }
}

/// What runs the handler, and how many requests at once.
fn execution(
    listener: &Listener,
    config: &ServerConfig,
    handler: &Handler,
    granted: Granted,
) -> Result<(Execution, u32), BindError> {
    if config.schedule == Schedule::Forking {
        // What a pool has no place for, a child shall not have either.
        check_program(handler, config)?;
        let children = concurrency(config);
        let forks = Forks {
            program: config.zygote.clone(),
            confine: config.confine,
            read_timeout: config.read_timeout,
        };
        let zygote = Zygote::start(handler, &granted, listener.address(), forks)
            .map_err(|reason| engine_error(handler, children, reason))?;
        return Ok((Execution::InChildren(Box::new(zygote)), children.wanted));
    }
    let program = program(listener, config, handler, granted)?;
    let concurrency = program.concurrency();
    let executor = Executor {
        program,
        limits: *handler.limits(),
        read_timeout: config.read_timeout,
    };
    Ok((Execution::Here(Box::new(executor)), concurrency))
}

fn program(
    listener: &Listener,
    config: &ServerConfig,
    handler: &Handler,
    granted: Granted,
) -> Result<Program, BindError> {
    let total_memory = config.limits.max_total_memory;
    let about = About {
        limits: *handler.limits(),
        held: handler.code.needs.held,
        total_memory: total_memory.map(|limit| Arc::new(TotalMemory::new(limit))),
        server_address: listener.address().clone(),
        schedule: config.schedule,
        handler_name: handler.name().to_owned(),
        output: Output::shared(),
        resolver: None,
        granted,
    };
    let concurrency = concurrency(config);
    Program::new(&handler.code, about, concurrency)
        .map_err(|reason| engine_error(handler, concurrency, reason))
}

/// Whether the handler could be served, as far as its code and this machine decide. An engine of the forking schedule
/// has one guest.
fn check_program(handler: &Handler, config: &ServerConfig) -> Result<(), BindError> {
    let concurrency = match config.schedule {
        Schedule::Forking => Concurrency {
            wanted: 1,
            may_be_less: false,
        },
        Schedule::Sync | Schedule::Threaded => concurrency(config),
    };
    Program::check(&handler.code, handler.limits(), concurrency)
        .map_err(|reason| engine_error(handler, concurrency, reason))
}

fn engine_error(handler: &Handler, concurrency: Concurrency, reason: String) -> BindError {
    BindError::Engine {
        name: handler.name().to_owned(),
        max_concurrency: concurrency.wanted,
        reason,
    }
}

/// How many requests are to run at once.
fn concurrency(config: &ServerConfig) -> Concurrency {
    /// A tenth of what Linux's default of `vm.max_map_count` carries.
    const THREADED: u32 = 1000;
    /// Python's `max_children`.
    const FORKING: u32 = 40;
    let (wanted, default) = match config.schedule {
        Schedule::Sync => (Some(1), 1),
        Schedule::Threaded => (config.limits.max_concurrency, THREADED),
        Schedule::Forking => (config.limits.max_concurrency, FORKING),
    };
    Concurrency {
        wanted: wanted.unwrap_or(default),
        may_be_less: wanted.is_none(),
    }
}
