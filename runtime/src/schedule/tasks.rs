//! The tasks of one server. Dropping them aborts what runs.

use std::sync::{Mutex, PoisonError};

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

    /// Waits for all of them.
    pub(crate) async fn finished(&self) {
        for tasks in [&self.running, &self.lingering] {
            // Nothing is spawned any more: the set can be waited for outside its lock.
            let mut tasks =
                std::mem::take(&mut *tasks.lock().unwrap_or_else(PoisonError::into_inner));
            while tasks.join_next().await.is_some() {}
        }
    }
}

/// Forgets the tasks that have ended.
fn reap(tasks: &mut JoinSet<()>) {
    while tasks.try_join_next().is_some() {}
}
