//! All of wasmtime: nothing outside this folder (and the `wasi:io` bridges in `stream`) names it.
//!
//! `component` turns bytes into checked, compiled code, of which `needs` tells what it begins with and which `cache`
//! keeps on disk; `engine` has the pool that the servers of one process share, as large as `capacity` allows, with the
//! same `settings` and a `ticker`; `program` is one handler on an engine, and `instance` one guest, from its store to the
//! way it ended; `guest` is what a store holds, with `limits`, `grants`, `reach` and `print`; `contract` answers what the
//! guest calls, as `bindings` declares it, and `sockets` what it asks of WASI's sockets, or by `lookups` of a `resolver`
//! elsewhere, `files` what of WASI's files, done by `file_jobs`.

mod bindings;
mod cache;
mod capacity;
mod component;
mod contract;
mod engine;
mod file_jobs;
mod files;
mod grants;
mod guest;
mod instance;
mod limits;
mod lookups;
mod needs;
mod print;
mod program;
mod reach;
mod resolver;
mod settings;
mod sockets;
mod ticker;

pub(crate) use component::Code;

pub(crate) use grants::Granted;
pub(crate) use guest::{About, DatagramRequest, StreamRequest};
pub(crate) use instance::{GuestCall, Instance, Verdict};
pub(crate) use limits::TotalMemory;
pub(crate) use program::{Concurrency, EpochClock, Program};
pub(crate) use reach::LOOKUPS;
pub(crate) use resolver::{Found, Resolver};

pub use cache::Cache;
