//! The pause after failures: 1 s, doubled with every further failure in a row, up to 10 s.

use std::time::Duration;

const MIN_DELAY: Duration = Duration::from_secs(1);
const MAX_DELAY: Duration = Duration::from_secs(10);

/// Failures in a row.
#[derive(Debug, Default)]
pub(crate) struct Backoff(u32);

impl Backoff {
    pub(crate) fn clear(&mut self) {
        self.0 = 0;
    }

    /// The pause after one more failure.
    pub(crate) fn next(&mut self) -> Duration {
        let delay = (MIN_DELAY * 2_u32.saturating_pow(self.0)).min(MAX_DELAY);
        self.0 = self.0.saturating_add(1);
        delay
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_ten_seconds_and_begin_anew() {
        let mut backoff = Backoff::default();
        let seconds: Vec<u64> = (0..6).map(|_| backoff.next().as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 10, 10]);
        backoff.0 = u32::MAX;
        assert_eq!(backoff.next(), MAX_DELAY);
        backoff.clear();
        assert_eq!(backoff.next(), MIN_DELAY);
    }
}
