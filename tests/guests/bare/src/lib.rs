//! Upper-cases what it is sent, straight on the contract: no SDK, no standard library, no WASI.

#![no_std]

extern crate alloc;

use alloc::string::String;
use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;

wit_bindgen::generate!({
    path: "../../../wit",
    world: "socketserver:handler/service",
    generate_all,
});

use exports::socketserver::handler::{datagram_handler, stream_handler};
use socketserver::handler::types::{DatagramRequest, ErrorCode, StreamRequest};

struct Bare;

impl stream_handler::Guest for Bare {
    fn handle(request: StreamRequest) -> Result<(), String> {
        let mut bytes = request.recv(1024).map_err(text)?;
        bytes.make_ascii_uppercase();
        request.send(&bytes).map_err(text)?;
        Ok(())
    }
}

impl datagram_handler::Guest for Bare {
    fn handle(request: DatagramRequest) -> Result<(), String> {
        let mut bytes = request.packet();
        bytes.make_ascii_uppercase();
        request.send(&bytes).map_err(text)
    }
}

fn text(error: ErrorCode) -> String {
    String::from(error.name())
}

export!(Bare);

/// How the host makes room for what it hands over. The standard library of this target would bring it.
#[unsafe(no_mangle)]
unsafe extern "C" fn cabi_realloc(
    old: *mut u8,
    old_length: usize,
    align: usize,
    length: usize,
) -> *mut u8 {
    if length == 0 {
        return core::ptr::without_provenance_mut(align);
    }
    // SAFETY: the host keeps to the canonical ABI, by which `align` is a power of two, and `old` was made
    // here with `old_length`, unless that is 0.
    unsafe {
        if old_length == 0 {
            HEAP.alloc(Layout::from_size_align_unchecked(length, align))
        } else {
            HEAP.realloc(
                old,
                Layout::from_size_align_unchecked(old_length, align),
                length,
            )
        }
    }
}

/// A heap for one request, which is never given back: the instance ends with it.
struct Heap {
    bytes: UnsafeCell<[u8; Heap::SIZE]>,
    used: UnsafeCell<usize>,
}

impl Heap {
    const SIZE: usize = 256 * 1024;
}

// SAFETY: an instance has one thread.
unsafe impl Sync for Heap {}

// SAFETY: each allocation is a part of `bytes` that no other one has, aligned as asked for.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let start = self.bytes.get().cast::<u8>();
        // SAFETY: nobody else looks at `used` meanwhile.
        let used = unsafe { &mut *self.used.get() };
        let padding = (start as usize + *used).wrapping_neg() & (layout.align() - 1);
        let begin = *used + padding;
        if begin + layout.size() > Heap::SIZE {
            return core::ptr::null_mut();
        }
        *used = begin + layout.size();
        // SAFETY: it lies within `bytes`, as just seen.
        unsafe { start.add(begin) }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static HEAP: Heap = Heap {
    bytes: UnsafeCell::new([0; Heap::SIZE]),
    used: UnsafeCell::new(0),
};

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}
