use std::alloc::{GlobalAlloc, Layout};

use super::Heap;

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

/// A block that is written full, so that overlapping ones would be seen.
fn block<const SIZE: usize>(heap: &Heap<SIZE>, layout: Layout, fill: u8) -> *mut u8 {
    // SAFETY: no test asks for a block of no size.
    let block = unsafe { heap.alloc(layout) };
    assert!(!block.is_null());
    assert_eq!(block.addr() % layout.align(), 0);
    // SAFETY: the block is that long.
    unsafe { block.write_bytes(fill, layout.size()) };
    block
}

fn free<const SIZE: usize>(heap: &Heap<SIZE>, block: *mut u8, layout: Layout) {
    // SAFETY: each test frees a block once, with the layout that it has.
    unsafe { heap.dealloc(block, layout) };
}

fn resized<const SIZE: usize>(
    heap: &Heap<SIZE>,
    block: *mut u8,
    layout: Layout,
    size: usize,
) -> *mut u8 {
    // SAFETY: the block has this layout and is not used again, only what is returned.
    unsafe { heap.realloc(block, layout, size) }
}

fn bytes(block: *const u8, size: usize) -> Vec<u8> {
    // SAFETY: the tests ask for as much as they have written.
    unsafe { std::slice::from_raw_parts(block, size) }.to_vec()
}

#[test]
fn blocks_are_aligned_and_apart() {
    let heap = Heap::<256>::new();
    let small = block(&heap, layout(3, 1), 1);
    let aligned = block(&heap, layout(16, 16), 2);
    let next = block(&heap, layout(5, 4), 3);
    assert_eq!(bytes(small, 3), [1; 3]);
    assert_eq!(bytes(aligned, 16), [2; 16]);
    assert_eq!(bytes(next, 5), [3; 5]);
    assert!(
        [small, aligned, next]
            .iter()
            .all(|block| heap.offset(*block).is_some())
    );
}

#[test]
fn what_is_freed_at_the_top_is_used_again() {
    let heap = Heap::<256>::new();
    let kept = block(&heap, layout(8, 8), 1);
    for round in 0..1000 {
        let bytes = block(&heap, layout(100, 1), 2);
        assert!(heap.offset(bytes).is_some(), "round {round} left the array");
        free(&heap, bytes, layout(100, 1));
    }
    assert_eq!(bytes(kept, 8), [1; 8]);
}

#[test]
fn what_is_freed_below_the_top_disturbs_nothing() {
    let heap = Heap::<64>::new();
    let below = block(&heap, layout(8, 1), 1);
    let top = block(&heap, layout(8, 1), 2);
    free(&heap, below, layout(8, 1));
    let next = block(&heap, layout(8, 1), 3);
    assert_eq!(bytes(top, 8), [2; 8]);
    assert_eq!(bytes(next, 8), [3; 8]);
}

#[test]
fn the_top_grows_and_shrinks_where_it_lies() {
    let heap = Heap::<64>::new();
    let top = block(&heap, layout(8, 1), 7);
    assert_eq!(resized(&heap, top, layout(8, 1), 64), top);
    assert_eq!(resized(&heap, top, layout(64, 1), 4), top);
    assert_eq!(heap.used.get(), 4);
    assert_eq!(bytes(top, 4), [7; 4]);
}

#[test]
fn a_block_below_the_top_moves_when_it_grows() {
    let heap = Heap::<64>::new();
    let below = block(&heap, layout(8, 1), 7);
    let top = block(&heap, layout(8, 1), 8);
    assert_eq!(resized(&heap, below, layout(8, 1), 4), below);
    let moved = resized(&heap, below, layout(4, 1), 16);
    assert_ne!(moved, below);
    assert_eq!(bytes(moved, 4), [7; 4]);
    assert_eq!(bytes(top, 8), [8; 8]);
}

#[test]
fn what_does_not_fit_comes_from_the_usual_allocator() {
    let heap = Heap::<64>::new();
    let within = block(&heap, layout(40, 1), 1);
    let large = block(&heap, layout(100, 1), 2);
    assert!(heap.offset(large).is_none());
    let larger = resized(&heap, large, layout(100, 1), 200);
    assert_eq!(bytes(larger, 100), [2; 100]);
    free(&heap, larger, layout(200, 1));

    let moved = resized(&heap, within, layout(40, 1), 80);
    assert!(heap.offset(moved).is_none());
    assert_eq!(bytes(moved, 40), [1; 40]);
    assert_eq!(heap.used.get(), 0, "the top was given back");
    free(&heap, moved, layout(80, 1));
}
