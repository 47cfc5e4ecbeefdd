//! The handler's heap: a static array first, and only then more pages of memory.
//!
//! A handler lives for one request. The usual allocator begins with next to nothing and asks the host for a
//! page of memory at once, which costs more than the rest of a small request. So the first 64 KiB lie in the
//! component's own data, where they cost nothing until they are touched, and a pointer that moves up hands
//! them out. What is freed or resized at the top moves it back, so that a loop which reads, answers and frees
//! stays where it is; what is freed below the top is not used again, and what does not fit goes to the usual
//! allocator.
//!
//! What the host returns, a list or a text, it puts where [`cabi_realloc`] says, and whoever called it frees it. That
//! may be the C library, which knows nothing of the array: only what the SDK itself asks for lies there.
//!
//! This is the only file of the crate with `unsafe` code of its own.

#![expect(unsafe_code, reason = "an allocator is unsafe by its nature")]

#[cfg(target_arch = "wasm32")]
use std::alloc::handle_alloc_error;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::{Cell, UnsafeCell};
use std::mem::MaybeUninit;
use std::ptr;

/// 64 KiB, one page of wasm memory: the largest answer of one read, or some hundred small values.
#[cfg(target_arch = "wasm32")]
#[global_allocator]
static HEAP: Heap<65_536> = Heap::new();

/// True while the SDK is in a call of the host.
#[cfg(target_arch = "wasm32")]
static OURS: Flag = Flag(Cell::new(false));

#[cfg(target_arch = "wasm32")]
struct Flag(Cell<bool>);

// SAFETY: a component has one thread; there is no other that could see the cell.
#[cfg(target_arch = "wasm32")]
unsafe impl Sync for Flag {}

/// Calls the host for something that Rust frees: it may lie in the array.
#[cfg(target_arch = "wasm32")]
pub(crate) fn ours<T>(call: impl FnOnce() -> T) -> T {
    OURS.0.set(true);
    let returned = call();
    OURS.0.set(false);
    returned
}

/// Room for what the host returns: the canonical ABI's `realloc`.
///
/// Rust's standard library has one, too, which gives way to this: it asks whatever allocator Rust has, and the C
/// library then frees a block that is none of its own.
///
/// # Safety
///
/// As the canonical ABI says: `old` is null, or a block that was returned here with that size and alignment.
#[cfg(target_arch = "wasm32")]
#[unsafe(no_mangle)]
unsafe extern "C" fn cabi_realloc(
    old: *mut u8,
    old_size: usize,
    align: usize,
    size: usize,
) -> *mut u8 {
    if size == 0 {
        return ptr::without_provenance_mut(align);
    }
    // SAFETY: the host asks for alignments of the canonical ABI, powers of two, and for what fits into memory.
    let layout = |size| unsafe { Layout::from_size_align_unchecked(size, align) };
    let block = if old_size > 0 {
        // SAFETY: a block of that layout came from here, which is the array or the usual allocator.
        unsafe { HEAP.realloc(old, layout(old_size), size) }
    } else if OURS.0.get() {
        // SAFETY: `size` is not zero.
        unsafe { HEAP.alloc(layout(size)) }
    } else {
        // SAFETY: `size` is not zero.
        unsafe { System.alloc(layout(size)) }
    };
    if block.is_null() {
        handle_alloc_error(layout(size));
    }
    block
}

/// `SIZE` bytes to hand out from the bottom up, and the usual allocator behind them.
struct Heap<const SIZE: usize> {
    bytes: UnsafeCell<MaybeUninit<[u8; SIZE]>>,
    used: Cell<usize>,
}

// SAFETY: a component has one thread; there is no other that could see the cells.
#[cfg(target_arch = "wasm32")]
unsafe impl<const SIZE: usize> Sync for Heap<SIZE> {}

impl<const SIZE: usize> Heap<SIZE> {
    const fn new() -> Self {
        Self {
            bytes: UnsafeCell::new(MaybeUninit::uninit()),
            used: Cell::new(0),
        }
    }

    fn bottom(&self) -> *mut u8 {
        self.bytes.get().cast()
    }

    /// Where in the array a block begins, or none if it came from the usual allocator.
    fn offset(&self, block: *mut u8) -> Option<usize> {
        let offset = block.addr().wrapping_sub(self.bottom().addr());
        (offset < SIZE).then_some(offset)
    }

    /// A block from the array, if there is room for it.
    fn take(&self, layout: Layout) -> Option<*mut u8> {
        let top = self.bottom().addr().checked_add(self.used.get())?;
        let start = top
            .checked_next_multiple_of(layout.align())?
            .checked_sub(self.bottom().addr())?;
        self.set_end(start, layout.size())?;
        Some(self.bottom().wrapping_add(start))
    }

    /// Lets the topmost block begin at `start` and be `size` long, if there is room for it.
    fn set_end(&self, start: usize, size: usize) -> Option<()> {
        let end = start.checked_add(size).filter(|end| *end <= SIZE)?;
        self.used.set(end);
        Some(())
    }

    /// Gives a block other than the topmost a new size where it lies, if it only shrinks, and the topmost if
    /// there is room.
    fn resize(&self, start: usize, old: usize, new: usize) -> Option<()> {
        if start.checked_add(old) == Some(self.used.get()) {
            self.set_end(start, new)
        } else {
            (new <= old).then_some(())
        }
    }
}

// SAFETY: blocks from the array are within it, aligned (`take` rounds the address up) and disjoint: `used` is
// the end of the topmost one, lies above all others, and only moves back to the start of one that was freed,
// or to the new end of one that shrank. Everything else is the usual allocator's, told apart by address.
unsafe impl<const SIZE: usize> GlobalAlloc for Heap<SIZE> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match self.take(layout) {
            Some(block) => block,
            // SAFETY: the caller's promise about `layout` is handed on.
            None => unsafe { System.alloc(layout) },
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        match self.offset(block) {
            Some(start) => {
                if start.checked_add(layout.size()) == Some(self.used.get()) {
                    self.used.set(start);
                }
            }
            // SAFETY: a block that is not of the array came from there, with the same layout.
            None => unsafe { System.dealloc(block, layout) },
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Some(start) = self.offset(block) else {
            // SAFETY: a block that is not of the array came from there, with the same layout.
            return unsafe { System.realloc(block, layout, size) };
        };
        if self.resize(start, layout.size(), size).is_some() {
            return block;
        }
        // SAFETY: the alignment is that of an existing layout, and the caller promises that `size`, rounded up
        // to it, does not overflow.
        let new_layout = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        // SAFETY: the caller promises that `size` is not zero.
        let new = unsafe { self.alloc(new_layout) };
        if !new.is_null() {
            // SAFETY: both blocks are at least that long, and they are disjoint, as the old one is not freed.
            unsafe { ptr::copy_nonoverlapping(block, new, layout.size().min(size)) };
            // SAFETY: the block is of this allocator, with this layout, and is not used again.
            unsafe { self.dealloc(block, layout) };
        }
        new
    }
}

#[cfg(test)]
mod tests;
