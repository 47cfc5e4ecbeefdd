//! Memory: wasmtime limits each linear memory by itself, so the sum is kept here.

use wasmtime::{ResourceLimiter, Result};

/// Bytes that wasmtime keeps for one element of a table.
const TABLE_ELEMENT: usize = size_of::<usize>();

/// Bytes of all linear memories and tables of one instance together.
#[derive(Debug)]
pub(super) struct MemoryLimiter {
    limit: u64,
    used: u64,
    refused: bool,
}

impl MemoryLimiter {
    pub(super) fn new(limit: u64) -> Self {
        Self {
            limit,
            used: 0,
            refused: false,
        }
    }

    /// The largest sum so far: neither memories nor tables ever shrink.
    pub(super) fn peak(&self) -> u64 {
        self.used
    }

    /// True if the guest asked for more than it may have. A guest sees only a failed `memory.grow`, and
    /// most end in the trap that every failed allocation ends in.
    pub(super) fn has_refused(&self) -> bool {
        self.refused
    }

    /// Whether it may grow. What is beyond the guest's own maximum fails anyway, and costs nothing.
    fn grow(&mut self, now: usize, desired: usize, maximum: Option<usize>, size: usize) -> bool {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return true;
        }
        let by = desired.saturating_sub(now).saturating_mul(size) as u64;
        let wanted = self.used.saturating_add(by);
        if wanted > self.limit {
            self.refused = true;
            return false;
        }
        self.used = wanted;
        true
    }
}

impl ResourceLimiter for MemoryLimiter {
    fn memory_growing(&mut self, now: usize, desired: usize, most: Option<usize>) -> Result<bool> {
        Ok(self.grow(now, desired, most, 1))
    }

    fn table_growing(&mut self, now: usize, desired: usize, most: Option<usize>) -> Result<bool> {
        Ok(self.grow(now, desired, most, TABLE_ELEMENT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_and_tables_count_together() {
        let mut limiter = MemoryLimiter::new(3 * 65_536);
        assert!(limiter.memory_growing(0, 65_536, None).unwrap());
        assert!(limiter.memory_growing(0, 65_536, None).unwrap());
        assert!(limiter.table_growing(0, 8_000, None).unwrap());
        assert!(
            limiter
                .memory_growing(65_536, 1 << 30, Some(65_536))
                .unwrap()
        );
        assert!(
            !limiter.has_refused(),
            "its own maximum is no limit of ours"
        );
        assert!(!limiter.memory_growing(65_536, 2 * 65_536, None).unwrap());
        assert!(limiter.has_refused());
        assert_eq!(limiter.peak(), 2 * 65_536 + 64_000);
    }
}
