//! Memory: wasmtime limits each linear memory by itself, so the sums are kept here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use wasmtime::{ResourceLimiter, Result};

use crate::config::Limits;

/// Bytes that wasmtime keeps for one element of a table.
pub(super) const TABLE_ELEMENT: usize = size_of::<usize>();

/// Bytes that all instances of one server may have together.
#[derive(Debug)]
pub(crate) struct TotalMemory {
    free: AtomicU64,
}

impl TotalMemory {
    pub(crate) fn new(limit: u64) -> Self {
        Self {
            free: AtomicU64::new(limit),
        }
    }

    /// Takes `bytes`; false if there are not as many.
    fn take(&self, bytes: u64) -> bool {
        self.free
            .fetch_update(Relaxed, Relaxed, |free| free.checked_sub(bytes))
            .is_ok()
    }

    fn give_back(&self, bytes: u64) {
        self.free.fetch_add(bytes, Relaxed);
    }
}

/// Bytes of all linear memories and tables of one instance together, and of what the host holds for it.
#[derive(Debug)]
pub(super) struct MemoryLimiter {
    limit: u64,
    used: u64,
    total: Option<Arc<TotalMemory>>,
    /// The most elements of one table.
    elements: usize,
    instances: usize,
    refused: Option<&'static str>,
}

impl MemoryLimiter {
    pub(super) fn new(limits: &Limits, total: Option<Arc<TotalMemory>>) -> Self {
        Self {
            limit: limits.max_memory,
            used: 0,
            total,
            elements: limits.max_table_elements as usize,
            instances: limits.max_instances as usize,
            refused: None,
        }
    }

    /// The largest sum so far: neither memories nor tables ever shrink.
    pub(super) fn peak(&self) -> u64 {
        self.used
    }

    /// The limit that the guest met, if it asked for more than it may have. A guest sees only a failed
    /// `memory.grow`, and most end in the trap that every failed allocation ends in.
    pub(super) fn refused(&self) -> Option<&'static str> {
        self.refused
    }

    fn grow(&mut self, now: usize, desired: usize, size: usize) -> bool {
        self.hold(desired.saturating_sub(now).saturating_mul(size) as u64)
    }

    /// Counts what the host holds for the instance; false if that is more than it may have.
    pub(super) fn hold(&mut self, by: u64) -> bool {
        let wanted = self.used.saturating_add(by);
        if wanted > self.limit {
            self.refused = Some("max-memory");
            return false;
        }
        if let Some(total) = &self.total
            && !total.take(by)
        {
            self.refused = Some("max-total-memory");
            return false;
        }
        self.used = wanted;
        true
    }
}

impl Drop for MemoryLimiter {
    fn drop(&mut self) {
        if let Some(total) = &self.total {
            total.give_back(self.used);
        }
    }
}

/// What is beyond the guest's own maximum fails anyway, and costs nothing.
fn is_beyond(maximum: Option<usize>, desired: usize) -> bool {
    maximum.is_some_and(|maximum| desired > maximum)
}

impl ResourceLimiter for MemoryLimiter {
    fn memory_growing(&mut self, now: usize, desired: usize, most: Option<usize>) -> Result<bool> {
        Ok(is_beyond(most, desired) || self.grow(now, desired, 1))
    }

    fn table_growing(&mut self, now: usize, desired: usize, most: Option<usize>) -> Result<bool> {
        // First: what a pool has room for counts as the table's own maximum.
        if desired > self.elements {
            self.refused = Some("max-table-elements");
            return Ok(false);
        }
        Ok(is_beyond(most, desired) || self.grow(now, desired, TABLE_ELEMENT))
    }

    /// What a component says of itself is checked when it is loaded; this holds whatever it said.
    fn instances(&self) -> usize {
        self.instances
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(max_memory: u64) -> MemoryLimiter {
        limiter_of(max_memory, None)
    }

    fn limiter_of(max_memory: u64, total: Option<Arc<TotalMemory>>) -> MemoryLimiter {
        let limits = Limits {
            max_memory,
            ..Limits::default()
        };
        MemoryLimiter::new(&limits, total)
    }

    #[test]
    fn what_one_gives_back_another_may_have() {
        let total = Some(Arc::new(TotalMemory::new(100_000)));
        let mut one = limiter_of(65_536, total.clone());
        let mut other = limiter_of(65_536, total);
        assert!(one.memory_growing(0, 65_536, None).unwrap());
        assert!(!other.memory_growing(0, 65_536, None).unwrap());
        assert_eq!(other.refused(), Some("max-total-memory"));
        drop(one);
        assert!(other.memory_growing(0, 65_536, None).unwrap());
        assert!(!other.hold(65_536), "what the host holds counts, too");
    }

    #[test]
    fn memories_and_tables_count_together() {
        let mut limiter = limiter(3 * 65_536);
        assert!(limiter.memory_growing(0, 65_536, None).unwrap());
        assert!(limiter.memory_growing(0, 65_536, None).unwrap());
        assert!(limiter.table_growing(0, 8_000, None).unwrap());
        assert!(
            limiter
                .memory_growing(65_536, 1 << 30, Some(65_536))
                .unwrap()
        );
        assert_eq!(
            limiter.refused(),
            None,
            "its own maximum is no limit of ours"
        );
        assert!(!limiter.memory_growing(65_536, 2 * 65_536, None).unwrap());
        assert_eq!(limiter.refused(), Some("max-memory"));
        assert_eq!(limiter.peak(), 2 * 65_536 + 64_000);
    }

    #[test]
    fn what_the_host_holds_counts_with_it() {
        let mut limiter = limiter(2 * 65_536);
        assert!(limiter.hold(65_536));
        assert!(limiter.memory_growing(0, 65_536, None).unwrap());
        assert!(!limiter.table_growing(0, 1, None).unwrap());
        assert_eq!(limiter.peak(), 2 * 65_536);
        assert!(!limiter.hold(1));
    }

    #[test]
    fn a_table_is_limited_by_itself_too() {
        let mut limiter = limiter(64 << 20);
        assert!(limiter.table_growing(0, 20_000, None).unwrap());
        assert!(!limiter.table_growing(20_000, 20_001, None).unwrap());
        assert_eq!(limiter.refused(), Some("max-table-elements"));
    }
}
