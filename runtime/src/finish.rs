//! Python's `finish_request`: one instance, one request, one outcome.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use crate::access::Access;
use crate::address::ClientAddress;
use crate::admission::{Admitted, Permit};
use crate::config::Limits;
use crate::listen::{Arrival, Packet};
use crate::meter::CpuMeter;
use crate::outcome::{Outcome, Refusal, Report};
use crate::reply_budget::{Replies, ReplyLimits};
use crate::request::{Linger, Request, shutdown_request};
use crate::sandbox::{DatagramRequest, GuestCall, Instance, Program, StreamRequest, Verdict};
use crate::stream::{Connection, Half, Overrun, Quota, Socket};
use crate::supervise::{Cut, Watch};

/// All that a request needs from its server, so that it keeps no reference to the server itself.
pub(crate) struct Service {
    pub(crate) program: Program,
    pub(crate) limits: Limits,
    /// How long one read or write may wait, unless the handler says otherwise.
    pub(crate) read_timeout: Option<Duration>,
    /// What a packet may be answered with.
    pub(crate) replies: ReplyLimits,
    pub(crate) access: Access,
}

/// A finished request whose connection has to linger, with the permit that it keeps until then.
pub(crate) struct Lingering {
    linger: Linger,
    permit: Permit,
}

impl Lingering {
    /// Closes the connection, and gives the permit back.
    pub(crate) async fn close(self) {
        self.linger.close().await;
        drop(self.permit);
    }

    /// Gives the permit back at once, where nobody may wait for this connection.
    pub(crate) fn without_permit(self) -> impl Future<Output = ()> {
        self.linger.close()
    }
}

impl Service {
    /// Runs the handler for one request and reports how it ended. Dropping the future ends the request.
    pub(crate) async fn finish_request(&self, admitted: Admitted) -> Option<Lingering> {
        let Admitted { request, permit } = admitted;
        let mut ending = Ending::new(self, &request);
        let client = request.client_address;
        let linger = match request.arrival {
            Arrival::Connection(socket) => self.finish_stream(&mut ending, socket, client).await,
            Arrival::Packet(packet) => {
                self.finish_packet(&mut ending, packet, client).await;
                None
            }
        };
        drop(ending);
        linger.map(|linger| Lingering { linger, permit })
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
    ) -> Option<Linger> {
        let limits = &self.limits;
        let meter = Arc::new(CpuMeter::new(limits.cpu_limit, limits.total_cpu_limit));
        let (taken, timeout) = (ending.taken, self.read_timeout);
        let quota = Quota {
            bytes_in: limits.max_bytes_in,
            bytes_out: limits.stream_max_bytes_out,
        };
        let connection = Connection::new(socket, taken, timeout, quota, Arc::clone(&meter));
        ending.connection = Some(connection.clone());
        let mut watch = Watch::connection(connection.clone(), limits);
        let call = GuestCall::Stream(StreamRequest::new(connection.clone(), client));

        let mut outcome = self.call(ending, &meter, &mut watch, call).await;
        if let Some(overrun) = connection.overrun() {
            // Whatever the handler made of it.
            outcome = Cut::Overrun(overrun).into();
        } else if matches!(outcome, Outcome::HandlerError(_)) && connection.has_failed() {
            outcome = Outcome::ClientGone;
        }
        if ended_by_itself(&outcome) {
            // What was written goes out, however the handler ended; then the client sees the end.
            if !connection.ends_when_closed() {
                let _ = connection.shutdown(Half::Send);
            }
            let flushed = watch.flush(&connection).await;
            if let (Err(cut), None) = (flushed, outcome.fault()) {
                outcome = cut.into();
            }
        }
        ending.report.outcome = outcome;
        shutdown_request(connection)
    }

    async fn finish_packet(&self, ending: &mut Ending<'_>, packet: Packet, client: ClientAddress) {
        if packet.truncated {
            self.access.count_truncated();
        }
        let meter = Arc::new(CpuMeter::new(self.limits.cpu_limit, None));
        let mut watch = Watch::packet(self.limits.datagram_wall_limit);
        let replies = Arc::new(Replies::default());
        ending.report.bytes_in = packet.bytes.len() as u64;
        let call = GuestCall::Datagram(DatagramRequest {
            budget: self.replies.budget(&client, packet.length),
            packet,
            client_address: client,
            replies: Arc::clone(&replies),
        });
        let outcome = self.call(ending, &meter, &mut watch, call).await;
        ending.report.bytes_out = replies.bytes();
        ending.report.outcome = match (outcome, replies.refused()) {
            (Outcome::Ok | Outcome::HandlerError(_), Some(limit)) => Outcome::BytesOut(limit),
            (outcome, _) => outcome,
        };
    }

    /// The instance and its call, within the limits.
    async fn call(
        &self,
        ending: &mut Ending<'_>,
        meter: &Arc<CpuMeter>,
        watch: &mut Watch,
        call: GuestCall,
    ) -> Outcome {
        let id = ending.report.id;
        let mut instance = match Instance::new(&self.program, id, Arc::clone(meter), call) {
            Ok(instance) => instance,
            Err(error) => return Outcome::Host(format!("{error:#}")),
        };
        let ended = watch.run(meter, pin!(instance.handle())).await;
        ending.report.peak_memory = instance.finish();
        let outcome = ended.map_or_else(Outcome::from, Outcome::from);
        match instance.denied() {
            Some(what) => {
                tracing::debug!("request {id}: the handler was denied: {what}");
                after_denial(outcome, &what)
            }
            None => outcome,
        }
    }
}

/// What a failure was that came after the guest had been denied something.
fn after_denial(outcome: Outcome, what: &str) -> Outcome {
    match outcome {
        Outcome::HandlerError(_) | Outcome::Trap(_) | Outcome::Exit(false) => {
            Outcome::Denied(format!("{what}; then {outcome}"))
        }
        outcome => outcome,
    }
}

impl From<Verdict> for Outcome {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Returned(Ok(())) => Self::Ok,
            Verdict::Returned(Err(text)) => Self::HandlerError(text),
            Verdict::Trap(text) => Self::Trap(text),
            Verdict::Exit(well) => Self::Exit(well),
            Verdict::Memory(limit) => Self::Memory(limit),
            Verdict::Stack => Self::Stack,
            Verdict::Fuel => Self::Fuel,
            Verdict::Cpu(limit) => Self::Cpu(limit),
            Verdict::Output(limit) => Self::Output(limit),
            Verdict::Host(text) => Self::Host(text),
        }
    }
}

impl From<Cut> for Outcome {
    fn from(cut: Cut) -> Self {
        match cut {
            Cut::Wall => Self::Wall,
            Cut::FirstByte => Self::FirstByte,
            Cut::Write => Self::Write,
            Cut::Overrun(Overrun::In) => Self::BytesIn,
            Cut::Overrun(Overrun::Out) => Self::BytesOut("max-bytes-out"),
            Cut::Idle(fault) => Self::Idle(fault),
            Cut::Panic => {
                Self::Host("the runtime panicked; the text is on standard error".to_owned())
            }
        }
    }
}

/// True unless the server had to end the handler.
fn ended_by_itself(outcome: &Outcome) -> bool {
    !matches!(
        outcome,
        Outcome::Cpu(_)
            | Outcome::Wall
            | Outcome::FirstByte
            | Outcome::Write
            | Outcome::Idle(_)
            | Outcome::Host(_)
    )
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
                duration: Duration::ZERO,
                bytes_in: 0,
                bytes_out: 0,
                peak_memory: 0,
            },
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
