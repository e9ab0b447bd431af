//! Which requests are among the few percent that are mirrored, delayed or aborted, and which branch of a split a request takes.
//!
//! The choice follows a sequence that fills the unit interval evenly (multiples of an irrational number, modulo one), and not dice: of a
//! thousand requests with `"percent": 10`, a hundred are chosen, give or take one or two. Unlike a fixed turn, the sequence stays even for
//! every second or third request, too, so that a client which alternates between two requests does not always get the same choice.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::settings::Percent;

/// A sequence of points in the unit interval, as fractions of 2^64. Workers share it; clones do, too.
#[derive(Debug, Clone)]
pub struct Sampler {
    next: Arc<AtomicU64>,
    step: u64,
}

/// The golden ratio's fraction, of 2^64: of all numbers the one whose multiples are spread most evenly.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

impl Sampler {
    /// The sequence of splits.
    pub(crate) const SPLIT: usize = 0;
    /// The sequence of delays.
    pub(crate) const DELAY: usize = 1;
    /// The sequence of aborts.
    pub(crate) const ABORT: usize = 2;
    /// The sequence of the first mirror of a route; others follow.
    pub(crate) const MIRROR: usize = 3;

    /// A sequence with a random start. Sequences of different dimensions are independent of each other: a tenth of the requests that are
    /// delayed is also among a tenth that is mirrored.
    pub(crate) fn new(dimension: usize) -> Self {
        let random = RandomState::new().build_hasher().finish();
        Self::starting_at(dimension, random)
    }

    pub(crate) fn starting_at(dimension: usize, start: u64) -> Self {
        /// Their square roots are independent of each other and of the golden ratio, which is that of 5.
        const PRIMES: [u128; 9] = [2, 3, 7, 11, 13, 17, 19, 23, 29];
        let step = match dimension.checked_sub(1) {
            None => GOLDEN,
            // The fraction of the square root, with 61 bits: more do not fit beside the whole part.
            Some(at) => (((PRIMES[at % PRIMES.len()] << 122).isqrt() as u64) << 3) | 1,
        };
        Self {
            next: Arc::new(AtomicU64::new(start)),
            step,
        }
    }

    /// The next point.
    pub(crate) fn point(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed).wrapping_mul(self.step)
    }
}

/// A share of the requests.
#[derive(Debug, Clone)]
pub struct Sample {
    percent: Percent,
    sampler: Sampler,
}

impl Sample {
    pub(crate) fn new(percent: Percent, dimension: usize) -> Self {
        Self {
            percent,
            sampler: Sampler::new(dimension),
        }
    }

    /// Whether the next request is in the share.
    pub fn takes_next(&self) -> bool {
        match self.percent.threshold() {
            None => true,
            Some(threshold) => self.sampler.point() < threshold,
        }
    }

    /// The share.
    pub fn percent(&self) -> Percent {
        self.percent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(percent: f64, dimension: usize, start: u64) -> Sample {
        Sample {
            percent: Percent::new(percent).unwrap(),
            sampler: Sampler::starting_at(dimension, start),
        }
    }

    #[test]
    fn a_share_is_met_over_few_and_many_requests_and_over_every_nth() {
        for dimension in 0..8 {
            for (percent, start) in [
                (0.1, 7),
                (1.0, 1 << 40),
                (5.0, 0),
                (10.0, u64::MAX - 50),
                (50.0, 3),
                (99.5, 9),
            ] {
                for stride in [1, 2, 3] {
                    let sample = sample(percent, dimension, start);
                    for count in [1_000, 20_000] {
                        let taken = (0..count * stride)
                            .filter(|at| sample.takes_next() && at % stride == 0)
                            .count();
                        let theory = percent / 100.0 * count as f64;
                        let off = (taken as f64 - theory).abs();
                        assert!(
                            off <= 10.0 + theory * 0.01,
                            "{dimension} {percent}% {stride} {count}: {taken}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn all_and_none_are_exact() {
        let (all, none) = (sample(100.0, 1, 5), sample(0.0, 1, 5));
        assert!((0..10_000).all(|_| all.takes_next() && !none.takes_next()));
    }

    #[test]
    fn shares_of_different_kinds_are_independent() {
        let (delay, abort) = (sample(10.0, Sampler::DELAY, 11), sample(10.0, Sampler::ABORT, 99));
        let both = (0..100_000).filter(|_| delay.takes_next() & abort.takes_next()).count();
        assert!((950..1050).contains(&both), "{both}");
    }
}
