//! The program's own code in large pages.
//!
//! A forked child begins with none of the pages that are mapped from a file, and asks the kernel for each group of sixteen when
//! it first runs there, and the kernel lets go of all of them when it ends. Large pages of memory it inherits as
//! they are (measured: a fifth of all that a request costs). It is a matter of speed alone: where it does not work,
//! nothing changes.

#![expect(unsafe_code, reason = "the code that runs is moved while it runs")]

use std::io;
use std::ops::Range;
use std::ptr::{null_mut, with_exposed_provenance, with_exposed_provenance_mut};

use rustix::mm::{
    Advice, MapFlags, MprotectFlags, MremapFlags, ProtFlags, madvise, mmap_anonymous, mprotect,
    mremap_fixed,
};

/// Bytes of a large page, on every machine that has pages of 4 KiB.
const LARGE: usize = 2 << 20;

/// Moves this program's code into large pages, as far as it fills them. To be called while there is one thread.
///
/// # Errors
///
/// If there is no room; then nothing has been moved.
pub(super) fn move_into_large_pages() -> io::Result<()> {
    let Some(code) = own_code(&std::fs::read_to_string("/proc/self/maps")?) else {
        return Ok(());
    };
    let (start, end) = (code.start.next_multiple_of(LARGE), code.end / LARGE * LARGE);
    if start >= end {
        return Ok(());
    }
    let length = end - start;
    let readable = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: new memory, at a place that the kernel chooses.
    let room = unsafe { mmap_anonymous(null_mut(), length + LARGE, readable, MapFlags::PRIVATE) }?;
    let copy = room.map_addr(|address| address.next_multiple_of(LARGE));
    // SAFETY: it is all within the new memory, which nobody else knows.
    unsafe { madvise(copy, length, Advice::LinuxHugepage) }?;
    let text = with_exposed_provenance::<u8>(start);
    // SAFETY: code that is mapped can be read; the copy has room for it, and is elsewhere.
    unsafe { text.copy_to_nonoverlapping(copy.cast(), length) };
    // SAFETY: nobody writes to the copy any more.
    unsafe { mprotect(copy, length, MprotectFlags::READ | MprotectFlags::EXEC) }?;
    let target = with_exposed_provenance_mut(start);
    // SAFETY: the same bytes are at the same addresses before and after, so that whatever runs there goes on.
    unsafe { mremap_fixed(copy, length, length, MremapFlags::MAYMOVE, target) }?;
    Ok(())
}

/// Where this function's program lies, by `/proc/self/maps`.
fn own_code(maps: &str) -> Option<Range<usize>> {
    let here = own_code as fn(&str) -> Option<Range<usize>> as usize;
    let ranges = maps.lines().filter_map(|line| {
        let (range, _) = line.split_once(" r-xp ")?;
        let (start, end) = range.split_once('-')?;
        let number = |text| usize::from_str_radix(text, 16).ok();
        Some(number(start)?..number(end)?)
    });
    let mut ranges = ranges.filter(|range| range.contains(&here));
    ranges.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_program_is_found() {
        let here = own_code as fn(&str) -> Option<Range<usize>> as usize;
        let maps = format!(
            "1000-2000 r--p 0 0 0 /bin/a\n{:x}-{:x} r-xp 0 0 0 /bin/a\n",
            here - 5,
            here + 5
        );
        assert_eq!(own_code(&maps), Some(here - 5..here + 5));
        assert_eq!(own_code("1000-2000 r-xp 0 0 0 /bin/a\nnonsense"), None);
    }
}
