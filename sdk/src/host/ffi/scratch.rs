//! Room that this module lends to the host for small results: Lockgate writes them here, and need not call back into the
//! module for memory. Other hosts know nothing of it, and do without.

use std::cell::UnsafeCell;

/// So many bytes, as the host knows.
const SIZE: usize = 256;

struct Scratch(UnsafeCell<[u8; SIZE]>);

// SAFETY: a module of this target has one thread.
unsafe impl Sync for Scratch {}

static SCRATCH: Scratch = Scratch(UnsafeCell::new([0; SIZE]));

/// Says where it is.
#[unsafe(no_mangle)]
extern "C" fn lockgate_scratch() -> *mut u8 {
    SCRATCH.0.get().cast()
}

/// A copy of a result that a host call has just left here; `None` for one that lies elsewhere.
pub(super) fn copied(data: *mut u8, size: usize) -> Option<Vec<u8>> {
    if data != lockgate_scratch() || size > SIZE {
        return None;
    }
    // SAFETY: these bytes are part of `SCRATCH`, which only the host writes to, and only during a call.
    Some(unsafe { std::slice::from_raw_parts(data, size) }.to_vec())
}
