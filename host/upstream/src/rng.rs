//! [`Rng`]: random numbers that spread load.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};

/// Random numbers that spread load (xorshift64*). They are not secret: nobody gains by guessing them.
pub(crate) struct Rng(Cell<u64>);

impl Rng {
    /// Numbers that differ from those of every other generator.
    pub(crate) fn new() -> Self {
        Self::from_seed(RandomState::new().hash_one(0u8))
    }

    /// Numbers that follow from `seed`.
    pub(crate) fn from_seed(seed: u64) -> Self {
        Self(Cell::new(seed | 1))
    }

    pub(crate) fn next(&self) -> usize {
        let mut state = self.0.get();
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        self.0.set(state);
        (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as usize
    }
}
