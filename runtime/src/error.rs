//! What can keep a server from starting, sorted by what to do about it.

use std::io;
use std::path::PathBuf;

use crate::address::{BindAddress, Transport};
use crate::config::ConfigError;

/// A handler that cannot be loaded.
///
/// ```
/// use runtime::{Handler, Limits, LoadError};
/// let loaded = Handler::from_bytes("notes", b"some text", Limits::default(), None);
/// assert!(matches!(loaded, Err(LoadError::NotAComponent { .. })));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The file cannot be read.
    #[error("cannot read the handler {}: {reason}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
    /// The bytes are no WebAssembly component.
    #[error("{name} is not a WebAssembly component: {reason}")]
    NotAComponent {
        /// The handler's name.
        name: String,
        /// What it is instead, and what to do.
        reason: String,
    },
    /// The component needs something that this runtime does not have.
    #[error("{name} imports {import}, which this runtime does not provide: {help}")]
    UnknownImport {
        /// The handler's name.
        name: String,
        /// The import, as the component names it.
        import: String,
        /// What to do.
        help: String,
    },
    /// The component exports no handler of this contract.
    #[error("{name} is not a handler: {reason}")]
    NotAHandler {
        /// The handler's name.
        name: String,
        /// What it exports instead, and what to do.
        reason: String,
    },
    /// A limit is out of its bounds.
    #[error(transparent)]
    Limits(#[from] ConfigError),
    /// The engine cannot be made on this machine.
    #[error("cannot start the WebAssembly engine: {0}")]
    Engine(String),
}

/// A server that cannot be bound.
///
/// ```
/// use runtime::{BindError, Handler, Server, ServerConfig};
///
/// fn bind(handler: &Handler) -> Result<Server, BindError> {
///     let address = "tcp://127.0.0.1:9999".parse().expect("an address");
///     Server::bind(&address, ServerConfig::default(), handler)
/// }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// The handler does not speak this transport.
    #[error("{name} handles {handles}, not {transport}: choose --proto {instead}")]
    WrongTransport {
        /// The handler's name.
        name: String,
        /// What it exports: streams or datagrams.
        handles: &'static str,
        /// What was asked for.
        transport: Transport,
        /// What would do.
        instead: &'static str,
    },
    /// A setting is out of its bounds.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The host's name has no address.
    #[error("cannot find an address for {host:?}: {reason}")]
    Resolve {
        /// The name.
        host: String,
        /// What the resolver said.
        reason: io::Error,
    },
    /// The system refused the socket.
    #[error("cannot bind {address}: {reason}; {help}")]
    Socket {
        /// What was to be bound.
        address: Box<BindAddress>,
        /// What the system said.
        reason: io::Error,
        /// What to do about it.
        help: &'static str,
    },
    /// The given descriptor is not a socket of this kind.
    #[error("cannot serve {transport} on the given socket: {reason}")]
    WrongSocket {
        /// What was asked for.
        transport: Transport,
        /// What it is instead.
        reason: String,
    },
    /// What runs requests cannot be made: the engine cannot carry so many at once; or, under the forking schedule, no
    /// zygote can be started (see [`zygote`](crate::zygote)), or the kernel cannot confine it as strictly as asked.
    #[error("cannot prepare {name} for {max_concurrency} requests at once: {reason}")]
    Engine {
        /// The handler's name.
        name: String,
        /// What was asked for.
        max_concurrency: u32,
        /// Why not, and what to do.
        reason: String,
    },
}

/// A bound server that cannot serve: the socket cannot be registered with the async runtime.
///
/// ```
/// use runtime::{Closed, ServeError, Server};
///
/// async fn serve(server: Server) -> Result<Closed, ServeError> {
///     server.serve_forever().await?;
///     Ok(server.server_close().await)
/// }
/// ```
#[derive(Debug, thiserror::Error)]
#[error("cannot wait for requests: {0}")]
pub struct ServeError(pub(crate) io::Error);

impl From<io::Error> for ServeError {
    fn from(reason: io::Error) -> Self {
        Self(reason)
    }
}
