//! One connection, as its faces and its supervisor see it. The host keeps it; the guest's request, `rfile`
//! and `wfile` only refer to it, so that no order of dropping them closes anything.

use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use tokio::task::coop::has_budget_remaining;
use tokio::time::Instant;

use super::state::{Overrun, Progress, Quota, State};
use super::{CHUNK, Failure, Socket};
use crate::meter::CpuMeter;

/// One connection, shared between the faces that a guest holds and the host.
#[derive(Clone)]
pub(crate) struct Connection(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// Calls of the guest that wait for its client now: to send something, or to take something.
    reading: AtomicUsize,
    writing: AtomicUsize,
}

/// One of them, until it is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// Which half of a connection to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Half {
    Receive,
    Send,
    Both,
}

impl Connection {
    /// A connection that was `taken` then. `timeout` is Python's `StreamRequestHandler.timeout`: how long one
    /// call may wait.
    pub(crate) fn new(
        socket: Socket,
        taken: Instant,
        timeout: Option<Duration>,
        quota: Quota,
        meter: Arc<CpuMeter>,
    ) -> Self {
        Self(Arc::new(Shared {
            state: Mutex::new(State::new(socket, taken, timeout, quota, meter)),
            reading: AtomicUsize::new(0),
            writing: AtomicUsize::new(0),
        }))
    }

    /// Waits for bytes: at most `max` and [`CHUNK`] of them; none is the end of the stream.
    pub(crate) async fn recv(&self, max: usize) -> Result<Bytes, Failure> {
        self.wait(&self.0.reading, |state, cx| state.poll_recv(cx, max))
            .await
    }

    /// Waits until the socket took some of `bytes`; returns how many.
    pub(crate) async fn send(&self, bytes: &[u8]) -> Result<usize, Failure> {
        self.wait(&self.0.writing, |state, cx| state.poll_send(cx, bytes))
            .await
    }

    /// Waits until everything written is with the kernel.
    pub(super) async fn drain(&self) -> Result<(), Failure> {
        self.wait(&self.0.writing, State::poll_drain).await
    }

    /// Waits until [`Connection::recv_now`] has something to say.
    pub(super) async fn readable(&self) -> Result<(), Failure> {
        self.wait(&self.0.reading, State::poll_readable).await
    }

    /// A guest's call that may wait for its client, no longer than the time-out.
    ///
    /// If it had to wait, and the client did its part, the guest's CPU time counts from here. A time-out is
    /// no such end of waiting, nor is tokio's own turn to be polite: both would buy time.
    async fn wait<T>(
        &self,
        waiting: &AtomicUsize,
        mut poll: impl FnMut(&mut State, &mut Context<'_>) -> Poll<Result<T, Failure>>,
    ) -> Result<T, Failure> {
        waiting.fetch_add(1, Relaxed);
        let _waiting = Waiting(waiting);
        let mut waited = false;
        let operation = poll_fn(|cx| {
            let mut state = self.lock();
            let polled = poll(&mut state, cx);
            match &polled {
                Poll::Pending => waited |= has_budget_remaining(),
                Poll::Ready(Ok(_)) if waited => state.restart_meter(),
                Poll::Ready(_) => {}
            }
            polled
        });
        let timeout = self.lock().timeout();
        match timeout {
            None => operation.await,
            // Boxed: a connection without a time-out, which is most of them, shall not carry room for one.
            Some(limit) => Box::pin(tokio::time::timeout(limit, operation))
                .await
                .unwrap_or(Err(Failure::TimedOut)),
        }
    }

    /// What [`Connection::recv`] would return without waiting.
    pub(super) fn recv_now(&self, max: usize) -> Poll<Result<Bytes, Failure>> {
        self.lock().poll_recv(&mut noop(), max)
    }

    /// Takes all of `bytes`, into the queue if need be. How much may be given at a time:
    /// [`Connection::room`].
    pub(super) fn write(&self, bytes: &[u8]) -> Result<(), Failure> {
        self.lock().write(bytes)
    }

    /// How many bytes [`Connection::write`] may be given: none while earlier ones still wait.
    pub(super) fn room(&self) -> Result<usize, Failure> {
        let mut state = self.lock();
        match state.poll_drain(&mut noop()) {
            Poll::Pending => Ok(0),
            Poll::Ready(Err(failure)) => Err(failure),
            Poll::Ready(Ok(())) if state.output_is_open() => Ok(CHUNK),
            Poll::Ready(Ok(())) => Err(Failure::BrokenPipe),
        }
    }

    /// Python's `socket.shutdown`.
    pub(crate) fn shutdown(&self, half: Half) -> Result<(), Failure> {
        let mut state = self.lock();
        if half != Half::Send {
            state.refuse_input();
        }
        if half != Half::Receive {
            state.end_output();
            if let Poll::Ready(Err(failure)) = state.poll_drain(&mut noop()) {
                return Err(failure);
            }
        }
        Ok(())
    }

    /// True if closing is enough to end the output properly, once all that was written has gone.
    pub(crate) fn ends_when_closed(&self) -> bool {
        self.lock().ends_when_closed()
    }

    pub(crate) fn set_timeout(&self, timeout: Option<Duration>) {
        self.lock().set_timeout(timeout);
    }

    pub(crate) fn set_no_delay(&self, enabled: bool) -> Result<(), Failure> {
        self.lock().set_no_delay(enabled)
    }

    /// Hands the queue to the socket, and then its end, if it has been asked for.
    pub(crate) fn poll_drain(&self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.lock().poll_drain(cx)
    }

    /// True while the guest is in a call that waits for its client.
    pub(crate) fn waits_for_client(&self) -> bool {
        self.waits_for_input() || self.0.writing.load(Relaxed) > 0
    }

    /// True while the guest is in a call that waits for its client to send something.
    pub(crate) fn waits_for_input(&self) -> bool {
        self.0.reading.load(Relaxed) > 0
    }

    /// True if the connection itself failed: the client is gone.
    pub(crate) fn has_failed(&self) -> bool {
        self.lock().has_failed()
    }

    /// Which way more came than it may carry.
    pub(crate) fn overrun(&self) -> Option<Overrun> {
        self.lock().overrun()
    }

    /// How it goes.
    pub(crate) fn progress(&self) -> Progress {
        self.lock().progress()
    }

    /// Bytes given to the guest, and bytes taken by the kernel.
    pub(crate) fn bytes_moved(&self) -> (u64, u64) {
        self.lock().bytes_moved()
    }

    /// Reads and forgets some of what the client still sends; 0 at the end of its stream.
    pub(crate) async fn discard(&self) -> Result<usize, Failure> {
        poll_fn(|cx| self.lock().poll_discard(cx)).await
    }

    /// True if the client has sent what nobody has read.
    pub(crate) fn has_unread(&self) -> bool {
        self.lock().has_unread()
    }

    /// Nothing panics while it holds this lock; if something did, the state would still be whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For a look without waiting. Whoever waits polls again, in the same task, with its own waker.
fn noop() -> Context<'static> {
    Context::from_waker(Waker::noop())
}
