//! The state of one connection, and the polls that move its bytes.
//!
//! Reads go to the socket directly. Writes go to it directly as long as it takes them; what it does not
//! take waits in one small queue, the only way to the socket from then on, until somebody drains it: the
//! next write, a wait for room, or the request's supervisor while the guest does something else.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::{CHUNK, Failure, Socket};
use crate::meter::CpuMeter;

pub(super) struct State {
    socket: Socket,
    timeout: Option<Duration>,
    /// Read from the socket while waiting for readiness, and not yet given to the guest.
    ahead: BytesMut,
    input: Input,
    /// Nothing more was there when the socket was last read.
    drained: bool,
    meter: Arc<CpuMeter>,
    /// Written by the guest, and not yet taken by the socket.
    queue: BytesMut,
    output: Output,
    write_failure: Option<Failure>,
    last_moved: Instant,
    bytes_in: u64,
    bytes_out: u64,
}

/// What there is to read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Input {
    Open,
    /// The guest does not want any more of it; the client may still send.
    Refused,
    /// The client has ended its stream.
    Ended,
    Failed(Failure),
}

/// How far the end of our output has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Output {
    Open,
    /// To be ended as soon as the queue is empty.
    Ending,
    Ended,
}

impl State {
    pub(super) fn new(socket: Socket, timeout: Option<Duration>, meter: Arc<CpuMeter>) -> Self {
        Self {
            socket,
            timeout,
            ahead: BytesMut::new(),
            input: Input::Open,
            drained: true,
            meter,
            queue: BytesMut::new(),
            output: Output::Open,
            write_failure: None,
            last_moved: Instant::now(),
            bytes_in: 0,
            bytes_out: 0,
        }
    }

    /// At most `max` and [`CHUNK`] bytes; none at the end of the stream.
    pub(super) fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        max: usize,
    ) -> Poll<Result<Bytes, Failure>> {
        if max == 0 || self.input == Input::Refused {
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

    /// Ready when [`State::poll_recv`] would be. A failure is kept for it.
    pub(super) fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        const READ_AHEAD: usize = 8 * 1024;
        if self.ahead.is_empty() && self.input == Input::Open {
            let _ = ready!(self.poll_read(cx, READ_AHEAD));
        }
        Poll::Ready(Ok(()))
    }

    /// Reads and forgets, whether the guest wanted it or not; 0 at the end of the client's stream.
    pub(super) fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Failure>> {
        const AT_ONCE: usize = 8 * 1024;
        if self.ahead.is_empty() {
            ready!(self.poll_read(cx, AT_ONCE))?;
        }
        Poll::Ready(Ok(self.ahead.split().len()))
    }

    /// Reads at most `max` bytes into `ahead`, which is empty; nothing at the end of the stream.
    fn poll_read(&mut self, cx: &mut Context<'_>, max: usize) -> Poll<Result<(), Failure>> {
        match self.input {
            Input::Open | Input::Refused => {}
            Input::Ended => return Poll::Ready(Ok(())),
            Input::Failed(failure) => return Poll::Ready(Err(failure)),
        }
        self.ahead.resize(max, 0);
        let mut buffer = ReadBuf::new(&mut self.ahead);
        let polled = Pin::new(&mut self.socket).poll_read(cx, &mut buffer);
        let length = buffer.filled().len();
        self.ahead.truncate(length);
        let drained = std::mem::replace(&mut self.drained, length < max);
        if let Err(error) = ready!(polled) {
            let failure = Failure::from(error);
            self.input = Input::Failed(failure);
            return Poll::Ready(Err(failure));
        }
        if length == 0 {
            self.input = Input::Ended;
        } else if drained {
            // There was nothing to do before the client sent this: whether the guest was waiting already, or
            // was about to, is the scheduler's affair and not the guest's.
            self.meter.restart();
        }
        self.last_moved = Instant::now();
        Poll::Ready(Ok(()))
    }

    /// Some of `bytes`, after all that is queued.
    pub(super) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize, Failure>> {
        ready!(self.poll_drain(cx))?;
        if self.output != Output::Open {
            return Poll::Ready(Err(Failure::BrokenPipe));
        }
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.poll_write(cx, bytes.get(..CHUNK).unwrap_or(bytes))
    }

    /// All of `bytes`: what the socket does not take now is queued.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let taken = match self.poll_send(&mut Context::from_waker(Waker::noop()), bytes) {
            Poll::Ready(taken) => taken?,
            Poll::Pending => 0,
        };
        let rest = bytes.get(taken..).unwrap_or_default();
        self.queue.extend_from_slice(rest);
        Ok(())
    }

    /// Hands the queue to the socket, and then its end, if it has been asked for.
    pub(super) fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
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
        ready!(self.poll_flush(cx))?;
        if self.output == Output::Ending {
            // A client that is gone already needs no end of stream.
            drop(ready!(Pin::new(&mut self.socket).poll_shutdown(cx)));
            self.output = Output::Ended;
        }
        Poll::Ready(Ok(()))
    }

    /// Only a stream of somebody else's may hold bytes back.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        match &mut self.socket {
            Socket::Tcp(_) | Socket::Unix(_) => Poll::Ready(Ok(())),
            Socket::Foreign(stream) => match ready!(Pin::new(stream).poll_flush(cx)) {
                Ok(()) => Poll::Ready(Ok(())),
                Err(error) => Poll::Ready(Err(self.fail_writing(error))),
            },
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, Failure>> {
        if let Some(failure) = self.write_failure {
            return Poll::Ready(Err(failure));
        }
        match ready!(Pin::new(&mut self.socket).poll_write(cx, bytes)) {
            Ok(0) => Poll::Ready(Err(self.fail_writing(io::ErrorKind::BrokenPipe.into()))),
            Ok(count) => {
                self.bytes_out += count as u64;
                self.last_moved = Instant::now();
                Poll::Ready(Ok(count))
            }
            Err(error) => Poll::Ready(Err(self.fail_writing(error))),
        }
    }

    fn fail_writing(&mut self, error: io::Error) -> Failure {
        *self.write_failure.insert(Failure::from(error))
    }

    /// The guest wants no more input: it sees the end of the stream.
    pub(super) fn refuse_input(&mut self) {
        if self.input == Input::Open {
            self.input = Input::Refused;
        }
    }

    /// The output ends when all that is queued has gone.
    pub(super) fn end_output(&mut self) {
        if self.output == Output::Open {
            self.output = Output::Ending;
        }
    }

    pub(super) fn output_is_open(&self) -> bool {
        self.output == Output::Open
    }

    pub(super) fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    pub(super) fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.timeout = timeout;
    }

    pub(super) fn set_no_delay(&self, enabled: bool) -> Result<(), Failure> {
        Ok(self.socket.set_no_delay(enabled)?)
    }

    pub(super) fn has_failed(&self) -> bool {
        self.write_failure.is_some() || matches!(self.input, Input::Failed(_))
    }

    pub(super) fn last_moved(&self) -> Instant {
        self.last_moved
    }

    pub(super) fn bytes_moved(&self) -> (u64, u64) {
        (self.bytes_in, self.bytes_out)
    }
}
