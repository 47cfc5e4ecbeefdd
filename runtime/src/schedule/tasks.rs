//! The tasks of one server. Dropping them aborts what runs.

use std::future::poll_fn;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::task::JoinSet;

/// Running requests, and connections that linger.
#[derive(Default)]
pub(crate) struct Tasks {
    running: Mutex<JoinSet<()>>,
    lingering: Mutex<JoinSet<()>>,
}

impl Tasks {
    /// Connections that linger at once, beside the requests that run; one more is closed as it is.
    const LINGERING: usize = 256;

    pub(super) fn spawn(&self, request: impl Future<Output = ()> + Send + 'static) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        reap(&mut running);
        running.spawn(request);
    }

    pub(super) fn linger(&self, close: impl Future<Output = ()> + Send + 'static) {
        let mut lingering = self
            .lingering
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        reap(&mut lingering);
        if lingering.len() < Self::LINGERING {
            lingering.spawn(close);
        }
    }

    /// Waits until none is left. Safe to cancel.
    pub(crate) async fn finished(&self) {
        poll_fn(|cx| {
            ready!(poll_finished(&self.running, cx));
            poll_finished(&self.lingering, cx)
        })
        .await;
    }
}

fn poll_finished(tasks: &Mutex<JoinSet<()>>, cx: &mut Context<'_>) -> Poll<()> {
    let mut tasks = tasks.lock().unwrap_or_else(PoisonError::into_inner);
    while ready!(tasks.poll_join_next(cx)).is_some() {}
    Poll::Ready(())
}

/// Forgets the tasks that have ended.
fn reap(tasks: &mut JoinSet<()>) {
    while tasks.try_join_next().is_some() {}
}
