//! Who gets in: Python's `verify_request`, behind a permit for each request that may run.
//!
//! Only this room makes an [`Admitted`] request, and nothing else is scheduled.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::{Schedule, ServerConfig, WhenFull};
use crate::hooks::HookCaller;
use crate::outcome::Refusal;
use crate::request::Request;

/// The door of one server.
pub(crate) struct Admission {
    permits: Arc<Semaphore>,
    wait: bool,
}

/// The right to run, given back when it is dropped.
pub(crate) struct Permit(#[expect(dead_code, reason = "held, not read")] OwnedSemaphorePermit);

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
    /// Under the sync schedule there is room for one, and everybody waits for it.
    pub(crate) fn new(config: &ServerConfig) -> Self {
        let wait = config.schedule == Schedule::Sync || config.when_full == WhenFull::Wait;
        let permits = Semaphore::new(usize::try_from(concurrency(config)).unwrap_or(usize::MAX));
        Self {
            permits: Arc::new(permits),
            wait,
        }
    }

    /// Waits until there is room, where requests are to stay in the kernel's queue until then.
    ///
    /// The room is not kept: whoever waits for a request must not hold what another request could use.
    pub(crate) async fn room(&self) {
        if self.wait {
            drop(self.permits.acquire().await);
        }
    }

    /// Admits a request, or refuses it and says why.
    pub(crate) async fn verify_request(&self, request: Request, hooks: &HookCaller) -> Verified {
        let permits = Arc::clone(&self.permits);
        let permit = if self.wait {
            permits.acquire_owned().await.ok()
        } else {
            permits.try_acquire_owned().ok()
        };
        let Some(permit) = permit else {
            return Verified::Refused(request, Refusal::Full);
        };
        if !hooks.verify_request(&request) {
            return Verified::Refused(request, Refusal::Verify);
        }
        let permit = Permit(permit);
        Verified::Admitted(Admitted { request, permit })
    }
}

/// How many requests of one server run at once.
pub(crate) fn concurrency(config: &ServerConfig) -> u32 {
    match config.schedule {
        Schedule::Sync => 1,
        Schedule::Threaded => config.max_concurrency,
    }
}
