//! Limits around a guest's call: what epochs cannot see, because the guest waits in the host.
//!
//! For a connection: the first byte of its client, the client that does not read, the silence of both, and more
//! bytes than it may carry.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::config::Limits;
use crate::meter::CpuMeter;
use crate::outcome::Fault;
use crate::stream::{Connection, Overrun, Progress};

/// What is watched while a guest runs. Timers are only made when there is something to wait for.
pub(crate) struct Watch {
    wall: Option<Timer>,
    stream: Option<StreamWatch>,
}

/// What is watched of a connection.
struct StreamWatch {
    connection: Connection,
    /// Until the client has sent something.
    first_byte: Option<Timer>,
    idle: Option<(Duration, Timer)>,
    /// How long the client may take nothing of what waits for it, and the timer while something does.
    write: Option<(Duration, Option<Timer>)>,
}

/// What ended a request from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    Wall,
    FirstByte,
    Write,
    /// Whose fault it was.
    Idle(Fault),
    /// More bytes than the connection may carry.
    Overrun(Overrun),
    /// The host's side of a call panicked.
    Panic,
}

impl Watch {
    /// A packet's request: only its wall time.
    pub(crate) fn packet(wall: Option<Duration>) -> Self {
        Self {
            wall: wall.and_then(|limit| Timer::after(Instant::now(), limit)),
            stream: None,
        }
    }

    /// A connection's request: its wall time, and what its client does.
    pub(crate) fn connection(connection: Connection, limits: &Limits) -> Self {
        let begun = connection.progress().last_moved;
        let after = |limit| Timer::after(begun, limit);
        let idle = limits.idle_limit;
        let stream = StreamWatch {
            first_byte: limits.first_byte_timeout.and_then(after),
            idle: idle.and_then(|limit| Some((limit, after(limit)?))),
            write: limits.write_timeout.map(|limit| (limit, None)),
            connection,
        };
        Self {
            stream: Some(stream),
            ..Self::packet(limits.stream_wall_limit)
        }
    }

    /// Runs a guest's call to its end, or to a limit. Only the guest's own polls are metered. A panic of the
    /// host's own code ends this request, and not the server.
    pub(crate) async fn run<T>(
        &mut self,
        meter: &CpuMeter,
        mut call: Pin<&mut impl Future<Output = T>>,
    ) -> Result<T, Cut> {
        poll_fn(|cx| {
            meter.enter();
            let polled = catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(cx)));
            meter.leave();
            match polled {
                Err(_) => Poll::Ready(Err(Cut::Panic)),
                Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
                Ok(Poll::Pending) => self.poll_cut(cx).map(Err),
            }
        })
        .await
    }

    /// Sends what the guest wrote and the client did not take yet, within the same limits.
    pub(crate) async fn flush(&mut self, connection: &Connection) -> Result<(), Cut> {
        poll_fn(|cx| match connection.poll_drain(cx) {
            // The guest has ended well: a client that leaves now changes nothing.
            Poll::Ready(_) => Poll::Ready(Ok(())),
            Poll::Pending => self.poll_cut(cx).map(|cut| match cut {
                Cut::Idle(_) => Err(Cut::Idle(Fault::Client)),
                other => Err(other),
            }),
        })
        .await
    }

    fn poll_cut(&mut self, cx: &mut Context<'_>) -> Poll<Cut> {
        if let Some(wall) = &mut self.wall
            && wall.poll(cx).is_ready()
        {
            return Poll::Ready(Cut::Wall);
        }
        match &mut self.stream {
            Some(stream) => stream.poll_cut(cx),
            None => Poll::Pending,
        }
    }
}

impl StreamWatch {
    fn poll_cut(&mut self, cx: &mut Context<'_>) -> Poll<Cut> {
        // What is queued goes out while the guest does something else; an error waits for the guest's
        // next call, and room is what a guest that waits for it is woken by.
        let _ = self.connection.poll_drain(cx);
        // Looked at after every poll of the guest, so that it is known to the poll.
        let progress = self.connection.progress();
        if let Some(overrun) = progress.overrun {
            return Poll::Ready(Cut::Overrun(overrun));
        }
        if self.poll_first_byte(cx, progress).is_ready() {
            return Poll::Ready(Cut::FirstByte);
        }
        if self.poll_write(cx, progress).is_ready() {
            return Poll::Ready(Cut::Write);
        }
        self.poll_idle(cx, progress).map(Cut::Idle)
    }

    /// Ready when the client should have sent something, and the guest waits for it.
    fn poll_first_byte(&mut self, cx: &mut Context<'_>, progress: Progress) -> Poll<()> {
        if progress.has_begun {
            self.first_byte = None;
        }
        let Some(timer) = &mut self.first_byte else {
            return Poll::Pending;
        };
        ready!(timer.poll(cx));
        if self.connection.waits_for_input() {
            return Poll::Ready(());
        }
        Poll::Pending
    }

    /// Ready when the client should have taken something.
    fn poll_write(&mut self, cx: &mut Context<'_>, progress: Progress) -> Poll<()> {
        let Some((limit, timer)) = &mut self.write else {
            return Poll::Pending;
        };
        let due = progress
            .blocked_since
            .and_then(|since| since.checked_add(*limit));
        let Some(due) = due else {
            *timer = None;
            return Poll::Pending;
        };
        let timer = timer.get_or_insert_with(|| Timer::at(due));
        if timer.due != due {
            timer.reset(due);
        }
        timer.poll(cx)
    }

    /// Ready when something should have moved, with whose fault it is that nothing did.
    fn poll_idle(&mut self, cx: &mut Context<'_>, progress: Progress) -> Poll<Fault> {
        let Some((limit, timer)) = &mut self.idle else {
            return Poll::Pending;
        };
        loop {
            ready!(timer.poll(cx));
            let due = progress.last_moved + *limit;
            if due <= Instant::now() {
                return Poll::Ready(if self.connection.waits_for_client() {
                    Fault::Client
                } else {
                    Fault::Handler
                });
            }
            timer.reset(due);
        }
    }
}

/// A timer that costs nothing until it is waited for.
struct Timer {
    due: Instant,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Timer {
    /// None if the time is so long that it never comes.
    fn after(start: Instant, time: Duration) -> Option<Self> {
        start.checked_add(time).map(Self::at)
    }

    fn at(due: Instant) -> Self {
        Self { due, sleep: None }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let due = self.due;
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(due)));
        sleep.as_mut().poll(cx)
    }

    fn reset(&mut self, due: Instant) {
        self.due = due;
        if let Some(sleep) = &mut self.sleep {
            sleep.as_mut().reset(due);
        }
    }
}
