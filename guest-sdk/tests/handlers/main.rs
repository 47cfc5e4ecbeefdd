//! What a handler meets, one module a subject, served in memory.

#![expect(
    clippy::unwrap_used,
    reason = "handlers of tests fail where they stand"
)]

mod datagrams;
mod exports;
mod order;
mod reading;
mod sockets;
mod writing;
