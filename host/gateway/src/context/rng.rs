//! Random bytes for guests: the system's, or for an embedded worker those of a seed.

use std::cell::Cell;

/// Where random bytes come from.
pub(crate) enum Rng {
    /// The system. Nobody can guess them.
    System,
    /// A sequence that its seed decides (SplitMix64, Steele and others, 2014).
    Seeded(Cell<u64>),
}

impl Rng {
    /// Fills the buffer; false if there is nothing to fill it with.
    pub(crate) fn fill(&self, buffer: &mut [u8]) -> bool {
        match self {
            Self::System => lockgate_sandbox::random(buffer),
            Self::Seeded(state) => {
                for bytes in buffer.chunks_mut(8) {
                    bytes.copy_from_slice(&next(state).to_le_bytes()[..bytes.len()]);
                }
                true
            }
        }
    }
}

fn next(state: &Cell<u64>) -> u64 {
    state.set(state.get().wrapping_add(0x9e37_79b9_7f4a_7c15));
    let mut word = state.get();
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_tells_the_same_bytes_each_time_and_another_seed_others() {
        let bytes = |seed| {
            let mut buffer = [0; 19];
            assert!(Rng::Seeded(Cell::new(seed)).fill(&mut buffer));
            buffer
        };
        assert_eq!(bytes(7), bytes(7));
        assert_ne!(bytes(7), bytes(8));
    }
}
