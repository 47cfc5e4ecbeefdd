//! A handler on an engine that has room for it: all that is needed to start an instance.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use wasmtime::component::Component;
use wasmtime::{Engine, Result};

use super::capacity::{Carried, Seats};
use super::component::{Code, load, load_file};
use super::contract::{DatagramEntry, StreamEntry};
use super::engine::{Kind, NoSeats, SharedEngine};
use super::guest::About;
use super::ticker::TURN;
use crate::address::Transport;
use crate::config::Limits;

/// A handler with its seats in a pool, which are given back when this is dropped.
pub(crate) struct Program {
    pub(super) entry: Entry,
    pub(super) about: Arc<About>,
    pub(super) engine: Arc<SharedEngine>,
    seats: Seats,
}

/// What ends a guest's turn.
pub(crate) struct EpochClock(Engine);

impl EpochClock {
    /// Ends the turn of the guest that computes: what it has used up is looked at. It may be called by a handler of
    /// signals.
    pub(crate) fn end_turn(&self) {
        for _ in 0..TURN {
            self.0.increment_epoch();
        }
    }
}

/// How many guests are to run at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Concurrency {
    pub(crate) wanted: u32,
    /// Nobody asked for that many: if the machine carries fewer, so be it.
    pub(crate) may_be_less: bool,
}

/// The exported function that a transport calls.
pub(super) enum Entry {
    Stream(StreamEntry),
    Datagram(DatagramEntry),
}

impl Program {
    /// Loads `code` on an engine with room for `concurrency` instances at once.
    ///
    /// The error says what is wrong and what to do, without the handler's name.
    pub(crate) fn new(code: &Code, about: About, concurrency: Concurrency) -> Result<Self, String> {
        let transport = about.server_address.transport;
        let (engine, seats) = seats(code, &about.limits, concurrency)?;
        match resolve(&engine, code.compiled(), transport) {
            Ok(entry) => Ok(Self {
                entry,
                about: Arc::new(about),
                engine,
                seats,
            }),
            Err(error) => {
                engine.leave(seats);
                Err(format!("{error:#}"))
            }
        }
    }

    /// Maps `compiled` code on an engine of this process's own: without a pool, and without threads.
    ///
    /// The error says what is wrong, without the handler's name.
    pub(crate) fn alone(compiled: &OwnedFd, about: About) -> Result<Self, String> {
        let explain = |error| format!("{error:#}");
        let engine = SharedEngine::alone(Kind::of(&about.limits)).map_err(explain)?;
        let transport = about.server_address.transport;
        Ok(Self {
            entry: map(&engine, compiled, transport).map_err(explain)?,
            about: Arc::new(about),
            engine: Arc::new(engine),
            seats: Seats::default(),
        })
    }

    /// True if this process has one request, and ends with it: what the guest leaves is nobody's to tidy up.
    pub(crate) fn is_alone(&self) -> bool {
        self.engine.ticker.is_none()
    }

    /// The clock of this process's engine, to be advanced while its guest computes.
    pub(crate) fn clock(&self) -> EpochClock {
        EpochClock(self.engine.engine.clone())
    }

    /// Whether `code` could be served, and whether there would be room for `concurrency` instances of it, as
    /// [`Program::new`] asks.
    ///
    /// The error says what is wrong and what to do, without the handler's name.
    pub(crate) fn check(
        code: &Code,
        limits: &Limits,
        concurrency: Concurrency,
    ) -> Result<(), String> {
        let (engine, seats) = seats(code, limits, concurrency)?;
        let transport = if code.streams {
            Transport::Tcp
        } else {
            Transport::Udp
        };
        let resolved = resolve(&engine, code.compiled(), transport);
        engine.leave(seats);
        resolved.map(drop).map_err(|error| format!("{error:#}"))
    }

    /// Guests that it has room for at once.
    pub(crate) fn concurrency(&self) -> u32 {
        self.seats.stacks
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.engine.leave(self.seats);
    }
}

/// An engine, with seats for as many guests as there are to be.
fn seats(
    code: &Code,
    limits: &Limits,
    concurrency: Concurrency,
) -> Result<(Arc<SharedEngine>, Seats), String> {
    let kind = Kind::of(limits);
    let each = |concurrency: u32| Seats {
        stacks: concurrency,
        memories: concurrency.saturating_mul(code.memories.max(1)),
        tables: concurrency.saturating_mul(code.tables.max(1)),
        instances: concurrency.saturating_mul(limits.max_instances),
    };
    let wanted = concurrency.wanted;
    let fewer = match SharedEngine::with_room(kind, wanted, each) {
        Err(NoSeats::Full(Carried {
            fits: fits @ 1.., ..
        })) if concurrency.may_be_less => fits,
        seats => return seats.map_err(explained),
    };
    tracing::warn!(
        "this machine carries {fewer} requests at once, fewer than the default of {wanted}"
    );
    SharedEngine::with_room(kind, fewer, each).map_err(explained)
}

/// Why there are not so many seats, and what to do.
fn explained(error: NoSeats) -> String {
    let Carried {
        fits,
        with_more_maps,
    } = match error {
        NoSeats::Engine(error) => return format!("{error:#}"),
        NoSeats::Full(carried) => carried,
    };
    match with_more_maps {
        None => format!("the address space has room for {fits}: lower --max-concurrency"),
        Some(more) => format!(
            "vm.max_map_count has room for {fits}: lower --max-concurrency, or raise it with sysctl \
             vm.max_map_count={}, which has room for {}",
            more.max_map_count, more.fits
        ),
    }
}

/// The entry that `transport` calls, with everything that it imports.
fn resolve(engine: &SharedEngine, compiled: &[u8], transport: Transport) -> Result<Entry> {
    link(engine, &load(&engine.engine, compiled)?, transport)
}

/// The same of a file.
fn map(engine: &SharedEngine, compiled: &OwnedFd, transport: Transport) -> Result<Entry> {
    let component = load_file(&engine.engine, compiled)?;
    // Now, not at the first instance: in a forked child that would be each.
    component.initialize_copy_on_write_image()?;
    link(engine, &component, transport)
}

fn link(engine: &SharedEngine, component: &Component, transport: Transport) -> Result<Entry> {
    let pre = engine.linker.instantiate_pre(component)?;
    Ok(if transport.is_datagram() {
        Entry::Datagram(DatagramEntry::new(pre)?)
    } else {
        Entry::Stream(StreamEntry::new(pre)?)
    })
}
