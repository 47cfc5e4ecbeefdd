//! A handler on an engine that has room for it: all that is needed to start an instance.

use std::sync::Arc;

use wasmtime::Result;

use super::component::Code;
use super::contract::{DatagramEntry, StreamEntry};
use super::engine::{Seats, SharedEngine, TABLE_ELEMENTS};
use super::guest::About;
use super::settings::MEMORY_RESERVATION;
use crate::address::Transport;
use crate::config::Limits;

/// Memories that fit into the address space of a process, beside everything else.
const MOST_MEMORIES: u64 = (100 << 40) / (MEMORY_RESERVATION + (64 << 20));

/// Memory maps that an instance takes, measured (6.4), and rounded up.
const MAPS_OF_AN_INSTANCE: u64 = 8;

/// A handler with its seats in a pool, which are given back when this is dropped.
pub(crate) struct Program {
    pub(super) entry: Entry,
    pub(super) limits: Limits,
    pub(super) about: Arc<About>,
    pub(super) engine: Arc<SharedEngine>,
    seats: Seats,
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
    pub(crate) fn new(
        code: &Code,
        limits: Limits,
        about: About,
        concurrency: u32,
    ) -> Result<Self, String> {
        check_capacity(code, concurrency)?;
        let seats = Seats {
            stacks: concurrency,
            memories: concurrency.saturating_mul(code.memories.max(1)),
            tables: concurrency.saturating_mul(code.tables.max(1)),
        };
        let transport = about.server_address.transport;
        let text = |error: wasmtime::Error| format!("{error:#}");
        let engine = SharedEngine::with_room(seats).map_err(text)?;
        let entry = resolve(&engine, code, transport).map_err(text);
        match entry {
            Ok(entry) => Ok(Self {
                entry,
                limits,
                about: Arc::new(about),
                engine,
                seats,
            }),
            Err(reason) => {
                engine.leave(seats);
                Err(reason)
            }
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.engine.leave(self.seats);
    }
}

/// Refuses what neither the address space nor Linux's limit of memory maps carries.
fn check_capacity(code: &Code, concurrency: u32) -> Result<(), String> {
    let by_address = MOST_MEMORIES / u64::from(code.memories.max(1));
    let by_maps = max_map_count() / MAPS_OF_AN_INSTANCE;
    let wanted = u64::from(concurrency);
    if wanted > by_address {
        return Err(format!(
            "the address space has room for {by_address}: lower --max-concurrency"
        ));
    }
    if wanted > by_maps {
        return Err(format!(
            "vm.max_map_count has room for {by_maps}: lower --max-concurrency, or raise it with sysctl"
        ));
    }
    if code.largest_table > TABLE_ELEMENTS as u64 {
        return Err(format!(
            "it has a table of {} elements, and a pool has tables of {TABLE_ELEMENTS}",
            code.largest_table
        ));
    }
    Ok(())
}

/// `vm.max_map_count` in proc_sys_vm(5); Linux's default where it cannot be read.
fn max_map_count() -> u64 {
    std::fs::read_to_string("/proc/sys/vm/max_map_count")
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(65_530)
}

/// The entry that `transport` calls, with everything that it imports.
fn resolve(engine: &SharedEngine, code: &Code, transport: Transport) -> Result<Entry> {
    let component = code.load_on(&engine.engine)?;
    let pre = engine.linker.instantiate_pre(&component)?;
    Ok(if transport.is_datagram() {
        Entry::Datagram(DatagramEntry::new(pre)?)
    } else {
        Entry::Stream(StreamEntry::new(pre)?)
    })
}
