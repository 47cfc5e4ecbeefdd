//! How many guests at once a process carries: computed here, for the default, for the refusal, and so for
//! admission.
//!
//! Two things run out. Address space: each memory has a reservation of its own, however little of it is used.
//! And memory maps, of which Linux allows a process 65,530 unless it is told otherwise (`vm.max_map_count` in
//! proc_sys_vm(5)): the next one fails, wherever it is asked for.

use super::settings::MEMORY_RESERVATION;

/// Memories that fit into the address space of a process (128 TiB), beside everything else.
const MOST_MEMORIES: u64 = (100 << 40) / (MEMORY_RESERVATION + (64 << 20));

/// Maps of a stack in a pool, used or not: itself, and the guard below it.
const MAPS_OF_A_STACK: u64 = 2;

/// Maps of a memory in use, measured: what the component's data initialises, what lies before and behind it, and
/// what is out of bounds.
const MAPS_OF_A_MEMORY: u64 = 4;

/// Maps that the rest of the process needs: its code, its threads, its heap (about a hundred, measured).
const MAPS_OF_THE_REST: u64 = 1000;

/// Places in a pool.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seats {
    pub(super) stacks: u32,
    pub(super) memories: u32,
    pub(super) tables: u32,
    pub(super) instances: u32,
}

impl Seats {
    /// What is left of these; none if there are not enough.
    pub(super) fn without(self, others: Self) -> Option<Self> {
        Some(Self {
            stacks: self.stacks.checked_sub(others.stacks)?,
            memories: self.memories.checked_sub(others.memories)?,
            tables: self.tables.checked_sub(others.tables)?,
            instances: self.instances.checked_sub(others.instances)?,
        })
    }
}

/// What pools have taken of a process, or may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Room {
    pub(super) memories: u64,
    pub(super) maps: u64,
}

/// What runs out: address space, if both do, since more of that is not to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    AddressSpace,
    /// How many there would have to be.
    Maps(u64),
}

impl Room {
    /// All that this process may have.
    pub(super) fn of_this_process() -> Self {
        Self {
            memories: MOST_MEMORIES,
            maps: max_map_count().saturating_sub(MAPS_OF_THE_REST),
        }
    }

    /// What a new pool takes.
    pub(super) fn of_pool(size: Seats) -> Self {
        Self {
            memories: size.memories.into(),
            maps: u64::from(size.stacks) * MAPS_OF_A_STACK,
        }
    }

    /// What seats in a pool take when guests have them.
    pub(super) fn of_seats(seats: Seats) -> Self {
        Self {
            memories: 0,
            maps: u64::from(seats.memories) * MAPS_OF_A_MEMORY,
        }
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self {
            memories: self.memories + other.memories,
            maps: self.maps + other.maps,
        }
    }

    pub(super) fn without(self, other: Self) -> Self {
        Self {
            memories: self.memories.saturating_sub(other.memories),
            maps: self.maps.saturating_sub(other.maps),
        }
    }

    /// What runs out if `wanted` is taken of this; none if there is enough.
    pub(super) fn lacks(self, wanted: Self) -> Option<Limit> {
        if wanted.memories > self.memories {
            return Some(Limit::AddressSpace);
        }
        let missing = wanted.maps.saturating_sub(self.maps);
        (missing > 0).then(|| Limit::Maps(max_map_count() + missing))
    }
}

/// `vm.max_map_count`; Linux's default where it cannot be read.
fn max_map_count() -> u64 {
    std::fs::read_to_string("/proc/sys/vm/max_map_count")
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(65_530)
}

/// How many guests at once are carried, where that is fewer than were asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Carried {
    pub(super) fits: u32,
    /// How many more memory maps allow; none if address space runs out first.
    pub(super) with_more_maps: Option<MoreMaps>,
}

/// What a larger `vm.max_map_count` is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MoreMaps {
    pub(super) max_map_count: u64,
    pub(super) fits: u32,
}

/// How many of `wanted` guests are carried, `lacks` being what runs out with a number of them; none if all are.
pub(super) fn carried(wanted: u32, lacks: impl Fn(u32) -> Option<Limit>) -> Option<Carried> {
    lacks(wanted)?;
    let fits = largest(wanted, |guests| lacks(guests).is_none());
    let possible = largest(wanted, |guests| lacks(guests) != Some(Limit::AddressSpace));
    let with_more_maps = match lacks(possible) {
        Some(Limit::Maps(max_map_count)) => Some(MoreMaps {
            max_map_count,
            fits: possible,
        }),
        _ => None,
    };
    Some(Carried {
        fits,
        with_more_maps,
    })
}

/// The largest number up to `most` for which `fits` is true, if it is true for all below.
fn largest(most: u32, fits: impl Fn(u32) -> bool) -> u32 {
    let (mut low, mut high) = (0, most);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if fits(middle) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_number_that_fits_is_found() {
        assert_eq!(largest(100, |n| n <= 37), 37);
        assert_eq!(largest(100, |_| true), 100);
        assert_eq!(largest(100, |n| n == 0), 0);
    }

    #[test]
    fn what_more_maps_would_allow_is_said() {
        // Five maps each where there are 100, and one place of 50.
        let lacks = |guests: u32| match guests {
            51.. => Some(Limit::AddressSpace),
            21.. => Some(Limit::Maps(u64::from(guests) * 5)),
            _ => None,
        };
        let carried = |wanted| {
            let carried = carried(wanted, lacks)?;
            let more = carried.with_more_maps.expect("maps run out first");
            Some((carried.fits, more.fits, more.max_map_count))
        };
        assert_eq!(carried(20), None);
        assert_eq!(carried(30), Some((20, 30, 150)));
        assert_eq!(carried(4000), Some((20, 50, 250)));
    }

    #[test]
    fn no_number_of_maps_makes_up_for_address_space() {
        let lacks = |guests: u32| (guests > 10).then_some(Limit::AddressSpace);
        let carried = carried(11, lacks).expect("too many");
        assert_eq!((carried.fits, carried.with_more_maps), (10, None));
    }

    #[test]
    fn what_runs_out_is_said() {
        let room = Room {
            memories: 10,
            maps: 100,
        };
        let wanted = |memories, maps| Room { memories, maps };
        assert_eq!(room.lacks(wanted(10, 100)), None);
        assert_eq!(room.lacks(wanted(11, 1)), Some(Limit::AddressSpace));
        assert_eq!(
            room.lacks(wanted(1, 103)),
            Some(Limit::Maps(max_map_count() + 3))
        );
    }
}
