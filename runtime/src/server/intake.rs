//! The way in: from a request that has arrived to where it is finished.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::Instant;

use crate::address::{ClientAddress, Transport};
use crate::admission::{Admission, Verified};
use crate::finish::Service;
use crate::hooks::HookCaller;
use crate::listen::{Arrival, Source};
use crate::request::Request;
use crate::schedule::Scheduler;
use crate::shutdown::Asked;

/// What every request of one server goes through, whoever took it.
pub(super) struct Intake {
    pub(super) transport: Transport,
    pub(super) admission: Admission,
    pub(super) hooks: HookCaller,
    pub(super) service: Arc<Service>,
    pub(super) scheduler: Scheduler,
    pub(super) taken: AtomicU64,
    /// How soon `service_actions` wants to be called again, as it said after the last request.
    pub(super) actions_due: watch::Sender<Option<Duration>>,
}

impl Intake {
    /// Requests that are taken in a row before other tasks of the same thread have their turn, and tokio looks
    /// at other sockets.
    const IN_A_ROW: u32 = 16;

    /// To be called while nobody else has the service.
    pub(super) fn set_hooks(&mut self, hooks: HookCaller) {
        if let Some(service) = Arc::get_mut(&mut self.service) {
            service.access.set_hooks(hooks.clone());
        }
        self.hooks = hooks;
    }

    /// Takes requests until a shutdown is asked for.
    pub(super) async fn take_requests(&self, mut source: Source, asked: Asked) {
        let mut stop = pin!(asked.wait());
        let mut taken: u32 = 0;
        while !asked.is_asked() {
            tokio::select! {
                biased;
                request = self.get_request(&mut source) => self.take(request).await,
                () = &mut stop => break,
            }
            if let due @ Some(_) = self.hooks.service_actions() {
                self.actions_due.send_replace(due);
            }
            taken = taken.wrapping_add(1);
            if taken.is_multiple_of(Self::IN_A_ROW) {
                yield_now().await;
            }
        }
    }

    /// Waits for a request, once there is room for one. Safe to cancel.
    pub(super) async fn get_request(&self, source: &mut Source) -> Request {
        self.admission.room().await;
        let (arrival, client_address) = source.get_request().await;
        self.number(arrival, client_address)
    }

    pub(super) fn number(&self, arrival: Arrival, client_address: ClientAddress) -> Request {
        Request {
            id: self.taken.fetch_add(1, Relaxed) + 1,
            transport: self.transport,
            client_address,
            taken: Instant::now(),
            arrival,
        }
    }

    /// Admission, and then the schedule.
    pub(super) async fn take(&self, request: Request) {
        match self.admission.verify_request(request, &self.hooks).await {
            Verified::Admitted(admitted) => {
                self.scheduler
                    .process_request(&self.service, admitted)
                    .await;
            }
            Verified::Refused(request, refusal) => self.service.refuse(request, refusal),
        }
    }
}
