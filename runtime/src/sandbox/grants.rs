//! What a guest may reach beyond its request: nothing but clocks and random bytes.
//!
//! Every language's start-up needs those two; their interfaces have no way to refuse, and a constant in
//! place of randomness would be a hole. The environment is empty, no directory is open, and every socket and
//! look-up is refused.

use wasmtime_wasi::{WasiCtx, WasiCtxBuilder};

use super::print::Printer;

/// The most random bytes that one call may ask for: they are made in the host's memory.
const RANDOM_BYTES: u64 = 64 * 1024;

pub(super) fn nothing(stdout: Printer, stderr: Printer) -> WasiCtx {
    WasiCtxBuilder::new()
        .stdout(stdout)
        .stderr(stderr)
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .max_random_size(RANDOM_BYTES)
        .build()
}
