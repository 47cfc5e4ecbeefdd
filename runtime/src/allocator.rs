//! The allocator of the command: one for its server, and another for its zygotes.
//!
//! A request of the server allocates some dozens of small blocks and frees them on the same thread: what mimalloc is
//! fastest at. A zygote's child copies every page that it writes to, and mimalloc has a page for each size of block;
//! the system's allocator puts them side by side (measured: 4 MiB and 0.2 MiB of a zygote's heap, and a fifth more
//! requests a second).

#![expect(
    unsafe_code,
    reason = "what an allocator promises no type expresses; each call goes to one that keeps it"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::{CStr, c_char};
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use mimalloc::MiMalloc;

/// Either of the two, from the first allocation of a process to its last.
pub(crate) struct Allocator(AtomicU8);

const UNKNOWN: u8 = 0;
const MIMALLOC: u8 = 1;
const SYSTEM: u8 = 2;

// SAFETY: the C library has it under this name and of this type.
unsafe extern "C" {
    /// The last part of the name that this process was started by (error(3)), set before any of its own code runs.
    static program_invocation_short_name: *const c_char;
}

impl Allocator {
    pub(crate) const fn new() -> Self {
        Self(AtomicU8::new(UNKNOWN))
    }

    fn is_system(&self) -> bool {
        match self.0.load(Relaxed) {
            UNKNOWN => self.choose(),
            chosen => chosen == SYSTEM,
        }
    }

    #[cold]
    fn choose(&self) -> bool {
        // SAFETY: it is set once, before anything can read it, to text that stays.
        let name = unsafe { program_invocation_short_name };
        // SAFETY: as above; it is ended by a zero.
        let name = (!name.is_null()).then(|| unsafe { CStr::from_ptr(name) });
        let is_zygote = name.is_some_and(|name| name.to_bytes() == runtime::ZYGOTE.as_bytes());
        self.0
            .store(if is_zygote { SYSTEM } else { MIMALLOC }, Relaxed);
        is_zygote
    }
}

// SAFETY: all of a process's blocks come from one allocator, and go back to it; both keep the contract.
unsafe impl GlobalAlloc for Allocator {
    // SAFETY: what the caller promises, and is promised, is the trait's.
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if self.is_system() {
            // SAFETY: the caller's promises are the same.
            unsafe { System.alloc(layout) }
        } else {
            // SAFETY: as above.
            unsafe { MiMalloc.alloc(layout) }
        }
    }

    // SAFETY: what the caller promises, and is promised, is the trait's.
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if self.is_system() {
            // SAFETY: the caller's promises are the same.
            unsafe { System.alloc_zeroed(layout) }
        } else {
            // SAFETY: as above.
            unsafe { MiMalloc.alloc_zeroed(layout) }
        }
    }

    // SAFETY: what the caller promises, and is promised, is the trait's.
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if self.is_system() {
            // SAFETY: the caller's promises are the same.
            unsafe { System.realloc(block, layout, size) }
        } else {
            // SAFETY: as above.
            unsafe { MiMalloc.realloc(block, layout, size) }
        }
    }

    // SAFETY: what the caller promises, and is promised, is the trait's.
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if self.is_system() {
            // SAFETY: the caller's promises are the same.
            unsafe { System.dealloc(block, layout) }
        } else {
            // SAFETY: as above.
            unsafe { MiMalloc.dealloc(block, layout) }
        }
    }
}
