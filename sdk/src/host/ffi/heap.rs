//! [`Heap`]: the allocator of a module, for one thread. It is small, as every module contains it (libc's allocator has
//! 11 KB, a fifth of a small plugin), and fast, as a hook allocates for every header that it reads.
//!
//! Sizes are rounded up to size classes, four for each power of two. Each class has a list of its free blocks. Blocks
//! are never merged: a module occupies at most the sum of each class's peak usage.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::{Cell, UnsafeCell};
use std::ptr::{NonNull, null_mut};

/// The alignment of every block's address and size, in bytes.
const ALIGNMENT: usize = 16;
/// Up to this size, there is a class for each multiple of [`ALIGNMENT`].
const SMALL: usize = 128;
const SMALL_CLASSES: usize = SMALL / ALIGNMENT;
/// The number of classes: up to 2 GiB, the largest possible allocation.
const CLASSES: usize = SMALL_CLASSES + (31 - SMALL.ilog2() as usize) * 4;

/// The source of whole pages.
pub(super) trait Pages {
    /// The size of a page in bytes, a multiple of [`ALIGNMENT`].
    const SIZE: usize;
    /// The address of new, unused memory of this number of bytes, aligned to [`ALIGNMENT`]. `None` if there is no more.
    fn grow(&self, bytes: usize) -> Option<NonNull<u8>>;
}

/// A free block.
struct Free {
    next: *mut Free,
}

/// An allocator upon pages.
pub(super) struct Heap<P> {
    pages: P,
    /// By class.
    free: UnsafeCell<[*mut Free; CLASSES]>,
    /// The memory that was never allocated.
    start: Cell<*mut u8>,
    left: Cell<usize>,
}

impl<P: Pages> Heap<P> {
    pub(super) const fn new(pages: P) -> Heap<P> {
        Heap {
            pages,
            free: UnsafeCell::new([null_mut(); CLASSES]),
            start: Cell::new(null_mut()),
            left: Cell::new(0),
        }
    }

    /// A block of this size. Not inlined, as there are many calls.
    #[inline(never)]
    fn allocate(&self, size: usize) -> *mut u8 {
        let Some(class) = class_of(size) else { return null_mut() };
        // SAFETY: one thread, and no reference into the table outlives a line; `class` is below `CLASSES`, and a list
        // holds only unused blocks, each with the address of the next one.
        unsafe {
            let list = &mut (*self.free.get())[class];
            if !(*list).is_null() {
                let block = *list;
                *list = (*block).next;
                return block.cast();
            }
        }
        self.carve(size_of_class(class))
    }

    /// Frees a block of this size.
    ///
    /// # Safety
    /// `allocate` returned it for this size, and it is no longer used.
    #[inline(never)]
    unsafe fn free(&self, block: *mut u8, size: usize) {
        if let Some(class) = class_of(size) {
            // SAFETY: the caller's promise.
            unsafe { self.push_free(block, class) };
        }
    }

    /// Adds an unused block to the list of its class.
    ///
    /// # Safety
    /// It has the size and alignment of its class, and is not used.
    unsafe fn push_free(&self, block: *mut u8, class: usize) {
        let block: *mut Free = block.cast();
        // SAFETY: as in `allocate`; the caller's promise makes the block big enough for a pointer.
        unsafe {
            let list = &mut (*self.free.get())[class];
            (*block).next = *list;
            *list = block;
        }
    }

    /// A block from the memory that was never allocated.
    #[cold]
    fn carve(&self, size: usize) -> *mut u8 {
        if self.left.get() < size && !self.grow(size) {
            return null_mut();
        }
        let block = self.start.get();
        self.start.set(block.wrapping_add(size));
        self.left.set(self.left.get() - size);
        block
    }

    /// Gets pages until `size` contiguous bytes are left. `false` if there are no more.
    fn grow(&self, size: usize) -> bool {
        let end = self.start.get().wrapping_add(self.left.get());
        let missing = (size - self.left.get()).next_multiple_of(P::SIZE);
        let Some(piece) = self.pages.grow(missing) else {
            return false;
        };
        if piece.as_ptr() == end {
            self.left.set(self.left.get() + missing);
            return true;
        }
        self.free_remainder();
        self.start.set(piece.as_ptr());
        self.left.set(missing);
        missing >= size || self.grow(size)
    }

    /// Adds the rest of the current memory to the lists, as the next pages do not follow it.
    fn free_remainder(&self) {
        while self.left.get() >= ALIGNMENT {
            let left = self.left.get();
            let class = match class_of(left) {
                Some(class) if size_of_class(class) == left => class,
                Some(class) => class - 1,
                None => CLASSES - 1,
            };
            let size = size_of_class(class);
            let block = self.carve(size);
            // SAFETY: it was never allocated, and has just been cut to the size of this class.
            unsafe { self.push_free(block, class) };
        }
    }
}

/// The class for this number of bytes. `None` if it is larger than the largest class.
fn class_of(size: usize) -> Option<usize> {
    let last = size.max(1) - 1;
    if last < SMALL {
        return Some(last / ALIGNMENT);
    }
    let doubling = last.ilog2() as usize;
    let class = SMALL_CLASSES + (doubling - SMALL.ilog2() as usize) * 4 + (last >> (doubling - 2)) % 4;
    (class < CLASSES).then_some(class)
}

fn size_of_class(class: usize) -> usize {
    if class < SMALL_CLASSES {
        return (class + 1) * ALIGNMENT;
    }
    let (doubling, step) = ((class - SMALL_CLASSES) / 4, (class - SMALL_CLASSES) % 4);
    (SMALL / 4 * (step + 5)) << doubling
}

/// The size of the block for a layout with a larger alignment than [`ALIGNMENT`]: it has room to shift the address, and
/// for the block's own address before it.
fn padded_size(layout: Layout) -> Option<usize> {
    layout.size().checked_add(layout.align())
}

// SAFETY: blocks have the size of their class, which fits the layout. They are aligned to `ALIGNMENT`; for a larger
// alignment the block is padded and the address shifted. A block is in a list or in use, never both. There is one
// thread.
unsafe impl<P: Pages> GlobalAlloc for Heap<P> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.align() <= ALIGNMENT {
            return self.allocate(layout.size());
        }
        let Some(size) = padded_size(layout) else {
            return null_mut();
        };
        let block = self.allocate(size);
        if block.is_null() {
            return block;
        }
        // At least `ALIGNMENT` bytes into the block, so that its own address fits before the returned one.
        let moved = block.wrapping_add(layout.align() - (block as usize & (layout.align() - 1)));
        // SAFETY: `moved` is between `ALIGNMENT` and `align` bytes after `block`, so this is inside of it.
        unsafe { moved.cast::<*mut u8>().sub(1).write(block) };
        moved
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if layout.align() <= ALIGNMENT {
            // SAFETY: `alloc` allocated it for this size, and the caller no longer uses it.
            return unsafe { self.free(pointer, layout.size()) };
        }
        // SAFETY: for such a layout, `alloc` wrote the block's address there.
        let block = unsafe { pointer.cast::<*mut u8>().sub(1).read() };
        if let Some(size) = padded_size(layout) {
            // SAFETY: `alloc` allocated it for this size, and the caller no longer uses it.
            unsafe { self.free(block, size) };
        }
    }

    #[inline(never)]
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let (from, to) = (class_of(layout.size()), class_of(size));
        if let (Some(from), Some(to)) = (from, to)
            && layout.align() <= ALIGNMENT
        {
            if from == to {
                return pointer;
            }
            // The block that was carved last can grow in place.
            let (now, wanted) = (size_of_class(from), size_of_class(to));
            if pointer.wrapping_add(now) == self.start.get() && (now..=now + self.left.get()).contains(&wanted) {
                self.carve(wanted - now);
                return pointer;
            }
        }
        // SAFETY: the caller's layout, with the size that the caller guarantees to be valid.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        // SAFETY: both blocks are at least as large as the copied bytes, and differ; the old one is no longer used.
        unsafe {
            let new = self.alloc(wanted);
            if !new.is_null() {
                new.copy_from_nonoverlapping(pointer, layout.size().min(size));
                self.dealloc(pointer, layout);
            }
            new
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::alloc::System;
    use std::cell::RefCell;

    /// Pages from one large allocation. They are contiguous, except for the gaps in `jumps`.
    struct Arena {
        base: *mut u8,
        size: usize,
        used: Cell<usize>,
        jumps: RefCell<Vec<usize>>,
    }

    impl Arena {
        fn new(size: usize) -> Arena {
            let layout = Layout::from_size_align(size, 64).expect("a layout");
            // SAFETY: its size is not zero. It is never freed, as the test is short.
            let base = unsafe { System.alloc(layout) };
            Arena {
                base,
                size,
                used: Cell::new(0),
                jumps: RefCell::default(),
            }
        }
    }

    impl Pages for Arena {
        const SIZE: usize = 4096;
        fn grow(&self, bytes: usize) -> Option<NonNull<u8>> {
            let at = self.used.get() + self.jumps.borrow_mut().pop().unwrap_or(0);
            let end = at.checked_add(bytes)?;
            (end <= self.size).then(|| self.used.set(end))?;
            NonNull::new(self.base.wrapping_add(at))
        }
    }

    #[test]
    fn a_class_fits_its_sizes_and_wastes_at_most_a_fifth() {
        for class in 0..CLASSES {
            let size = size_of_class(class);
            assert_eq!(class_of(size), Some(class));
            assert_eq!(class_of(size + 1), (class + 1 < CLASSES).then_some(class + 1), "{size}");
            assert_eq!(size % ALIGNMENT, 0);
        }
        assert_eq!(size_of_class(CLASSES - 1), 1 << 31);
        for size in (SMALL..100_000).step_by(7) {
            let held = size_of_class(class_of(size).expect("a class"));
            assert!(held >= size && held * 4 <= size * 5 + 4 * ALIGNMENT, "{size} in {held}");
        }
    }

    /// A thousand live blocks, allocated, resized and freed at random, with a pattern in each.
    #[test]
    fn blocks_keep_their_bytes_and_never_overlap() {
        let heap = Heap::new(Arena::new(64 << 20));
        heap.pages.jumps.borrow_mut().extend([64, 0, 4096, 16, 0, 320, 64]);
        let next = |below: usize| {
            let random = crate::host::random().expect("the host in memory has random numbers");
            (random >> 33) as usize % below
        };
        let mut live: Vec<(*mut u8, Layout, u8)> = Vec::new();
        // SAFETY: as `GlobalAlloc` requires, each block is used with its layout.
        unsafe {
            for round in 0..60_000u32 {
                let mark = round as u8;
                let max = if next(50) == 0 { 40_000 } else { 300 };
                let size = 1 + next(max);
                match next(3) {
                    0 if live.len() < 1000 => {
                        let layout = Layout::from_size_align(size, 1 << next(7)).expect("a layout");
                        let block = heap.alloc(layout);
                        assert!(!block.is_null());
                        assert_eq!(block as usize % layout.align(), 0);
                        block.write_bytes(mark, size);
                        live.push((block, layout, mark));
                    }
                    1 if !live.is_empty() => {
                        let at = next(live.len());
                        let (block, layout, mark) = live[at];
                        let copied = size.min(layout.size());
                        let block = heap.realloc(block, layout, size);
                        assert!(
                            std::slice::from_raw_parts(block, copied)
                                .iter()
                                .all(|byte| *byte == mark)
                        );
                        block.write_bytes(mark, size);
                        live[at] = (
                            block,
                            Layout::from_size_align(size, layout.align()).expect("a layout"),
                            mark,
                        );
                    }
                    _ if !live.is_empty() => {
                        let (block, layout, mark) = live.swap_remove(next(live.len()));
                        let bytes = std::slice::from_raw_parts(block, layout.size());
                        assert!(bytes.iter().all(|byte| *byte == mark));
                        heap.dealloc(block, layout);
                    }
                    _ => {}
                }
            }
        }
    }

    #[test]
    fn freed_blocks_are_reused() {
        let heap = Heap::new(Arena::new(1 << 20));
        // SAFETY: each block is given back with its own layout.
        unsafe {
            for round in 0..100_000usize {
                let layout = Layout::from_size_align(1 + round % 20_000, 8).expect("a layout");
                let block = heap.alloc(layout);
                assert!(!block.is_null(), "in round {round}");
                heap.dealloc(block, layout);
            }
        }
        assert!(heap.pages.used.get() < 400_000, "{}", heap.pages.used.get());
    }

    #[test]
    fn the_last_block_grows_in_place_and_exhausted_memory_is_reported() {
        let heap = Heap::new(Arena::new(65536));
        // SAFETY: each block is used with its own layout.
        unsafe {
            let layout = Layout::from_size_align(100, 1).expect("a layout");
            let block = heap.alloc(layout);
            assert_eq!(heap.realloc(block, layout, 1000), block);
            let more = Layout::from_size_align(1000, 1).expect("a layout");
            let other = heap.alloc(layout);
            assert_ne!(heap.realloc(block, more, 2000), block);
            assert_eq!(heap.realloc(other, layout, 1 << 20), null_mut());
            assert_eq!(
                heap.alloc(Layout::from_size_align(1 << 40, 1).expect("a layout")),
                null_mut()
            );
        }
    }
}
