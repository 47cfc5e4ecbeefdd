//! The engines that run handlers: their pools, which the servers of a process share, and their clock.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use wasmtime::component::Linker;
use wasmtime::{Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Result};

use super::contract;
use super::guest::Guest;
use super::settings::{MEMORY_RESERVATION, settings};
use super::ticker::Ticker;

/// Memories in a pool, unless one server needs more: address space only, 16 TiB of 128.
const POOL: u32 = 4096;

/// Elements of a table in a pool: a handler compiled from Python has 5,674.
pub(super) const TABLE_ELEMENTS: usize = 20_000;

/// Places in a pool.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seats {
    pub(super) stacks: u32,
    pub(super) memories: u32,
    pub(super) tables: u32,
}

/// An engine with a pool that several servers share.
pub(super) struct SharedEngine {
    pub(super) engine: Engine,
    pub(super) linker: Linker<Guest>,
    pub(super) ticker: Ticker,
    free: Mutex<Seats>,
}

static ENGINES: Mutex<Vec<Weak<SharedEngine>>> = Mutex::new(Vec::new());

impl SharedEngine {
    /// An engine of this process that has room, with the seats taken; a new one if none has.
    pub(super) fn with_room(seats: Seats) -> Result<Arc<Self>> {
        let mut engines = ENGINES.lock().unwrap_or_else(PoisonError::into_inner);
        engines.retain(|engine| engine.strong_count() > 0);
        let with_room = engines
            .iter()
            .filter_map(Weak::upgrade)
            .find(|engine| engine.enter(seats));
        if let Some(engine) = with_room {
            return Ok(engine);
        }
        let engine = Arc::new(Self::new(Seats {
            stacks: seats.stacks.max(POOL),
            memories: seats.memories.max(POOL),
            tables: seats.tables.max(2 * POOL),
        })?);
        engine.enter(seats);
        engines.push(Arc::downgrade(&engine));
        Ok(engine)
    }

    fn new(size: Seats) -> Result<Self> {
        let mut config = settings();
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(size)));
        let engine = Engine::new(&config)?;
        Ok(Self {
            ticker: Ticker::start(engine.weak())?,
            linker: contract::linker(&engine)?,
            engine,
            free: Mutex::new(size),
        })
    }

    /// Takes seats; false if there are not enough.
    fn enter(&self, seats: Seats) -> bool {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let left = (
            free.stacks.checked_sub(seats.stacks),
            free.memories.checked_sub(seats.memories),
            free.tables.checked_sub(seats.tables),
        );
        let (Some(stacks), Some(memories), Some(tables)) = left else {
            return false;
        };
        *free = Seats {
            stacks,
            memories,
            tables,
        };
        true
    }

    pub(super) fn leave(&self, seats: Seats) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.stacks += seats.stacks;
        free.memories += seats.memories;
        free.tables += seats.tables;
    }
}

/// A pool of `size`. Its memories have room for every limit, so that servers with different ones share it;
/// core instances are only counted, so their number is left open.
fn pool(size: Seats) -> PoolingAllocationConfig {
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
        .total_core_instances(size.stacks.saturating_mul(64))
        .max_memory_size(usize::try_from(MEMORY_RESERVATION).unwrap_or(usize::MAX))
        .table_elements(TABLE_ELEMENTS)
        .linear_memory_keep_resident(RESIDENT_MEMORY)
        .table_keep_resident(RESIDENT_TABLE)
        .async_stack_keep_resident(RESIDENT_STACK)
        .pagemap_scan(Enabled::Auto);
    pool
}
