//! [`Window`]: counts of the recent past, forgotten piece by piece.

use std::ops::AddAssign;
use std::time::{Duration, Instant};

/// A window is kept in this many parts. The oldest goes when a new one begins, so a sum covers nine to ten tenths of the window.
const PARTS: u32 = 10;

/// Counts in a sliding window of time. Its length is given with each call, so that it may change while the counts stay.
#[derive(Clone, Debug)]
pub(crate) struct Window<C> {
    epoch: Instant,
    parts: [Part<C>; PARTS as usize],
}

#[derive(Clone, Copy, Debug)]
struct Part<C> {
    /// Its beginning, since the epoch.
    start: Duration,
    counts: C,
}

impl<C: Copy + Default + AddAssign> Window<C> {
    /// A window without counts.
    pub(crate) fn new(now: Instant) -> Self {
        let part = Part {
            start: Duration::ZERO,
            counts: C::default(),
        };
        Self {
            epoch: now,
            parts: [part; PARTS as usize],
        }
    }

    /// The counts of the present, to be added to.
    pub(crate) fn now(&mut self, length: Duration, now: Instant) -> &mut C {
        let length = part_length(length);
        let number = now.saturating_duration_since(self.epoch).as_nanos() / length.as_nanos();
        let start = length.saturating_mul(u32::try_from(number).unwrap_or(u32::MAX));
        let part = &mut self.parts[(number % u128::from(PARTS)) as usize];
        if part.start != start {
            *part = Part {
                start,
                counts: C::default(),
            };
        }
        &mut part.counts
    }

    /// The sum of the counts in the window of this length that ends now.
    pub(crate) fn sum(&self, length: Duration, now: Instant) -> C {
        let now = now.saturating_duration_since(self.epoch);
        // The part that began a whole window ago is about to be overwritten.
        let begin = now.checked_sub(length);
        let mut sum = C::default();
        for part in &self.parts {
            if begin.is_none_or(|begin| part.start > begin) && part.start <= now {
                sum += part.counts;
            }
        }
        sum
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        for part in &mut self.parts {
            part.counts = C::default();
        }
    }
}

/// The length of a part; never zero.
fn part_length(window: Duration) -> Duration {
    (window / PARTS).max(Duration::from_millis(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(10);

    #[test]
    fn what_is_older_than_the_window_is_forgotten() {
        let start = Instant::now();
        let mut window = Window::<u64>::new(start);
        for second in 0..100 {
            let now = start + Duration::from_secs(second);
            *window.now(WINDOW, now) += 1;
            assert_eq!(window.sum(WINDOW, now), (second + 1).min(10));
        }
        let later = start + Duration::from_secs(104);
        assert_eq!(window.sum(WINDOW, later), 5);
        assert_eq!(window.sum(WINDOW, start + Duration::from_secs(500)), 0);
    }

    #[test]
    fn a_window_that_becomes_shorter_forgets_sooner() {
        let start = Instant::now();
        let mut window = Window::<u64>::new(start);
        for second in 0..10 {
            *window.now(WINDOW, start + Duration::from_secs(second)) += 1;
        }
        let now = start + Duration::from_secs(9);
        assert_eq!(window.sum(WINDOW, now), 10);
        assert_eq!(window.sum(Duration::from_secs(3), now), 3);
    }

    /// Compared with a list of all that was counted: never less than nine tenths of the window, never more than all of it.
    #[test]
    fn a_sum_covers_nine_to_ten_tenths_of_the_window() {
        let start = Instant::now();
        let mut window = Window::<u64>::new(start);
        let mut counted = Vec::new();
        let mut random = 1u64;
        let mut at = Duration::ZERO;
        for _ in 0..20_000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            at += Duration::from_micros((random >> 33) % 40_000);
            *window.now(WINDOW, start + at) += 1;
            counted.push(at);
            let within = |length: Duration| {
                let begin = at.checked_sub(length);
                counted
                    .iter()
                    .rev()
                    .take_while(|&&then| begin.is_none_or(|begin| then > begin))
                    .count() as u64
            };
            let sum = window.sum(WINDOW, start + at);
            assert!(
                (within(WINDOW * 9 / 10)..=within(WINDOW)).contains(&sum),
                "{sum} at {at:?}"
            );
        }
    }
}
