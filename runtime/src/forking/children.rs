//! Python's `active_children`: the processes of a server that serve a request now.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Their numbers.
#[derive(Default, Clone)]
pub(super) struct Children(Arc<Mutex<BTreeSet<u32>>>);

/// One of them, until this is dropped.
pub(super) struct Running {
    children: Children,
    pid: u32,
}

impl Children {
    pub(super) fn running(&self, pid: u32) -> Running {
        self.lock().insert(pid);
        Running {
            children: self.clone(),
            pid,
        }
    }

    pub(super) fn active(&self) -> Vec<u32> {
        self.lock().iter().copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.children.lock().remove(&self.pid);
    }
}
