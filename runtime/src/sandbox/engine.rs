//! The engines that run handlers: their pools, which the servers of a process share, and their clock.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use wasmtime::component::Linker;
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Result,
};

use super::capacity::{Carried, Room, Seats, carried};
use super::contract;
use super::guest::Guest;
use super::lookups;
use super::settings::{MEMORY_RESERVATION, settings};
use super::ticker::Ticker;
use crate::config::Limits;

/// Memories in a pool, unless one server needs more: address space only, 16 TiB of 128.
const POOL: u32 = 4096;

/// What engines differ in: servers whose handlers have these in common share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    /// Code counts its instructions.
    fuel: bool,
    /// Bytes of the stack that compiled code may use.
    stack: usize,
    /// Elements of the largest table.
    table: usize,
}

impl Kind {
    /// Elements of a table in a pool, unless a handler may have more.
    const TABLE: u32 = 20_000;

    pub(super) fn of(limits: &Limits) -> Self {
        Self {
            fuel: limits.max_fuel.is_some(),
            stack: usize::try_from(limits.max_stack).unwrap_or(usize::MAX),
            table: limits.max_table_elements.max(Self::TABLE) as usize,
        }
    }

    /// With a pool of `size`; without one, everything is made when it is asked for.
    fn config(self, size: Option<Seats>) -> Config {
        /// Beside compiled code, a guest's stack carries what the host does when it is called.
        const HOST: usize = 1536 << 10;
        let mut config = settings(self.fuel);
        config
            .max_wasm_stack(self.stack)
            .async_stack_size(self.stack + HOST)
            .allocation_strategy(match size {
                Some(size) => InstanceAllocationStrategy::Pooling(pool(size, self.table)),
                None => InstanceAllocationStrategy::OnDemand,
            });
        config
    }
}

/// Why a server gets no seats.
pub(super) enum NoSeats {
    /// The machine does not carry so many.
    Full(Carried),
    Engine(wasmtime::Error),
}

/// An engine with a pool that several servers share.
pub(super) struct SharedEngine {
    pub(super) engine: Engine,
    pub(super) linker: Linker<Guest>,
    /// None where the process has a clock of its own.
    pub(super) ticker: Option<Ticker>,
    kind: Kind,
    size: Seats,
    free: Mutex<Seats>,
}

static ENGINES: Mutex<Vec<Weak<SharedEngine>>> = Mutex::new(Vec::new());

impl SharedEngine {
    /// An engine of this process that has room for `concurrency` guests, with their seats taken; a new one if
    /// none has. `seats` says how many they need.
    pub(super) fn with_room(
        kind: Kind,
        concurrency: u32,
        seats: impl Fn(u32) -> Seats,
    ) -> Result<(Arc<Self>, Seats), NoSeats> {
        let mut engines = ENGINES.lock().unwrap_or_else(PoisonError::into_inner);
        engines.retain(|engine| engine.strong_count() > 0);
        let live: Vec<_> = engines.iter().filter_map(Weak::upgrade).collect();
        let taken = live.iter().map(|engine| engine.room_taken());
        let room = Room::of_this_process().without(taken.fold(Room::default(), Room::and));

        let lacks = |concurrency| {
            let seats = seats(concurrency);
            let pool = if live
                .iter()
                .any(|engine| engine.kind == kind && engine.has_room(seats))
            {
                Room::default()
            } else {
                Room::of_pool(pool_for(seats))
            };
            room.lacks(Room::of_seats(seats).and(pool))
        };
        if let Some(fewer) = carried(concurrency, lacks) {
            return Err(NoSeats::Full(fewer));
        }

        let wanted = seats(concurrency);
        if let Some(engine) = live
            .iter()
            .find(|engine| engine.kind == kind && engine.enter(wanted))
        {
            return Ok((Arc::clone(engine), wanted));
        }
        let engine = Arc::new(Self::new(kind, pool_for(wanted)).map_err(NoSeats::Engine)?);
        engine.enter(wanted);
        engines.push(Arc::downgrade(&engine));
        Ok((engine, wanted))
    }

    /// What this engine has of the process: its pool, and what the guests that may run there take.
    fn room_taken(&self) -> Room {
        let free = *self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = Seats {
            memories: self.size.memories - free.memories,
            ..self.size
        };
        Room::of_pool(self.size).and(Room::of_seats(taken))
    }

    fn has_room(&self, seats: Seats) -> bool {
        let free = *self.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.without(seats).is_some()
    }

    fn new(kind: Kind, size: Seats) -> Result<Self> {
        if !PoolingAllocationConfig::is_pagemap_scan_available() {
            tracing::info!(
                "this kernel cannot say which pages a handler wrote (PAGEMAP_SCAN, Linux 6.7): requests cost more"
            );
        }
        let engine = Engine::new(&kind.config(Some(size)))?;
        let ticker = Ticker::start(engine.weak())?;
        Self::with(engine, Some(ticker), kind, size)
    }

    /// For the process of one request: without a pool, and without a thread.
    pub(super) fn alone(kind: Kind) -> Result<Self> {
        let engine = Engine::new(&kind.config(None))?;
        let mut alone = Self::with(engine, None, kind, Seats::default())?;
        lookups::add_to_linker(&mut alone.linker)?;
        Ok(alone)
    }

    fn with(engine: Engine, ticker: Option<Ticker>, kind: Kind, size: Seats) -> Result<Self> {
        Ok(Self {
            ticker,
            linker: contract::linker(&engine)?,
            engine,
            kind,
            size,
            free: Mutex::new(size),
        })
    }

    /// Takes seats; false if there are not enough.
    fn enter(&self, seats: Seats) -> bool {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(left) = free.without(seats) else {
            return false;
        };
        *free = left;
        true
    }

    pub(super) fn leave(&self, seats: Seats) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.stacks += seats.stacks;
        free.memories += seats.memories;
        free.tables += seats.tables;
        free.instances += seats.instances;
    }
}

/// The size of a new pool that has `seats`, and as a rule more, for other servers.
fn pool_for(seats: Seats) -> Seats {
    Seats {
        stacks: seats.stacks.max(POOL),
        memories: seats.memories.max(POOL),
        tables: seats.tables.max(2 * POOL),
        instances: seats.instances.max(64 * POOL),
    }
}

/// A pool of `size`. Its memories have room for every limit, so that servers with different ones share it.
fn pool(size: Seats, table: usize) -> PoolingAllocationConfig {
    /// Bytes of a memory that stay with their slot, cleared, from one request to the next.
    const RESIDENT_MEMORY: usize = 64 << 10;
    /// The same for a table.
    const RESIDENT_TABLE: usize = 8 << 10;
    /// The same for a stack.
    const RESIDENT_STACK: usize = 32 << 10;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_stacks(size.stacks)
        .total_memories(size.memories)
        .total_tables(size.tables)
        .total_component_instances(size.stacks)
        .total_core_instances(size.instances)
        .max_memory_size(usize::try_from(MEMORY_RESERVATION).unwrap_or(usize::MAX))
        .table_elements(table)
        .linear_memory_keep_resident(RESIDENT_MEMORY)
        .table_keep_resident(RESIDENT_TABLE)
        .async_stack_keep_resident(RESIDENT_STACK)
        .pagemap_scan(Enabled::Auto);
    pool
}
