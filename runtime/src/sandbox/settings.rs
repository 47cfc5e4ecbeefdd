//! Settings of code generation: one for compiling and for running, so that compiled code serves every
//! engine of this version.

use wasmtime::Config;

/// Address space of one linear memory: all that a 32-bit guest can ever address, so that compiled code
/// needs no bounds checks.
pub(super) const MEMORY_RESERVATION: u64 = 4 << 30;

/// A fresh configuration. A pool and the size of stacks may be added to it; nothing else. `fuel`: code that counts
/// its instructions, which is slower.
pub(super) fn settings(fuel: bool) -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .consume_fuel(fuel)
        .concurrency_support(false)
        .memory_reservation(MEMORY_RESERVATION)
        .generate_address_map(false)
        .native_unwind_info(false)
        .wasm_backtrace_max_frames(None);
    config
}
