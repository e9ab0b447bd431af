//! When a VM that died may be replaced: at once while deaths are few, else after a pause that doubles.
//!
//! A VM that starts is sound but for the request that ended it, so nobody else is to wait for its successor. Only one that keeps
//! dying is paused, so that starting it does not take the machine, nor what its start asks of others. Pure: time and chance are passed
//! in.

use std::time::{Duration, Instant};

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);
/// A VM that got this old had lived well.
const GOOD_AGE: Duration = Duration::from_secs(10);
/// So had one that saw this many streams to their end.
const GOOD_STREAMS: u64 = 256;
/// Deaths that may come at once without a pause,
const ALLOWED: u32 = 10;
/// and after how long there may be another one.
const AGAIN: Duration = Duration::from_secs(1);
/// After so many pauses in a row a VM is let back to one request only, to see whether it is sound again.
const QUARANTINE: u32 = 3;

/// The memory of recent deaths of one VM.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    /// Pauses in a row, without a good life in between.
    failures: u32,
    /// When all deaths so far are forgotten: one every [`AGAIN`].
    forgotten: Option<Instant>,
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
    /// A running VM died.
    pub(crate) fn died(&mut self, life: Life, now: Instant, chance: f64) {
        if life.age >= GOOD_AGE || life.streams >= GOOD_STREAMS {
            *self = Self::default();
        }
        let forgotten = self.forgotten.map_or(now, |at| at.max(now)) + AGAIN;
        if forgotten > now + AGAIN * ALLOWED || self.is_quarantined() {
            self.failed(now, chance);
        } else {
            self.forgotten = Some(forgotten);
        }
    }

    /// A VM could not even be started, or died once more than is allowed.
    pub(crate) fn failed(&mut self, now: Instant, chance: f64) {
        let pause = FIRST.saturating_mul(1 << self.failures.min(6)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        // Jitter takes away up to a quarter, so that workers do not try again in step.
        let end = now + pause.mul_f64(1.0 - 0.25 * chance.clamp(0.0, 1.0));
        self.not_before = Some(end);
        // A pause makes no deaths forgotten; only time that a VM lives does.
        self.forgotten = Some(end + AGAIN * ALLOWED);
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

    fn after(deaths: u32, now: Instant) -> Backoff {
        let mut backoff = Backoff::default();
        (0..deaths).for_each(|_| backoff.died(SHORT, now, 0.0));
        backoff
    }

    #[test]
    fn a_few_deaths_are_replaced_at_once_and_more_after_doubling_pauses() {
        let now = Instant::now();
        let mut backoff = after(ALLOWED, now);
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
    fn deaths_that_come_slowly_never_lead_to_a_pause() {
        let mut now = Instant::now();
        let mut backoff = after(ALLOWED, now);
        for _ in 0..100 {
            now += AGAIN;
            backoff.died(SHORT, now, 0.0);
            assert_eq!(backoff.wait(now), None);
        }
        backoff.died(SHORT, now, 0.0);
        assert_eq!(backoff.wait(now), Some(FIRST), "one more at once is too many");
    }

    #[test]
    fn a_pause_makes_no_deaths_forgotten() {
        let now = Instant::now();
        let mut backoff = after(ALLOWED + 1, now);
        let end = now + FIRST;
        backoff.died(SHORT, end, 0.0);
        assert_eq!(backoff.wait(end), Some(FIRST * 2));
    }

    #[test]
    fn a_death_in_quarantine_is_never_forgiven() {
        let now = Instant::now();
        let mut backoff = after(ALLOWED + QUARANTINE, now);
        let later = now + Duration::from_secs(3600);
        assert_eq!(backoff.wait(later), None);
        backoff.died(SHORT, later, 0.0);
        assert_eq!(backoff.wait(later), Some(FIRST * 8));
    }

    #[test]
    fn a_good_life_is_rewarded_with_an_immediate_replacement() {
        for life in [LONG, BUSY] {
            let now = Instant::now();
            let mut backoff = after(ALLOWED + 5, now);
            backoff.died(life, now, 0.0);
            assert_eq!(backoff.wait(now), None);
            (0..ALLOWED).for_each(|_| backoff.died(SHORT, now, 0.0));
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
