//! Hostile handlers, one for each way to hurt: what ends them, whose fault it is, that honest requests are
//! answered meanwhile or as soon as that, and that nothing is left of them.
//!
//! `expected` says, for each way, how it ends. The ways of the guest `hostile` are in a file that it shares with
//! these tests, and are met in `hurts`; those that no compiler writes are components made in `odd`; `damaged` are
//! files that are no components any more, and `begins` is what a component takes without a call.

#[macro_use]
#[path = "../../guests/hostile/src/ways.rs"]
mod ways;

mod begins;
mod damaged;
mod expected;
mod hurts;
mod odd;

pub(crate) use hurts::quick_ways;
pub(crate) use odd::with_memories;

/// Bytes of memory that a server may hold more of after a second round. An allocator keeps what was freed for a while,
/// and a long list of handles takes ten mebibytes of it.
const SLACK: u64 = 16 << 20;
