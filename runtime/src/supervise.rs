//! Limits around a guest's call: what epochs cannot see, because the guest waits in the host.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::meter::CpuMeter;
use crate::outcome::Fault;
use crate::stream::Connection;

/// What is watched while a guest runs. Timers are only made when there is something to wait for.
pub(crate) struct Watch {
    wall: Option<Timer>,
    idle: Option<(Duration, Timer)>,
    connection: Option<Connection>,
}

/// What ended a request from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    Wall,
    /// Whose fault it was.
    Idle(Fault),
    /// The host's side of a call panicked.
    Panic,
}

impl Watch {
    /// A packet's request: only its wall time.
    pub(crate) fn packet(wall: Option<Duration>) -> Self {
        Self {
            wall: wall.and_then(|limit| Timer::after(Instant::now(), limit)),
            idle: None,
            connection: None,
        }
    }

    /// A connection's request: its wall time, and the time since a byte last moved.
    pub(crate) fn connection(
        connection: Connection,
        wall: Option<Duration>,
        idle: Option<Duration>,
    ) -> Self {
        let moved = connection.last_moved();
        Self {
            idle: idle.and_then(|limit| Some((limit, Timer::after(moved, limit)?))),
            connection: Some(connection),
            ..Self::packet(wall)
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
        if let Some(connection) = &self.connection {
            // What is queued goes out while the guest does something else; an error waits for the
            // guest's next call, and room is what a guest that waits for it is woken by.
            let _ = connection.poll_drain(cx);
        }
        if let Some(wall) = &mut self.wall
            && wall.poll(cx).is_ready()
        {
            return Poll::Ready(Cut::Wall);
        }
        self.poll_idle(cx)
    }

    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<Cut> {
        let (Some((limit, timer)), Some(connection)) = (&mut self.idle, &self.connection) else {
            return Poll::Pending;
        };
        // Looked at after every poll of the guest, so that it is known to the poll.
        let moved = connection.last_moved();
        loop {
            ready!(timer.poll(cx));
            let due = moved + *limit;
            if due <= Instant::now() {
                let fault = if connection.waits_for_client() {
                    Fault::Client
                } else {
                    Fault::Handler
                };
                return Poll::Ready(Cut::Idle(fault));
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
        let due = start.checked_add(time)?;
        Some(Self { due, sleep: None })
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
