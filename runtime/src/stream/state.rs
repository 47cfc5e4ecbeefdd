//! The state of one connection, and the polls that move its bytes.
//!
//! Reads go to the socket directly. Writes go to it directly as long as it takes them; what it does not
//! take waits in one small queue, the only way to the socket from then on, until somebody drains it: the
//! next write, a wait for room, or the request's supervisor while the guest does something else.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::time::Instant;

use super::{CHUNK, Failure, Socket};
use crate::meter::CpuMeter;

pub(super) struct State {
    socket: Socket,
    timeout: Option<Duration>,
    quota: Quota,
    overrun: Option<Overrun>,
    /// Read from the socket while waiting for readiness, and not yet given to the guest.
    ahead: Bytes,
    input: Input,
    /// Nothing more was there when the socket was last read.
    drained: bool,
    meter: Arc<CpuMeter>,
    /// Written by the guest, and not yet taken by the socket.
    queue: BytesMut,
    output: Output,
    write_failure: Option<Failure>,
    /// Since when the socket has taken no byte of what waits.
    blocked_since: Option<Instant>,
    /// The client has sent something.
    has_begun: bool,
    /// A byte has moved since `last_moved` was last looked at.
    moved: bool,
    last_moved: Instant,
    bytes_in: u64,
    bytes_out: u64,
}

/// How many bytes a connection may carry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quota {
    pub(crate) bytes_in: Option<u64>,
    pub(crate) bytes_out: Option<u64>,
}

/// Which way more came than a connection may carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overrun {
    In,
    Out,
}

/// What a connection's supervisor looks at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Progress {
    /// When a byte last moved, either way.
    pub(crate) last_moved: Instant,
    /// The client has sent something, or ended its stream.
    pub(crate) has_begun: bool,
    /// Since when the client has taken no byte of what waits for it.
    pub(crate) blocked_since: Option<Instant>,
    pub(crate) overrun: Option<Overrun>,
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
    pub(super) fn new(
        socket: Socket,
        taken: Instant,
        timeout: Option<Duration>,
        quota: Quota,
        meter: Arc<CpuMeter>,
    ) -> Self {
        Self {
            socket,
            timeout,
            quota,
            overrun: None,
            ahead: Bytes::new(),
            input: Input::Open,
            drained: true,
            meter,
            queue: BytesMut::new(),
            output: Output::Open,
            write_failure: None,
            blocked_since: None,
            has_begun: false,
            moved: false,
            last_moved: taken,
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
            self.ahead = ready!(self.poll_read(cx, max))?;
        }
        let length = max.min(self.ahead.len());
        let length = self.within(self.quota.bytes_in, self.bytes_in, length, Overrun::In)?;
        let bytes = self.ahead.split_to(length);
        self.bytes_in += bytes.len() as u64;
        Poll::Ready(Ok(bytes))
    }

    /// How many of `length` bytes may still move, if `moved` of a quota have.
    ///
    /// # Errors
    ///
    /// [`Failure::LimitReached`] if none of some may.
    fn within(
        &mut self,
        quota: Option<u64>,
        moved: u64,
        length: usize,
        overrun: Overrun,
    ) -> Result<usize, Failure> {
        let Some(quota) = quota else {
            return Ok(length);
        };
        let left = usize::try_from(quota.saturating_sub(moved)).unwrap_or(usize::MAX);
        if left == 0 && length > 0 {
            self.overrun.get_or_insert(overrun);
            return Err(Failure::LimitReached);
        }
        Ok(length.min(left))
    }

    /// Ready when [`State::poll_recv`] would be. A failure is kept for it.
    pub(super) fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        const READ_AHEAD: usize = 8 * 1024;
        if self.ahead.is_empty() && self.input == Input::Open {
            self.ahead = ready!(self.poll_read(cx, READ_AHEAD)).unwrap_or_default();
        }
        Poll::Ready(Ok(()))
    }

    /// Reads and forgets, whether the guest wanted it or not; 0 at the end of the client's stream.
    pub(super) fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Failure>> {
        const AT_ONCE: usize = 8 * 1024;
        let ahead = std::mem::take(&mut self.ahead);
        if !ahead.is_empty() {
            return Poll::Ready(Ok(ahead.len()));
        }
        Poll::Ready(Ok(ready!(self.poll_read(cx, AT_ONCE))?.len()))
    }

    /// True if the client has sent what nobody has read.
    pub(super) fn has_unread(&mut self) -> bool {
        if !self.ahead.is_empty() {
            return true;
        }
        let may_come = matches!(self.input, Input::Open | Input::Refused);
        may_come
            && self
                .socket
                .try_recv(&mut Vec::with_capacity(1))
                .is_ok_and(|count| count > 0)
    }

    /// Reads at most `max` bytes; none at the end of the stream.
    fn poll_read(&mut self, cx: &mut Context<'_>, max: usize) -> Poll<Result<Bytes, Failure>> {
        match self.input {
            Input::Open | Input::Refused => {}
            Input::Ended => return Poll::Ready(Ok(Bytes::new())),
            Input::Failed(failure) => return Poll::Ready(Err(failure)),
        }
        let mut bytes = Vec::with_capacity(max);
        let polled = self.socket.poll_recv(cx, &mut bytes);
        let drained = std::mem::replace(&mut self.drained, bytes.len() < max);
        if let Err(error) = ready!(polled) {
            let failure = Failure::from(error);
            self.input = Input::Failed(failure);
            return Poll::Ready(Err(failure));
        }
        self.has_begun = true;
        if bytes.is_empty() {
            self.input = Input::Ended;
        } else if drained {
            // There was nothing to do before the client sent this: whether the guest was waiting already, or
            // was about to, is the scheduler's affair and not the guest's.
            self.restart_meter();
        }
        self.moved = true;
        Poll::Ready(Ok(bytes.into()))
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
        let length = bytes.len().min(CHUNK);
        let length = self.within(self.quota.bytes_out, self.bytes_out, length, Overrun::Out)?;
        self.poll_write(cx, bytes.get(..length).unwrap_or(bytes))
    }

    /// All of `bytes`: what the socket does not take now is queued.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let taken = match self.poll_send(&mut Context::from_waker(Waker::noop()), bytes) {
            Poll::Ready(taken) => taken?,
            Poll::Pending => 0,
        };
        let rest = bytes.get(taken..).unwrap_or_default();
        let length = self.within(
            self.quota.bytes_out,
            self.bytes_out,
            rest.len(),
            Overrun::Out,
        )?;
        self.queue
            .extend_from_slice(rest.get(..length).unwrap_or(rest));
        if length < rest.len() {
            self.overrun.get_or_insert(Overrun::Out);
            return Err(Failure::LimitReached);
        }
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
            drop(ready!(self.socket.poll_shutdown(cx)));
            self.output = Output::Ended;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        let flushed = ready!(self.socket.poll_flush(cx));
        Poll::Ready(flushed.map_err(|error| self.fail_writing(error)))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, Failure>> {
        if let Some(failure) = self.write_failure {
            return Poll::Ready(Err(failure));
        }
        let Poll::Ready(sent) = self.socket.poll_send(cx, bytes) else {
            self.blocked_since.get_or_insert_with(Instant::now);
            return Poll::Pending;
        };
        self.blocked_since = None;
        match sent {
            Ok(0) => Poll::Ready(Err(self.fail_writing(io::ErrorKind::BrokenPipe.into()))),
            Ok(count) => {
                self.bytes_out += count as u64;
                self.moved = true;
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

    pub(super) fn ends_when_closed(&self) -> bool {
        self.socket.ends_when_closed()
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

    pub(super) fn overrun(&self) -> Option<Overrun> {
        self.overrun
    }

    /// How it goes, as precise as this is called often: the clock is not asked for each byte.
    pub(super) fn progress(&mut self) -> Progress {
        if std::mem::take(&mut self.moved) {
            self.last_moved = Instant::now();
        }
        Progress {
            last_moved: self.last_moved,
            has_begun: self.has_begun,
            blocked_since: self.blocked_since,
            overrun: self.overrun,
        }
    }

    /// The client did what the guest had waited for.
    pub(super) fn restart_meter(&self) {
        self.meter.restart();
    }

    pub(super) fn bytes_moved(&self) -> (u64, u64) {
        (self.bytes_in, self.bytes_out)
    }
}
