//! All of this library, through its public face: a server, and connections that are in memory.

use std::cell::Cell;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use anyhow::{Result, ensure};
use runtime::{ClientAddress, Handler, Limits, Server, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{REPLY, REQUEST};

/// A server with the defaults, which are those of the command.
pub(super) struct Ours {
    server: Server,
    client_address: ClientAddress,
    requests: Cell<u64>,
    /// Those that had not ended when `process_request` returned.
    waited_for: Cell<u64>,
}

impl Ours {
    /// Requests before any is measured; the very first may take too long.
    const FIRST: u64 = 3;

    /// Binds the server, and has it serve for the first time.
    pub(super) async fn start(component: &Path) -> Result<Self> {
        let handler = Handler::load(component, Limits::default())?;
        let address = "tcp://127.0.0.1:0".parse()?;
        let ours = Self {
            server: Server::bind(&address, ServerConfig::default(), &handler)?,
            client_address: SocketAddr::from((Ipv4Addr::LOCALHOST, 50_000)).into(),
            requests: Cell::new(0),
            waited_for: Cell::new(0),
        };
        for _ in 0..Self::FIRST {
            ours.request().await;
        }
        ensure!(
            ours.waited_for.get() < Self::FIRST,
            "requests that do not wait were not finished where they were received"
        );
        Ok(ours)
    }

    /// Serves one connection, from its acceptance to its end.
    ///
    /// It is finished where it was received, without a task. The exception is a machine so busy that a few
    /// requests took more than a millisecond: then the server makes tasks of them for a while.
    pub(super) async fn request(&self) {
        let reply = Arc::default();
        let client = Client {
            request: REQUEST,
            reply: Arc::clone(&reply),
        };
        let address = self.client_address.clone();
        let scheduled = self.server.process_request(client, address).await;
        scheduled.expect("a server of streams");
        self.requests.set(self.requests.get() + 1);
        if Arc::strong_count(&reply) > 1 {
            self.waited_for.set(self.waited_for.get() + 1);
            self.server.wait_for_requests().await;
        }
        let reply = Arc::into_inner(reply).expect("a connection that is closed");
        let reply = reply.into_inner().unwrap_or_else(PoisonError::into_inner);
        assert_eq!(reply, REPLY, "what the client was sent");
    }

    /// Closes the server. All that it served must have ended well.
    pub(super) async fn close(self) -> Result<()> {
        let requests = self.requests.get();
        let ok = self.server.counters().ok;
        ensure!(ok == requests, "{ok} of {requests} requests ended well");
        tell(requests, self.waited_for.get());
        self.server.server_close().await;
        Ok(())
    }
}

/// Says how many requests were measured as tasks, if any were.
#[expect(clippy::print_stderr, reason = "a remark on the figures of a program")]
fn tell(requests: u64, tasks: u64) {
    if tasks > 0 {
        eprintln!("{tasks} of {requests} requests became tasks: the machine is busy");
    }
}

/// A client that has sent its request and ended its output.
struct Client {
    request: &'static [u8],
    reply: Arc<Mutex<Vec<u8>>>,
}

impl AsyncRead for Client {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.request).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Client {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut reply = self.reply.lock().unwrap_or_else(PoisonError::into_inner);
        reply.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
