//! The work on one request: its instance, the limits around its call, and how it ended; in whichever process
//! that is.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::address::ClientAddress;
use crate::config::Limits;
use crate::listen::Packet;
use crate::meter::CpuMeter;
use crate::outcome::Outcome;
use crate::replies::ReplyPath;
use crate::sandbox::{DatagramRequest, GuestCall, Instance, Program, StreamRequest, Verdict};
use crate::stream::{Connection, Half, Overrun, Quota, Socket};
use crate::supervise::{Cut, Watch};

/// What runs a handler for one request after the other.
pub(crate) struct Executor {
    pub(crate) program: Program,
    pub(crate) limits: Limits,
    /// How long one read or write may wait, unless the handler says otherwise.
    pub(crate) read_timeout: Option<Duration>,
}

/// How a handler's run ended.
pub(crate) struct Executed {
    pub(crate) outcome: Outcome,
    /// The largest sum of the handler's memories and tables.
    pub(crate) peak_memory: u64,
    /// The first thing that the handler asked for and was not granted.
    pub(crate) denied: Option<String>,
}

impl Executed {
    /// A run that never began.
    pub(crate) fn not(outcome: Outcome) -> Self {
        Self {
            outcome,
            peak_memory: 0,
            denied: None,
        }
    }
}

/// A connection with its guest's CPU meter.
pub(crate) struct Metered {
    pub(crate) connection: Connection,
    meter: Arc<CpuMeter>,
}

impl Executor {
    /// A connection that was `taken` then, within this handler's limits.
    pub(crate) fn connection(&self, socket: Socket, taken: Instant) -> Metered {
        let limits = &self.limits;
        let meter = Arc::new(CpuMeter::new(limits.cpu_limit, limits.total_cpu_limit));
        let quota = Quota {
            bytes_in: limits.max_bytes_in,
            bytes_out: limits.stream_max_bytes_out,
        };
        let timeout = self.read_timeout;
        Metered {
            connection: Connection::new(socket, taken, timeout, quota, Arc::clone(&meter)),
            meter,
        }
    }

    /// Runs the handler for one connection; returns when all that it wrote has gone, or never will.
    pub(crate) async fn stream(
        &self,
        id: u64,
        metered: &Metered,
        client: ClientAddress,
    ) -> Executed {
        let connection = &metered.connection;
        let mut watch = Watch::connection(connection.clone(), &self.limits);
        let call = GuestCall::Stream(StreamRequest::new(connection.clone(), client));
        let mut executed = self.call(id, &metered.meter, &mut watch, call).await;
        let outcome = &mut executed.outcome;
        if let Some(overrun) = connection.overrun() {
            // Whatever the handler made of it.
            *outcome = Cut::Overrun(overrun).into();
        } else if matches!(outcome, Outcome::HandlerError(_)) && connection.has_failed() {
            *outcome = Outcome::ClientGone;
        }
        if ended_by_itself(outcome) {
            // What was written goes out, however the handler ended; then the client sees the end.
            if !connection.ends_when_closed() {
                let _ = connection.shutdown(Half::Send);
            }
            let flushed = watch.flush(connection).await;
            if let (Err(cut), None) = (flushed, outcome.fault()) {
                *outcome = cut.into();
            }
        }
        executed
    }

    /// Runs the handler for one packet.
    pub(crate) async fn packet(
        &self,
        id: u64,
        packet: Packet,
        client_address: ClientAddress,
        replies: ReplyPath,
    ) -> Executed {
        let meter = Arc::new(CpuMeter::new(self.limits.cpu_limit, None));
        let mut watch = Watch::packet(self.limits.datagram_wall_limit);
        let call = GuestCall::Datagram(DatagramRequest {
            packet,
            client_address,
            replies,
        });
        self.call(id, &meter, &mut watch, call).await
    }

    /// The instance and its call, within the limits.
    async fn call(
        &self,
        id: u64,
        meter: &Arc<CpuMeter>,
        watch: &mut Watch,
        call: GuestCall,
    ) -> Executed {
        let mut instance = match Instance::new(&self.program, id, Arc::clone(meter), call) {
            Ok(instance) => instance,
            Err(error) => return Executed::not(Outcome::Host(format!("{error:#}"))),
        };
        let ended = watch.run(meter, pin!(instance.handle())).await;
        let peak_memory = instance.finish();
        let mut outcome = ended.map_or_else(Outcome::from, Outcome::from);
        let denied = instance.denied();
        if let Some(what) = &denied {
            outcome = after_denial(outcome, what);
        }
        if self.program.is_alone() {
            std::mem::forget(instance);
        }
        Executed {
            outcome,
            peak_memory,
            denied,
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
