//! When a VM that died may be replaced: at once if it had lived well, else after a pause that doubles.
//!
//! Pure: time and chance are passed in.

use std::time::{Duration, Instant};

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);
/// A VM that got this old had lived well.
const GOOD_AGE: Duration = Duration::from_secs(10);
/// After so many failures in a row a VM is let back to one request only, to see whether it is sound again.
const QUARANTINE: u32 = 3;
/// So had one that saw this many streams to their end.
const GOOD_STREAMS: u64 = 256;

/// The memory of recent deaths of one VM.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    /// Deaths in a row of VMs that had not lived well, less the first, which is forgiven.
    failures: u32,
    forgiven: bool,
    not_before: Option<Instant>,
}

/// How long a VM had lived when it died.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Life {
    pub(crate) age: Duration,
    /// Streams that it saw to their end.
    pub(crate) streams: u64,
}

impl Backoff {
    /// A running VM died. Its first death, and any after a good life, is followed by an immediate replacement.
    pub(crate) fn died(&mut self, life: Life, now: Instant, chance: f64) {
        if life.age >= GOOD_AGE || life.streams >= GOOD_STREAMS {
            *self = Self {
                forgiven: true,
                ..Self::default()
            };
        } else if self.forgiven {
            self.failed(now, chance);
        } else {
            self.forgiven = true;
        }
    }

    /// A VM could not even be started.
    pub(crate) fn failed(&mut self, now: Instant, chance: f64) {
        let pause = FIRST.saturating_mul(1 << self.failures.min(6)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        self.forgiven = true;
        // Jitter takes away up to a quarter, so that workers do not try again in step.
        self.not_before = Some(now + pause.mul_f64(1.0 - 0.25 * chance.clamp(0.0, 1.0)));
    }

    /// Whether the next replacement has to prove itself with one request before it gets all.
    pub(crate) fn is_quarantined(&self) -> bool {
        self.failures >= QUARANTINE
    }

    /// How long a replacement has to wait yet; `None` if it need not.
    pub(crate) fn wait(&self, now: Instant) -> Option<Duration> {
        self.not_before
            .and_then(|at| at.checked_duration_since(now))
            .filter(|wait| !wait.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Life = Life {
        age: Duration::from_millis(5),
        streams: 3,
    };
    const LONG: Life = Life {
        age: GOOD_AGE,
        streams: 3,
    };
    const BUSY: Life = Life {
        age: Duration::from_millis(5),
        streams: GOOD_STREAMS,
    };

    #[test]
    fn the_first_death_is_replaced_at_once_and_the_next_ones_after_doubling_pauses() {
        let now = Instant::now();
        let mut backoff = Backoff::default();
        backoff.died(SHORT, now, 0.0);
        assert_eq!(backoff.wait(now), None);
        let mut pauses = Vec::new();
        for _ in 0..8 {
            backoff.died(SHORT, now, 0.0);
            pauses.push(backoff.wait(now).unwrap().as_secs());
            assert_eq!(backoff.is_quarantined(), pauses.len() >= 3);
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
    }

    #[test]
    fn a_good_life_is_rewarded_with_an_immediate_replacement() {
        for life in [LONG, BUSY] {
            let now = Instant::now();
            let mut backoff = Backoff::default();
            (0..5).for_each(|_| backoff.died(SHORT, now, 0.0));
            backoff.died(life, now, 0.0);
            assert_eq!(backoff.wait(now), None);
            backoff.died(SHORT, now, 0.0);
            assert_eq!(backoff.wait(now), Some(FIRST), "the pauses start over");
        }
    }

    #[test]
    fn jitter_shortens_a_pause_by_a_quarter_at_most_and_waiting_ends() {
        let now = Instant::now();
        let mut backoff = Backoff::default();
        backoff.failed(now, 1.0);
        assert_eq!(backoff.wait(now), Some(Duration::from_millis(750)));
        assert_eq!(backoff.wait(now + Duration::from_millis(750)), None);
    }
}
