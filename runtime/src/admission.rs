//! Who gets in: Python's `verify_request`, behind a permit for each request that may run.
//!
//! Only this room makes an [`Admitted`] request, and nothing else is scheduled.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use tokio::sync::Notify;

use crate::config::{Schedule, ServerConfig, WhenFull};
use crate::hooks::HookCaller;
use crate::outcome::Refusal;
use crate::request::Request;

/// The door of one server.
pub(crate) struct Admission {
    places: Arc<Places>,
}

/// How many more requests may run. Most servers refuse when there is no place, so that taking one and giving
/// it back is one step for the processor, and no lock that all requests share.
struct Places {
    free: AtomicU32,
    freed: Notify,
    /// Somebody may be waiting for one.
    wait: bool,
}

/// The right to run, given back when it is dropped.
pub(crate) struct Permit(Arc<Places>);

impl Places {
    fn take(self: &Arc<Self>) -> Option<Permit> {
        self.free
            .fetch_update(SeqCst, SeqCst, |free| free.checked_sub(1))
            .is_ok()
            .then(|| Permit(Arc::clone(self)))
    }

    /// Waits for a place. Safe to cancel.
    async fn wait(self: &Arc<Self>) -> Permit {
        loop {
            let mut freed = pin!(self.freed.notified());
            // From here on no place is given back unnoticed.
            freed.as_mut().enable();
            if let Some(permit) = self.take() {
                return permit;
            }
            freed.await;
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.free.fetch_add(1, SeqCst);
        if self.0.wait {
            self.0.freed.notify_one();
        }
    }
}

/// What admission decided.
pub(crate) enum Verified {
    Admitted(Admitted),
    Refused(Request, Refusal),
}

/// A request that may run.
pub(crate) struct Admitted {
    pub(crate) request: Request,
    pub(crate) permit: Permit,
}

impl Admission {
    /// With room for `concurrency` requests. Under the sync schedule that is one, and everybody waits for it.
    pub(crate) fn new(config: &ServerConfig, concurrency: u32) -> Self {
        Self {
            places: Arc::new(Places {
                free: AtomicU32::new(concurrency),
                freed: Notify::new(),
                wait: waits(config),
            }),
        }
    }

    /// Waits until there is room, where requests are to stay in the kernel's queue until then.
    ///
    /// The room is not kept: whoever waits for a request must not hold what another request could use.
    pub(crate) async fn room(&self) {
        if self.places.wait {
            drop(self.places.wait().await);
        }
    }

    /// Admits a request, or refuses it and says why.
    pub(crate) async fn verify_request(&self, request: Request, hooks: &HookCaller) -> Verified {
        let permit = if self.places.wait {
            Some(self.places.wait().await)
        } else {
            self.places.take()
        };
        let Some(permit) = permit else {
            return Verified::Refused(request, Refusal::Full);
        };
        if !hooks.verify_request(&request) {
            return Verified::Refused(request, Refusal::Verify);
        }
        Verified::Admitted(Admitted { request, permit })
    }
}

/// True if requests stay in the kernel's queue while there is no room for them.
pub(crate) fn waits(config: &ServerConfig) -> bool {
    config.schedule == Schedule::Sync || config.when_full == WhenFull::Wait
}
