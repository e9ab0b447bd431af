//! [`Image`]: a guest that has started, as data. Further VMs begin from it instead of starting anew.
//!
//! It holds the guest's memory and mutable globals, and what the start asked of the host, to be repeated for each VM. What makes
//! it is in `vm`; here are its parts.

mod memory;

use wasmtime::{Global, Val};

use crate::host::Effects;
use crate::state::StartedState;

pub(crate) use self::memory::MemoryImage;

/// A guest that has started.
pub(crate) struct Image {
    pub(crate) memory: MemoryImage,
    /// In the order of the module's reserved exports.
    pub(crate) globals: Vec<Number>,
    pub(crate) state: StartedState,
    pub(crate) effects: Effects,
}

/// The value of a global.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Number {
    I32(i32),
    I64(i64),
    /// By its bits, as is the next.
    F32(u32),
    F64(u64),
    V128(u128),
}

impl Number {
    /// The number in a global. `None` for a reference, which no image holds.
    pub(crate) fn of(value: &Val) -> Option<Self> {
        Some(match value {
            Val::I32(number) => Self::I32(*number),
            Val::I64(number) => Self::I64(*number),
            Val::F32(bits) => Self::F32(*bits),
            Val::F64(bits) => Self::F64(*bits),
            Val::V128(number) => Self::V128(number.as_u128()),
            _ => return None,
        })
    }

    /// Sets a global.
    ///
    /// # Errors
    /// It has another type, or cannot be changed.
    pub(crate) fn write(self, global: &Global, store: impl wasmtime::AsContextMut) -> wasmtime::Result<()> {
        let value = match self {
            Self::I32(number) => Val::I32(number),
            Self::I64(number) => Val::I64(number),
            Self::F32(bits) => Val::F32(bits),
            Self::F64(bits) => Val::F64(bits),
            Self::V128(number) => Val::V128(number.into()),
        };
        global.set(store, value)
    }
}
