//! A buffer for small results: Lockgate writes them here, and need not call back into the module for memory. Other
//! hosts do not know the buffer, and allocate.

use std::cell::UnsafeCell;

/// The size of the buffer in bytes. The host has the same constant.
const SIZE: usize = 256;

struct Scratch(UnsafeCell<[u8; SIZE]>);

// SAFETY: a module of this target has one thread.
unsafe impl Sync for Scratch {}

static SCRATCH: Scratch = Scratch(UnsafeCell::new([0; SIZE]));

/// The address of the buffer.
#[unsafe(no_mangle)]
extern "C" fn lockgate_scratch() -> *mut u8 {
    SCRATCH.0.get().cast()
}

/// A copy of the result that a host call has just written here. `None` for a result elsewhere.
pub(super) fn copied(data: *mut u8, size: usize) -> Option<Vec<u8>> {
    if data != lockgate_scratch() || size > SIZE {
        return None;
    }
    // SAFETY: these bytes are part of `SCRATCH`, which only the host writes to, and only during a call.
    Some(unsafe { std::slice::from_raw_parts(data, size) }.to_vec())
}
