//! The way in: from a request that has arrived to where it is finished.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::yield_now;
use tokio::time::{Instant, timeout};

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
    /// A taker has so much to do that another should help.
    pub(super) busy: Notify,
    /// Takers that wait to be asked.
    pub(super) resting: AtomicU32,
    /// How soon `service_actions` wants to be called again, as it said after the last request.
    pub(super) actions_due: watch::Sender<Option<Duration>>,
}

impl Intake {
    /// Requests that are taken in a row before other tasks of the same thread have their turn, and tokio looks
    /// at other sockets.
    const IN_A_ROW: u32 = 16;

    /// How long one taker may be busy without a pause before it asks for help. Less would wake another thread
    /// for what is nearly done.
    const BUSY: Duration = Duration::from_micros(100);

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
        while !asked.is_asked() {
            tokio::select! {
                biased;
                request = self.get_request(&mut source) => {
                    self.take_in_a_row(&mut source, &asked, request).await;
                }
                () = &mut stop => {}
            }
        }
        self.take_the_rest(source).await;
    }

    /// Takes requests whenever another taker asks for help, until a shutdown is asked for.
    pub(super) async fn help(&self, mut source: Source, asked: Asked) {
        let mut stop = pin!(asked.wait());
        while !asked.is_asked() {
            tokio::select! {
                biased;
                () = &mut stop => break,
                () = self.rest() => {}
            }
            while !asked.is_asked()
                && let Some(request) = self.next_soon(&mut source).await
            {
                self.take_in_a_row(&mut source, &asked, request).await;
            }
        }
        self.take_the_rest(source).await;
    }

    /// Takes `request`, and all that can be had after it without waiting.
    async fn take_in_a_row(&self, source: &mut Source, asked: &Asked, request: Request) {
        let mut since = request.taken;
        let mut next = Some(request);
        let mut taken: u32 = 0;
        while let Some(request) = next {
            let now = request.taken;
            self.take(request).await;
            // With no request in hand: whoever stops this taker while it gives way loses none.
            if now.saturating_duration_since(since) > Self::BUSY {
                since = now;
                self.ask_for_help(source).await;
            }
            if let due @ Some(_) = self.hooks.service_actions() {
                self.actions_due.send_replace(due);
            }
            taken += 1;
            if taken.is_multiple_of(Self::IN_A_ROW) {
                source.flush().await;
                yield_now().await;
            }
            if asked.is_asked() {
                return;
            }
            next = self.next_now(source).await;
        }
    }

    /// Waits until another taker asks for help. Safe to cancel.
    async fn rest(&self) {
        struct Resting<'a>(&'a AtomicU32);
        impl Drop for Resting<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Relaxed);
            }
        }
        self.resting.fetch_add(1, Relaxed);
        let _resting = Resting(&self.resting);
        self.busy.notified().await;
    }

    /// Wakes another taker, if one rests.
    async fn ask_for_help(&self, source: &Source) {
        if self.resting.load(Relaxed) > 0 {
            self.busy.notify_one();
            // Tokio runs it on this thread next, or another thread runs what this one had.
            source.flush().await;
            yield_now().await;
        }
    }

    /// A request, if there is one now.
    async fn next_now(&self, source: &mut Source) -> Option<Request> {
        let mut request = pin!(self.get_request(source));
        poll_fn(|cx| match request.as_mut().poll(cx) {
            Poll::Ready(request) => Poll::Ready(Some(request)),
            Poll::Pending => Poll::Ready(None),
        })
        .await
    }

    /// A request, if one comes before a helper should rather leave.
    async fn next_soon(&self, source: &mut Source) -> Option<Request> {
        match source.patience() {
            Some(patience) => timeout(patience, self.get_request(source)).await.ok(),
            None => self.next_now(source).await,
        }
    }

    /// Takes what has been taken from the kernel already, when no more is.
    async fn take_the_rest(&self, mut source: Source) {
        while let Some((arrival, client_address)) = source.taken_request() {
            self.take(self.number(arrival, client_address)).await;
        }
        source.flush().await;
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
