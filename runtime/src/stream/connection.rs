//! The state of one connection. The host keeps it; the guest's request, `rfile` and `wfile` only refer to
//! it, so that no order of dropping them closes anything.
//!
//! Reads go to the socket directly. Writes go to it directly as long as it takes them; what it does not
//! take waits in one small queue, the only way to the socket from then on, until somebody drains it: the
//! next write, a wait for room, or the request's supervisor while the guest does something else.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::{CHUNK, Failure, Socket};
use crate::meter::CpuMeter;

/// One connection, shared between the faces that a guest holds and the host.
#[derive(Clone)]
pub(crate) struct Connection {
    state: Arc<Mutex<State>>,
}

/// Which half of a connection to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Half {
    Receive,
    Send,
    Both,
}

struct State {
    socket: Socket,
    /// Read from the socket while waiting for readiness, and not yet given to the guest.
    ahead: BytesMut,
    /// The client has ended its stream, or this side does not want any more of it.
    input_ended: bool,
    /// Written by the guest, and not yet taken by the socket.
    queue: BytesMut,
    output: Output,
    /// Whether the client made the guest wait, in either direction, since it last delivered.
    kept_waiting: bool,
    /// The connection failed, rather than one call on it.
    failed: Option<Failure>,
    timeout: Option<Duration>,
    meter: Arc<CpuMeter>,
    last_moved: Instant,
    bytes_in: u64,
    bytes_out: u64,
}

/// How far the end of our output has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Output {
    Open,
    /// To be ended as soon as the queue is empty.
    Ending,
    Ended,
}

impl Connection {
    /// `timeout` is Python's `StreamRequestHandler.timeout`: how long one call may wait.
    pub(crate) fn new(socket: Socket, timeout: Option<Duration>, meter: Arc<CpuMeter>) -> Self {
        let state = State {
            socket,
            ahead: BytesMut::new(),
            input_ended: false,
            queue: BytesMut::new(),
            output: Output::Open,
            kept_waiting: false,
            failed: None,
            timeout,
            meter,
            last_moved: Instant::now(),
            bytes_in: 0,
            bytes_out: 0,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// Waits for bytes: at most `max` and [`CHUNK`] of them; none is the end of the stream.
    pub(crate) async fn recv(&self, max: usize) -> Result<Bytes, Failure> {
        self.within_timeout(poll_fn(|cx| self.poll_recv(cx, max)))
            .await
    }

    /// Waits until the socket or the queue took some of `bytes`; returns how many.
    pub(crate) async fn send(&self, bytes: &[u8]) -> Result<usize, Failure> {
        self.within_timeout(poll_fn(|cx| self.lock().poll_send(cx, bytes)))
            .await
    }

    /// Waits until everything written is with the kernel.
    pub(crate) async fn drain(&self) -> Result<(), Failure> {
        self.within_timeout(poll_fn(|cx| self.poll_drain(cx))).await
    }

    /// Waits until [`Connection::poll_recv`] would not.
    pub(super) async fn readable(&self) -> Result<(), Failure> {
        self.within_timeout(poll_fn(|cx| self.lock().poll_read_ahead(cx)))
            .await
    }

    async fn within_timeout<T>(
        &self,
        operation: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let timeout = self.lock().timeout;
        match timeout {
            None => operation.await,
            Some(limit) => tokio::time::timeout(limit, operation)
                .await
                .unwrap_or(Err(Failure::TimedOut)),
        }
    }

    pub(super) fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        max: usize,
    ) -> Poll<Result<Bytes, Failure>> {
        self.lock().poll_recv(cx, max)
    }

    /// Hands the queue to the socket, and then its end, if that is what the guest asked for.
    pub(crate) fn poll_drain(&self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.lock().poll_drain(cx)
    }

    /// Takes all of `bytes`, into the queue if need be. How much may be given at a time:
    /// [`Connection::room`].
    pub(super) fn write(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut state = self.lock();
        let mut noop = Context::from_waker(std::task::Waker::noop());
        let taken = match state.poll_send(&mut noop, bytes) {
            Poll::Ready(taken) => taken?,
            Poll::Pending => 0,
        };
        state
            .queue
            .extend_from_slice(bytes.get(taken..).unwrap_or_default());
        Ok(())
    }

    /// How many bytes [`Connection::write`] may be given: none while earlier ones still wait.
    pub(super) fn room(&self) -> Result<usize, Failure> {
        let mut noop = Context::from_waker(std::task::Waker::noop());
        match self.poll_drain(&mut noop) {
            Poll::Pending => Ok(0),
            Poll::Ready(Err(failure)) => Err(failure),
            Poll::Ready(Ok(())) => match self.lock().output {
                Output::Open => Ok(CHUNK),
                Output::Ending | Output::Ended => Err(Failure::BrokenPipe),
            },
        }
    }

    /// Python's `socket.shutdown`.
    pub(crate) fn shutdown(&self, half: Half) -> Result<(), Failure> {
        if half != Half::Send {
            let mut state = self.lock();
            state.input_ended = true;
            state.ahead.clear();
        }
        if half != Half::Receive {
            {
                let mut state = self.lock();
                if state.output == Output::Open {
                    state.output = Output::Ending;
                }
            }
            let mut noop = Context::from_waker(std::task::Waker::noop());
            if let Poll::Ready(Err(failure)) = self.poll_drain(&mut noop) {
                return Err(failure);
            }
        }
        Ok(())
    }

    pub(crate) fn set_timeout(&self, timeout: Option<Duration>) {
        self.lock().timeout = timeout;
    }

    pub(crate) fn set_no_delay(&self, enabled: bool) -> Result<(), Failure> {
        Ok(self.lock().socket.set_no_delay(enabled)?)
    }

    /// True if the connection itself failed: the client is gone.
    pub(crate) fn has_failed(&self) -> bool {
        self.lock().failed.is_some()
    }

    /// When a byte last moved, either way.
    pub(crate) fn last_moved(&self) -> Instant {
        self.lock().last_moved
    }

    /// Bytes given to the guest, and bytes taken by the kernel.
    pub(crate) fn bytes_moved(&self) -> (u64, u64) {
        let state = self.lock();
        (state.bytes_in, state.bytes_out)
    }

    /// Reads and forgets some of what the client still sends; 0 at the end of its stream.
    pub(crate) async fn discard(&self) -> Result<usize, Failure> {
        poll_fn(|cx| self.lock().poll_discard(cx)).await
    }

    /// The same without waiting; none if nothing is there.
    pub(crate) fn discard_now(&self) -> Option<Result<usize, Failure>> {
        let mut noop = Context::from_waker(std::task::Waker::noop());
        match self.lock().poll_discard(&mut noop) {
            Poll::Ready(discarded) => Some(discarded),
            Poll::Pending => None,
        }
    }

    /// Nothing panics while it holds this lock; if something did, the state would still be whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn poll_recv(&mut self, cx: &mut Context<'_>, max: usize) -> Poll<Result<Bytes, Failure>> {
        if max == 0 {
            return Poll::Ready(Ok(Bytes::new()));
        }
        let max = max.min(CHUNK);
        if self.ahead.is_empty() {
            ready!(self.poll_read(cx, max))?;
        }
        let bytes = self.ahead.split_to(max.min(self.ahead.len())).freeze();
        self.bytes_in += bytes.len() as u64;
        Poll::Ready(Ok(bytes))
    }

    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Failure>> {
        const AT_ONCE: usize = 8 * 1024;
        if self.ahead.is_empty() {
            ready!(self.poll_read(cx, AT_ONCE))?;
        }
        Poll::Ready(Ok(self.ahead.split().len()))
    }

    fn poll_read_ahead(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        const READ_AHEAD: usize = 8 * 1024;
        if self.ahead.is_empty() {
            ready!(self.poll_read(cx, READ_AHEAD))?;
        }
        Poll::Ready(Ok(()))
    }

    /// Reads at most `max` bytes into `ahead`, which is empty; nothing at the end of the stream.
    fn poll_read(&mut self, cx: &mut Context<'_>, max: usize) -> Poll<Result<(), Failure>> {
        if self.input_ended {
            return Poll::Ready(Ok(()));
        }
        self.ahead.resize(max, 0);
        let mut buffer = ReadBuf::new(&mut self.ahead);
        let polled = Pin::new(&mut self.socket).poll_read(cx, &mut buffer);
        let length = buffer.filled().len();
        self.ahead.truncate(length);
        self.note_waiting(&polled);
        match polled {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Err(error)) => return Poll::Ready(Err(self.fail(error))),
            Poll::Ready(Ok(())) => {}
        }
        self.input_ended = length == 0;
        self.last_moved = Instant::now();
        Poll::Ready(Ok(()))
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, Failure>> {
        ready!(self.poll_drain(cx))?;
        if self.output != Output::Open {
            return Poll::Ready(Err(Failure::BrokenPipe));
        }
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.poll_write(cx, bytes.get(..CHUNK).unwrap_or(bytes))
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        while !self.queue.is_empty() {
            let queue = std::mem::take(&mut self.queue);
            let written = self.poll_write(cx, &queue);
            self.queue = queue;
            match ready!(written) {
                Ok(count) => self.queue.advance(count),
                Err(failure) => {
                    self.queue.clear();
                    return Poll::Ready(Err(failure));
                }
            }
        }
        if self.output == Output::Ending {
            // A client that is gone already needs no end of stream.
            drop(ready!(Pin::new(&mut self.socket).poll_shutdown(cx)));
            self.output = Output::Ended;
        }
        match &mut self.socket {
            Socket::Foreign(stream) => {
                ready!(Pin::new(stream).poll_flush(cx)).map_err(|error| self.fail(error))?;
            }
            Socket::Tcp(_) | Socket::Unix(_) => {}
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, Failure>> {
        if let Some(failure) = self.failed {
            return Poll::Ready(Err(failure));
        }
        let polled = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.note_waiting(&polled);
        match polled {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.fail(error))),
            Poll::Ready(Ok(count)) => {
                self.bytes_out += count as u64;
                self.last_moved = Instant::now();
                Poll::Ready(Ok(count))
            }
        }
    }

    /// Notes whether the client made the guest wait. If it did and has delivered now, the guest's CPU
    /// time counts from here: a time-out is no such end of waiting, or short ones would buy time.
    fn note_waiting<T>(&mut self, polled: &Poll<io::Result<T>>) {
        match polled {
            Poll::Pending => self.kept_waiting = true,
            Poll::Ready(_) if self.kept_waiting => {
                self.kept_waiting = false;
                self.meter.restart();
            }
            Poll::Ready(_) => {}
        }
    }

    fn fail(&mut self, error: io::Error) -> Failure {
        let failure = Failure::from(error);
        *self.failed.insert(failure)
    }
}
