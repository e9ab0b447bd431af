//! [`Shards`]: a table in parts, each with its own lock, so that workers seldom contend.

use std::hash::RandomState;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::name::Name;

/// Number of parts: a power of two, and several times the number of workers of a large machine.
const SHARDS: usize = 64;

/// Parts of a whole, each behind its own lock.
#[derive(Debug)]
pub(crate) struct Shards<T> {
    parts: Box<[Mutex<T>]>,
    state: RandomState,
}

impl<T: Default> Shards<T> {
    pub(crate) fn new() -> Self {
        Self {
            parts: (0..SHARDS).map(|_| Mutex::default()).collect(),
            state: RandomState::new(),
        }
    }

    /// The hash of a name, and its part.
    pub(crate) fn locate(&self, name: &Name<'_>) -> (u64, usize) {
        let hash = name.hash(&self.state);
        // The tables use the low and the highest bits themselves.
        (hash, (hash >> 32) as usize % SHARDS)
    }

    /// Locks one part. A caller that locks several must do so in ascending order.
    pub(crate) fn lock(&self, part: usize) -> MutexGuard<'_, T> {
        // A panic under the lock can only have left one entry half-changed, and no entry has rules that this would break.
        self.parts[part % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn count(&self) -> usize {
        SHARDS
    }

    /// The share of each part in a limit of the whole; at least one.
    pub(crate) fn share(whole: usize) -> usize {
        whole.div_ceil(SHARDS).max(1)
    }
}
