//! The process's allocator: mimalloc, which is fast for small allocations that one thread makes and frees, as requests do.
//!
//! It is asked for an alignment only where a block does not have it anyway. The check that it makes for one costs a request some 400
//! instructions.

use std::alloc::{GlobalAlloc, Layout};

use libmimalloc_sys::{
    mi_free, mi_malloc, mi_malloc_aligned, mi_realloc, mi_realloc_aligned, mi_zalloc, mi_zalloc_aligned,
};

/// What every block of at least this size is aligned to: `max_align_t` of C, as for any `malloc`.
const NATURAL: usize = 16;

/// mimalloc.
pub(crate) struct Allocator;

/// Whether any block of this size has the alignment: a smaller one is aligned to its size, rounded up to a power of two.
fn is_natural(size: usize, align: usize) -> bool {
    align <= NATURAL && align <= size
}

#[allow(
    unsafe_code,
    reason = "an allocator hands out memory; each call goes to mimalloc as it is"
)]
// SAFETY: mimalloc fulfils the contract. Blocks come from it alone, and it finds the size of a block by its address. `is_natural` holds
// for the alignments that every block of that size has.
unsafe impl GlobalAlloc for Allocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let (size, align) = (layout.size(), layout.align());
        // SAFETY: any size is allowed, and a layout's alignment is a power of two.
        unsafe {
            match is_natural(size, align) {
                true => mi_malloc(size).cast(),
                false => mi_malloc_aligned(size, align).cast(),
            }
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let (size, align) = (layout.size(), layout.align());
        // SAFETY: as for `alloc`.
        unsafe {
            match is_natural(size, align) {
                true => mi_zalloc(size).cast(),
                false => mi_zalloc_aligned(size, align).cast(),
            }
        }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, _layout: Layout) {
        // SAFETY: the caller's block is one of mimalloc.
        unsafe { mi_free(block.cast()) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's block is one of mimalloc; for the rest, as for `alloc`.
        unsafe {
            match is_natural(size, layout.align()) {
                true => mi_realloc(block.cast(), size).cast(),
                false => mi_realloc_aligned(block.cast(), size, layout.align()).cast(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::alloc::{GlobalAlloc, Layout};

    use super::*;

    #[test]
    #[allow(unsafe_code, reason = "the allocator's own test")]
    fn every_block_has_its_alignment_and_keeps_its_bytes() {
        for align in [1, 2, 4, 8, 16, 32, 64, 4096] {
            for size in (1..300).chain([1000, 4096, 70_000, 1 << 20, 5 << 20]) {
                let layout = Layout::from_size_align(size, align).expect("a layout");
                let larger = Layout::from_size_align(2 * size + 1, align).expect("a layout");
                // SAFETY: sizes are above 0, each block is used within its size and freed with its layout.
                unsafe {
                    // Several, as the first block of a page may be aligned by accident.
                    let blocks: Vec<*mut u8> = (0..3).map(|_| Allocator.alloc(layout)).collect();
                    for block in blocks {
                        assert!(
                            !block.is_null() && block.addr().is_multiple_of(align),
                            "{size} at {align}"
                        );
                        block.write_bytes(7, size);
                        let moved = Allocator.realloc(block, layout, larger.size());
                        assert!(moved.addr().is_multiple_of(align), "{size} at {align}, moved");
                        assert_eq!((moved.read(), moved.add(size - 1).read()), (7, 7));
                        Allocator.dealloc(moved, larger);
                    }
                    let zeroed = Allocator.alloc_zeroed(layout);
                    assert!(zeroed.addr().is_multiple_of(align));
                    assert_eq!((zeroed.read(), zeroed.add(size - 1).read()), (0, 0));
                    Allocator.dealloc(zeroed, layout);
                }
            }
        }
    }
}
