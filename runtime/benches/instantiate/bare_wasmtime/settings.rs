//! The engine's settings.
//!
//! **They have to be kept equal** to those of this library, in `sandbox/settings.rs` and `sandbox/engine.rs`: what
//! is compared is what the library adds to the engine, not two engines.

use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig};

/// Address space of one linear memory.
const MEMORY_RESERVATION: u64 = 4 << 30;

/// `sandbox::settings::settings`, with the pool.
pub(super) fn settings() -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .concurrency_support(false)
        .memory_reservation(MEMORY_RESERVATION)
        .generate_address_map(false)
        .native_unwind_info(false)
        .wasm_backtrace_max_frames(None)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool()));
    config
}

/// `sandbox::engine::pool`, of the size that an engine has at least.
fn pool() -> PoolingAllocationConfig {
    const POOL: u32 = 4096;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_stacks(POOL)
        .total_memories(POOL)
        .total_tables(2 * POOL)
        .total_component_instances(POOL)
        .total_core_instances(POOL.saturating_mul(64))
        .max_memory_size(usize::try_from(MEMORY_RESERVATION).unwrap_or(usize::MAX))
        .table_elements(20_000)
        .linear_memory_keep_resident(64 << 10)
        .table_keep_resident(8 << 10)
        .async_stack_keep_resident(32 << 10)
        .pagemap_scan(Enabled::Auto);
    pool
}
