//! The hash of the tables that are keyed by a number of the host's.

use std::hash::{BuildHasher, Hasher};

/// Spreads ids, which hosts count upwards, over a hash table.
#[derive(Clone, Copy, Default)]
pub(crate) struct Ids;

pub(crate) struct IdHasher(u64);

impl BuildHasher for Ids {
    type Hasher = IdHasher;
    fn build_hasher(&self) -> IdHasher {
        IdHasher(0)
    }
}

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }
    fn write_u32(&mut self, id: u32) {
        // Fibonacci hashing: the table looks at the top bits as well as at the bottom ones.
        self.0 = (self.0 ^ u64::from(id))
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(32);
    }
}
