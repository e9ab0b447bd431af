//! [`Jitter`]: spreads probes, so that those of many endpoints do not go out at once, now or later.

use std::cell::Cell;
use std::time::Duration;

/// The time that each new endpoint adds to the time over which first probes are spread: a thousand begin per second.
const PER_ENDPOINT: Duration = Duration::from_millis(1);

/// Random durations (splitmix64). They are not secret.
#[derive(Debug)]
pub(crate) struct Jitter(Cell<u64>);

impl Jitter {
    /// Durations that follow from `seed`.
    pub(crate) fn from_seed(seed: u64) -> Self {
        Self(Cell::new(seed))
    }

    /// The delay of the first probe of one of so many new endpoints: at most an interval.
    pub(crate) fn first(&self, endpoints: usize, interval: Duration) -> Duration {
        let spread = PER_ENDPOINT * u32::try_from(endpoints).unwrap_or(u32::MAX);
        spread.min(interval).mul_f64(self.fraction())
    }

    /// The interval, give or take a tenth.
    pub(crate) fn next(&self, interval: Duration) -> Duration {
        interval.mul_f64(0.9 + 0.2 * self.fraction())
    }

    /// From 0 to below 1.
    fn fraction(&self) -> f64 {
        let state = self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.set(state);
        let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        (mixed >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn intervals_differ_by_up_to_a_tenth_and_are_right_on_average() {
        let jitter = Jitter::from_seed(7);
        let intervals: Vec<_> = (0..10_000).map(|_| jitter.next(SECOND)).collect();
        assert!(
            intervals
                .iter()
                .all(|it| *it >= SECOND.mul_f64(0.9) && *it <= SECOND.mul_f64(1.1))
        );
        let average = intervals.iter().sum::<Duration>().as_secs_f64() / 10_000.0;
        assert!((average - 1.0).abs() < 0.005, "{average}");
    }

    #[test]
    fn first_probes_of_many_are_spread_and_those_of_few_come_at_once() {
        let jitter = Jitter::from_seed(7);
        assert!((0..100).all(|_| jitter.first(3, SECOND) < Duration::from_millis(3)));
        let mut seconds = [0; 10];
        for _ in 0..10_000 {
            seconds[jitter.first(10_000, 60 * SECOND).as_secs() as usize] += 1;
        }
        assert!(seconds.iter().all(|count| (900..1100).contains(count)), "{seconds:?}");
        assert!((0..100).all(|_| jitter.first(10_000, SECOND) < SECOND));
    }
}
