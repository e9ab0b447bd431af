//! The host: `ffi` in a wasm module, `memory` in native builds. Both have the same functions, one for each host call.

pub(crate) mod context;
#[cfg(target_arch = "wasm32")]
#[allow(
    unsafe_code,
    reason = "the one place where the host's imports and the module's exports are declared"
)]
mod ffi;
#[cfg(all(test, not(target_arch = "wasm32")))]
#[path = "host/ffi/heap.rs"]
#[allow(unsafe_code, reason = "the modules' allocator, for its tests")]
mod heap;
pub(crate) mod id_table;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) mod memory;
pub(crate) mod pending;

#[cfg(target_arch = "wasm32")]
pub(crate) use ffi::*;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use memory::*;
