//! Waiting: until a request is due, and for its reply.

use std::io;
use std::pin::Pin;
use std::time::{Duration, Instant};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe::Receiver;
use tokio::time::Sleep;

/// Wakes a client when its request is due, as precisely as the kernel can: tokio's timers know milliseconds
/// only, and what a request is late counts as its latency.
///
/// The kernel's timer is read as a pipe is, which is all that tokio needs to know of it.
pub(super) struct Alarm(Receiver);

impl Alarm {
    pub(super) fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        Receiver::from_owned_fd_unchecked(timer).map(Self)
    }

    /// Waits from `now` until `due`.
    pub(super) async fn wait(&mut self, now: Instant, due: Instant) -> io::Result<()> {
        let wait = due.saturating_duration_since(now);
        if wait.is_zero() {
            return Ok(());
        }
        let once = Itimerspec {
            it_interval: Timespec::default(),
            it_value: Timespec::try_from(wait).unwrap_or_default(),
        };
        timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &once)?;
        // How often it has expired: once.
        self.0.read_u64_le().await.map(drop)
    }
}

/// Gives up on a request that takes too long. One timer does for all requests of a client.
pub(super) struct Patience {
    limit: Duration,
    timer: Pin<Box<Sleep>>,
}

impl Patience {
    pub(super) fn new(limit: Duration) -> Self {
        Self {
            limit,
            timer: Box::pin(tokio::time::sleep(limit)),
        }
    }

    /// What comes of `request`; none if it has not ended in time.
    pub(super) async fn during<F: Future>(
        &mut self,
        begun: Instant,
        request: F,
    ) -> Option<F::Output> {
        self.timer.as_mut().reset((begun + self.limit).into());
        tokio::select! {
            biased;
            output = request => Some(output),
            () = &mut self.timer => None,
        }
    }
}
