//! Python's `finish_request`: one instance, one request, one outcome.

use std::sync::Arc;
use std::time::Duration;

use crate::access::Access;
use crate::address::ClientAddress;
use crate::admission::{Admitted, Permit};
use crate::execute::{Executed, Executor};
use crate::forking::{Leaving, Served, Zygote};
use crate::listen::{Arrival, Packet};
use crate::outcome::{Outcome, Refusal, Report};
use crate::replies::{Replies, ReplyPath};
use crate::reply_budget::ReplyLimits;
use crate::request::{Linger, Request, shutdown_request};
use crate::stream::{Connection, Socket};

/// All that a request needs from its server, so that it keeps no reference to the server itself.
pub(crate) struct Service {
    pub(crate) execution: Execution,
    /// What a packet may be answered with.
    pub(crate) replies: ReplyLimits,
    pub(crate) access: Access,
}

/// Which process a handler runs in.
pub(crate) enum Execution {
    /// This one.
    Here(Box<Executor>),
    /// A child for each request.
    InChildren(Box<Zygote>),
}

/// A finished request of which something is left, with the permit that it keeps until then.
pub(crate) struct Lingering {
    rest: Rest,
    permit: Permit,
}

/// What may be left of a request that has ended.
enum Rest {
    /// A connection whose client may still be sending.
    Connection(Linger),
    Child(Leaving),
}

impl Rest {
    async fn close(self) {
        match self {
            Self::Connection(linger) => linger.close().await,
            Self::Child(leaving) => Box::pin(leaving.gone()).await,
        }
    }
}

impl Lingering {
    /// Waits until nothing is left, and gives the permit back.
    pub(crate) async fn close(self) {
        self.rest.close().await;
        drop(self.permit);
    }

    /// Gives the permit back at once, where nobody may wait for this connection.
    pub(crate) fn without_permit(self) -> impl Future<Output = ()> {
        self.rest.close()
    }
}

impl Service {
    /// Runs the handler for one request and reports how it ended. Dropping the future ends the request.
    pub(crate) async fn finish_request(&self, admitted: Admitted) -> Option<Lingering> {
        let Admitted { request, permit } = admitted;
        let mut ending = Ending::new(self, &request);
        let client = request.client_address;
        let rest = match request.arrival {
            Arrival::Connection(socket) => self.finish_stream(&mut ending, socket, client).await,
            Arrival::Packet(packet, outbox) => {
                let budget = self.replies.budget(&client, packet.length);
                let from = packet.server_address.clone();
                let replies = Replies::new(outbox, from, client.credentials, budget);
                self.finish_packet(&mut ending, packet, Arc::new(replies), client)
                    .await
            }
        };
        drop(ending);
        rest.map(|rest| Lingering { rest, permit })
    }

    /// A request that was never given to a handler: closed, and reported all the same.
    pub(crate) fn refuse(&self, request: Request, refusal: Refusal) {
        let mut ending = Ending::new(self, &request);
        ending.report.outcome = Outcome::Refused(refusal);
        // Closed first: the report is of a request that has ended.
        drop(request.arrival);
    }

    async fn finish_stream(
        &self,
        ending: &mut Ending<'_>,
        socket: Socket,
        client: ClientAddress,
    ) -> Option<Rest> {
        let id = ending.report.id;
        match &self.execution {
            Execution::Here(executor) => {
                let metered = executor.connection(socket, ending.taken);
                ending.connection = Some(metered.connection.clone());
                ending.executed(executor.stream(id, &metered, client).await);
                shutdown_request(metered.connection).map(Rest::Connection)
            }
            Execution::InChildren(zygote) => {
                let pid = &mut ending.report.pid;
                // Boxed, here and below: no other schedule's requests shall be as large as this.
                let served = Box::pin(zygote.serve_stream(id, &client, socket, pid)).await;
                (ending.report.bytes_in, ending.report.bytes_out) = served.moved;
                ending.served(served).map(Rest::Child)
            }
        }
    }

    async fn finish_packet(
        &self,
        ending: &mut Ending<'_>,
        packet: Packet,
        replies: Arc<Replies>,
        client: ClientAddress,
    ) -> Option<Rest> {
        if packet.truncated {
            self.access.count_truncated();
        }
        let id = ending.report.id;
        ending.report.bytes_in = packet.bytes.len() as u64;
        let rest = match &self.execution {
            Execution::Here(executor) => {
                let path = ReplyPath::Here(Arc::clone(&replies));
                ending.executed(executor.packet(id, packet, client, path).await);
                None
            }
            Execution::InChildren(zygote) => {
                let pid = &mut ending.report.pid;
                let answers = Arc::clone(&replies);
                let served = zygote.serve_packet(id, &client, packet, answers, pid);
                let served = Box::pin(served).await;
                ending.served(served).map(Rest::Child)
            }
        };
        ending.answered(&replies);
        rest
    }
}

/// A request's report in the making. It is recorded when this is dropped, so that no way to end a
/// request, not even an aborted task, goes without.
struct Ending<'a> {
    service: &'a Service,
    taken: tokio::time::Instant,
    /// Whose bytes are counted, if it is a stream.
    connection: Option<Connection>,
    report: Report,
}

impl<'a> Ending<'a> {
    fn new(service: &'a Service, request: &Request) -> Self {
        Self {
            service,
            taken: request.taken,
            connection: None,
            report: Report {
                id: request.id,
                transport: request.transport,
                client_address: request.client_address.clone(),
                outcome: Outcome::Aborted,
                pid: None,
                duration: Duration::ZERO,
                bytes_in: 0,
                bytes_out: 0,
                peak_memory: 0,
            },
        }
    }
}

impl Ending<'_> {
    fn executed(&mut self, executed: Executed) {
        if let Some(what) = executed.denied {
            tracing::debug!("request {}: the handler was denied: {what}", self.report.id);
        }
        self.report.outcome = executed.outcome;
        self.report.peak_memory = executed.peak_memory;
    }

    /// Takes note of what a child reported; what is left of it is returned.
    fn served(&mut self, served: Served) -> Option<Leaving> {
        self.executed(served.executed);
        served.leaving
    }

    /// Takes note of what a packet was answered with.
    fn answered(&mut self, replies: &Replies) {
        self.report.bytes_out = replies.bytes();
        if let Outcome::Ok | Outcome::HandlerError(_) = self.report.outcome
            && let Some(limit) = replies.refused()
        {
            self.report.outcome = Outcome::BytesOut(limit);
        } else if let Outcome::HandlerError(_) = self.report.outcome
            && replies.client_is_gone()
        {
            self.report.outcome = Outcome::ClientGone;
        }
    }
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        // Let go of, so that it is closed, unless it lingers, before anybody hears of its end.
        if let Some(connection) = self.connection.take() {
            (self.report.bytes_in, self.report.bytes_out) = connection.bytes_moved();
        }
        self.report.duration = self.taken.elapsed();
        self.service.access.record(&self.report);
    }
}
