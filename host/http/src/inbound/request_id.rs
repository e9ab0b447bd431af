//! Request ids: 32 hexadecimal digits from a fast generator that the system seeded. Unique, not secret.

use std::cell::{Cell, RefCell};

use bytes::Bytes;
use http::HeaderValue;

/// Digits in an id: 128 bits.
const LENGTH: usize = 32;
/// Ids that share one allocation.
const BATCH: usize = 64;

/// A worker's source of ids.
#[derive(Debug)]
pub struct RequestIds {
    /// xoshiro256++ (Blackman and Vigna, 2019).
    state: Cell<[u64; 4]>,
    /// Ids that are ready for use.
    ready: RefCell<Bytes>,
}

impl RequestIds {
    /// A source seeded by the system; no two are alike.
    pub fn new() -> Self {
        let mut seed = [0; 32];
        if rustls::crypto::ring::default_provider()
            .secure_random
            .fill(&mut seed)
            .is_err()
        {
            // The system had no random bytes, which does not happen on a running Linux. The standard library's keys and the
            // time still make sources differ.
            seed = weak_seed();
        }
        Self::seeded(seed)
    }

    /// A source with this seed. Equal seeds give equal ids.
    pub fn seeded(seed: [u8; 32]) -> Self {
        let mut state = [0; 4];
        for (word, bytes) in state.iter_mut().zip(seed.chunks_exact(8)) {
            *word = u64::from_le_bytes(bytes.try_into().expect("chunks of eight bytes"));
        }
        Self {
            state: Cell::new(state),
            ready: RefCell::new(Bytes::new()),
        }
    }

    /// A new id. Ids share allocations.
    pub fn next(&self) -> HeaderValue {
        let mut ready = self.ready.borrow_mut();
        if ready.is_empty() {
            *ready = self.batch();
        }
        let id = ready.split_to(LENGTH);
        HeaderValue::from_maybe_shared(id).expect("hexadecimal digits make a header value")
    }

    fn batch(&self) -> Bytes {
        let mut out = vec![0; LENGTH * BATCH];
        for digits in out.chunks_exact_mut(16) {
            let word = self.word();
            digits[..8].copy_from_slice(&hexadecimal(word as u32));
            digits[8..].copy_from_slice(&hexadecimal((word >> 32) as u32));
        }
        Bytes::from(out)
    }

    fn word(&self) -> u64 {
        let [mut a, mut b, mut c, mut d] = self.state.get();
        let word = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let shifted = b << 17;
        c ^= a;
        d ^= b;
        b ^= c;
        a ^= d;
        c ^= shifted;
        d = d.rotate_left(45);
        self.state.set([a, b, c, d]);
        word
    }
}

/// Eight digits, the lowest first. All are made at once, each in its byte of a word.
fn hexadecimal(half: u32) -> [u8; 8] {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let mut spread = u64::from(half);
    spread = (spread | spread << 16) & 0x0000_ffff_0000_ffff;
    spread = (spread | spread << 8) & 0x00ff_00ff_00ff_00ff;
    spread = (spread | spread << 4) & (0x0f * EACH);
    // Above 9, adding 6 carries into the upper half of the byte.
    let is_letter = ((spread + 6 * EACH) >> 4) & EACH;
    let letters = is_letter * u64::from(b'a' - b'9' - 1);
    (spread + u64::from(b'0') * EACH + letters).to_le_bytes()
}

impl Default for RequestIds {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether a received id may be used in logs, responses and headers unchanged.
pub(super) fn is_acceptable(id: &[u8]) -> bool {
    let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~:+/=@".contains(byte);
    (1..=128).contains(&id.len()) && id.iter().all(is_allowed)
}

fn weak_seed() -> [u8; 32] {
    use std::hash::{BuildHasher, RandomState};
    let mut seed = [0; 32];
    for bytes in seed.chunks_exact_mut(8) {
        let word = RandomState::new().hash_one((std::time::SystemTime::now(), std::process::id()));
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    seed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_hexadecimal_the_lowest_first() {
        let by_one = |half: u32| -> Vec<u8> {
            (0..8)
                .map(|at| b"0123456789abcdef"[(half >> (4 * at)) as usize & 15])
                .collect()
        };
        for half in [0, 0x0123_4567, 0x89ab_cdef, 0x9a9a_0f0f, u32::MAX] {
            assert_eq!(hexadecimal(half).to_vec(), by_one(half), "{half:x}");
        }
    }
}
