//! One guest: its store, its one call, and the way it ended.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;

use wasmtime::component::{Resource, ResourceTableError};
use wasmtime::{
    Error, OutOfMemory, PoolConcurrencyLimitError, Result, Store, Trap, UpdateDeadline,
};
use wasmtime_wasi::I32Exit;

use super::guest::{DatagramRequest, Guest, StreamRequest};
use super::program::{Entry, Program};
use super::ticker::{FIRST_TURN, TURN, Ticker};
use crate::meter::{CpuMeter, Exceeded};

/// One guest. Dropping it frees everything that the guest had, wherever it was.
pub(crate) struct Instance<'a> {
    store: Store<Guest>,
    program: &'a Program,
    request: Handle,
    /// The host has made it: what the system refuses from here on is what the guest asked for.
    instantiated: bool,
}

/// What the guest is called with.
pub(crate) enum GuestCall {
    Stream(StreamRequest),
    Datagram(DatagramRequest),
}

/// The same in the store, from where the guest is given it.
enum Handle {
    Stream(Resource<StreamRequest>),
    Datagram(Resource<DatagramRequest>),
}

/// How a guest's call ended, if it ended by itself.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// `handle` returned; its error's text.
    Returned(Result<(), String>),
    Trap(String),
    Exit(bool),
    /// The limit that it met.
    Memory(&'static str),
    Stack,
    Fuel,
    Cpu(&'static str),
    Output(&'static str),
    Host(String),
}

/// The longest error text that is kept.
const LONGEST_ERROR: usize = 4096;

impl<'a> Instance<'a> {
    /// A store for one guest, with all that it will be called with.
    ///
    /// # Errors
    ///
    /// If the store has no room for the request, which a new one has.
    pub(crate) fn new(
        program: &'a Program,
        request_id: u64,
        meter: Arc<CpuMeter>,
        call: GuestCall,
    ) -> Result<Self> {
        let limits = &program.about.limits;
        let mut guest = Guest::new(Arc::clone(&program.about), request_id, meter);
        let request = match call {
            GuestCall::Stream(request) => Handle::Stream(guest.table.push(request)?),
            GuestCall::Datagram(request) => Handle::Datagram(guest.table.push(request)?),
        };
        let mut store = Store::new(&program.engine.engine, guest);
        store.limiter(|guest| &mut guest.limiter);
        store.set_hostcall_fuel(usize::try_from(limits.max_call_bytes).unwrap_or(usize::MAX));
        // Those of the contract and of WASI are counted where they are made; these are what a handler makes of its own.
        store.set_max_component_handles(limits.max_handles as usize);
        if let Some(fuel) = limits.max_fuel {
            store.set_fuel(fuel)?;
        }
        store.epoch_deadline_callback(|context| {
            Ok(if context.data().meter.is_used_up() {
                UpdateDeadline::Interrupt
            } else {
                // Tokio's own yield lets it look at sockets first; wasmtime's would not.
                UpdateDeadline::YieldCustom(TURN, Box::pin(tokio::task::yield_now()))
            })
        });
        Ok(Self {
            store,
            program,
            request,
            instantiated: false,
        })
    }

    /// Instantiates the handler and calls it.
    pub(crate) async fn handle(&mut self) -> Verdict {
        if !self.store.data_mut().hold_what_it_begins_with() {
            return self.verdict(&Error::msg("it begins with more than there is"));
        }
        // Here guest code runs first: in the start functions of the instance.
        self.store.set_epoch_deadline(FIRST_TURN);
        match self.ticking().await {
            Ok(returned) => Verdict::Returned(returned.map_err(shortened)),
            Err(error) => self.verdict(&error),
        }
    }

    /// The call, with the clock ticking while the guest computes, and not while it waits.
    async fn ticking(&mut self) -> Result<Result<(), String>> {
        let ticker = self.program.engine.ticker.as_ref();
        let mut call = pin!(self.call());
        poll_fn(|cx| {
            let _ticking = ticker.map(Ticker::guest);
            call.as_mut().poll(cx)
        })
        .await
    }

    async fn call(&mut self) -> Result<Result<(), String>> {
        let store = &mut self.store;
        match (&self.program.entry, &self.request) {
            (Entry::Stream(entry), Handle::Stream(request)) => {
                let service = entry.instantiate_async(&mut *store).await?;
                self.instantiated = true;
                let request = Resource::new_own(request.rep());
                let handler = service.socketserver_handler_stream_handler();
                handler.call_handle(store, request).await
            }
            (Entry::Datagram(entry), Handle::Datagram(request)) => {
                let service = entry.instantiate_async(&mut *store).await?;
                self.instantiated = true;
                let request = Resource::new_own(request.rep());
                let handler = service.socketserver_handler_datagram_handler();
                handler.call_handle(store, request).await
            }
            _ => Err(Error::msg(
                "the request is of another transport than the handler",
            )),
        }
    }

    /// Why a call did not return. A limit that the guest ran into explains what came after it.
    fn verdict(&self, error: &Error) -> Verdict {
        let guest = self.store.data();
        match guest.meter.exceeded() {
            Some(Exceeded::Limit) => return Verdict::Cpu("cpu-limit"),
            Some(Exceeded::Total) => return Verdict::Cpu("total-cpu-limit"),
            None => {}
        }
        if let Some(limit) = guest.printed_too_much() {
            return Verdict::Output(limit);
        }
        if let Some(I32Exit(status)) = error.downcast_ref() {
            return Verdict::Exit(*status == 0);
        }
        if let Some(limit) = guest.limiter.refused().or_else(|| host_memory(error)) {
            return Verdict::Memory(limit);
        }
        match error.downcast_ref::<Trap>() {
            Some(Trap::StackOverflow) => Verdict::Stack,
            Some(Trap::OutOfFuel) => Verdict::Fuel,
            Some(Trap::MemoryOutOfBounds) => Verdict::Trap(
                "memory access out of bounds (a stray pointer, or endless recursion)".to_owned(),
            ),
            Some(trap) => Verdict::Trap(self.panic_text().unwrap_or_else(|| trap.to_string())),
            None if self.is_the_hosts(error) => Verdict::Host(format!("{error:#}")),
            // A handle that is none, text that is not UTF-8: in a start function, too.
            None => Verdict::Trap(format!("{error:#}")),
        }
    }

    /// True if the host could not do what it must be able to: there is no room, or the system made none.
    fn is_the_hosts(&self, error: &Error) -> bool {
        let of_the_system = |cause: &(dyn std::error::Error + 'static)| {
            cause.is::<std::io::Error>() || cause.is::<rustix::io::Errno>()
        };
        error.is::<PoolConcurrencyLimitError>()
            || error.is::<OutOfMemory>()
            || !self.instantiated && error.chain().any(of_the_system)
    }

    /// What the guest said on standard error before it trapped, on one line.
    fn panic_text(&self) -> Option<String> {
        let text = self.store.data().finish_printing();
        let lines = text.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with("note: run with"));
        let text = lines.collect::<Vec<_>>().join(" ");
        (!text.is_empty()).then_some(text)
    }

    /// The first thing that the guest asked for and was not granted.
    pub(crate) fn denied(&self) -> Option<String> {
        self.store.data().denied()
    }

    /// Prints what the guest left of a line, and returns the largest sum of its memories and tables.
    pub(crate) fn finish(&self) -> u64 {
        let guest = self.store.data();
        guest.finish_printing();
        guest.limiter.peak()
    }
}

/// The limit of the host's memory that a call met, if it is that. For most of them wasmtime has no type, so
/// they are known by their texts; the tests of hostile guests notice if those change.
fn host_memory(error: &Error) -> Option<&'static str> {
    if let Some(ResourceTableError::Full) = error.downcast_ref() {
        return Some("max-handles");
    }
    let text = format!("{error:#}");
    [
        ("fuel allocated for hostcalls", "max-call-bytes"),
        ("store handle limit exceeded", "max-handles"),
        ("requested len ", "max-random-bytes"),
        ("resource limit exceeded: instance", "max-instances"),
    ]
    .into_iter()
    .find_map(|(part, limit)| text.contains(part).then_some(limit))
}

fn shortened(mut text: String) -> String {
    if text.len() > LONGEST_ERROR {
        let end = (0..=LONGEST_ERROR)
            .rev()
            .find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or(0));
        text.push('…');
    }
    text
}
