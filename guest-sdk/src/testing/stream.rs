//! A client of a stream, and what became of it.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use super::{local, server};
use crate::handler::base;
use crate::host::memory::Stream;
use crate::{Address, BaseRequestHandler, Connection, ErrorCode, Transport};

/// The client of a stream: what it does, step by step; after the last step it closes its side.
///
/// ```
/// use guest_sdk::testing::StreamClient;
/// # use guest_sdk::{BaseRequestHandler, Connection};
/// # #[derive(Default)]
/// # struct Upper;
/// # impl BaseRequestHandler<Connection> for Upper {
/// #     fn handle(&mut self, request: &mut Connection) -> std::io::Result<()> {
/// #         request.sendall(&request.recv(1024)?.to_ascii_uppercase())
/// #     }
/// # }
///
/// let served = StreamClient::new().resets().serve::<Upper>();
/// let error = served.result.unwrap_err();
/// assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
/// ```
#[derive(Debug)]
pub struct StreamClient(Stream);

/// What became of the client of a stream.
#[derive(Debug)]
#[non_exhaustive]
pub struct ServedStream {
    /// What the server would be told: the error of `setup`, `handle` or `finish`.
    pub result: io::Result<()>,
    /// All that the client received.
    pub sent: Vec<u8>,
    /// The same, one element for each write that went out.
    pub writes: Vec<Vec<u8>>,
    /// The time-out that was set last.
    pub timeout: Option<Duration>,
    /// True if small writes were to be sent at once.
    pub no_delay: bool,
}

impl StreamClient {
    /// A client of `tcp` at 127.0.0.1:50000.
    #[must_use]
    pub fn new() -> Self {
        Self(Stream {
            client: local(50_000),
            server: server(Transport::Tcp),
            reads: RefCell::default(),
            refuses: None,
            record: Rc::default(),
        })
    }

    /// The client sends these bytes: one read gives them, or as many of them as it asks for.
    #[must_use]
    pub fn sends(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.0
            .reads
            .get_mut()
            .push_back(Ok(bytes.as_ref().to_vec()));
        self
    }

    /// The client is quiet for so long that one read times out.
    #[must_use]
    pub fn is_quiet(mut self) -> Self {
        self.0.reads.get_mut().push_back(Err(ErrorCode::TimedOut));
        self
    }

    /// The client resets the connection: every read and write after this fails.
    #[must_use]
    pub fn resets(mut self) -> Self {
        self.0
            .reads
            .get_mut()
            .push_back(Err(ErrorCode::ConnectionReset));
        self
    }

    /// The client takes nothing: from the first, every write fails with this code.
    #[must_use]
    pub fn refuses(mut self, code: ErrorCode) -> Self {
        self.0.refuses = Some(code);
        self
    }

    /// The client has this address. With that of a Unix socket the transport is `unix`.
    #[must_use]
    pub fn at(mut self, address: Address) -> Self {
        if matches!(address, Address::Unix(_)) {
            self.0.server.transport = Transport::Unix;
        }
        self.0.client = address;
        self
    }

    /// This is the server's request of that number; without it, the first.
    #[must_use]
    pub fn request_id(mut self, number: u64) -> Self {
        self.0.server.request_id = number;
        self
    }

    /// Lets a new handler serve this client.
    #[must_use]
    pub fn serve<H: BaseRequestHandler<Connection>>(self) -> ServedStream {
        let record = Rc::clone(&self.0.record);
        let result = base::serve::<H, _>(Connection::new(self.0));
        let record = record.take();
        ServedStream {
            result,
            sent: record.sent.concat(),
            writes: record.sent,
            timeout: record.timeout,
            no_delay: record.no_delay,
        }
    }
}

impl Default for StreamClient {
    fn default() -> Self {
        Self::new()
    }
}
