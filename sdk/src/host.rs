//! The host that this build speaks to: the real one in a wasm module, the one in memory elsewhere.

#[cfg(target_arch = "wasm32")]
pub(crate) use crate::ffi::*;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use crate::memory::*;
