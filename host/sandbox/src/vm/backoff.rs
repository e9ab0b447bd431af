//! When a failed instance may be replaced: at once while failures are few, then after a delay that doubles.
//!
//! A new instance is sound, except for the request that ended the last one. So other requests should not wait for it. The delay
//! is for instances that keep failing: their starts would use up the machine, and whatever a start asks of others. Pure: time and
//! jitter are passed in.

use std::time::{Duration, Instant};

const MIN_DELAY: Duration = Duration::from_secs(1);
const MAX_DELAY: Duration = Duration::from_secs(60);
/// An instance of this age was stable.
const STABLE_AGE: Duration = Duration::from_secs(10);
/// An instance that has finished this many streams was stable.
const STABLE_STREAMS: u64 = 256;
/// Failures that are replaced at once, as a burst.
const BURST: u32 = 10;
/// The interval after which another failure is replaced at once.
const REFILL: Duration = Duration::from_secs(1);
/// Delays in a row after which the next instance is on probation: it gets one request.
const QUARANTINE_AFTER: u32 = 3;

/// The recent failures of one VM.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    /// Delays in a row, without a stable instance in between.
    failures: u32,
    /// When the burst is full again: each failure takes one [`REFILL`].
    refilled_at: Option<Instant>,
    not_before: Option<Instant>,
}

/// What an instance did before it failed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub(crate) age: Duration,
    /// Streams that it finished.
    pub(crate) streams: u64,
}

impl Backoff {
    /// Records the failure of a running instance.
    pub(crate) fn failed(&mut self, run: Run, now: Instant, jitter: f64) {
        if run.age >= STABLE_AGE || run.streams >= STABLE_STREAMS {
            *self = Self::default();
        }
        let refilled_at = self.refilled_at.map_or(now, |at| at.max(now)) + REFILL;
        if refilled_at > now + REFILL * BURST || self.is_quarantined() {
            self.delay(now, jitter);
        } else {
            self.refilled_at = Some(refilled_at);
        }
    }

    /// Delays the next start: an instance could not be started, or the burst is used up.
    pub(crate) fn delay(&mut self, now: Instant, jitter: f64) {
        let delay = MIN_DELAY.saturating_mul(1 << self.failures.min(6)).min(MAX_DELAY);
        self.failures = self.failures.saturating_add(1);
        // Jitter shortens a delay by up to a quarter, so that workers do not start at the same time.
        let end = now + delay.mul_f64(1.0 - 0.25 * jitter.clamp(0.0, 1.0));
        self.not_before = Some(end);
        // The burst refills only while an instance runs, not during a delay.
        self.refilled_at = Some(end + REFILL * BURST);
    }

    /// Whether the next instance is on probation.
    pub(crate) fn is_quarantined(&self) -> bool {
        self.failures >= QUARANTINE_AFTER
    }

    /// The remaining delay. `None` if the next start is not delayed.
    pub(crate) fn wait(&self, now: Instant) -> Option<Duration> {
        self.not_before
            .and_then(|at| at.checked_duration_since(now))
            .filter(|wait| !wait.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Run = Run {
        age: Duration::from_millis(5),
        streams: 3,
    };
    const LONG: Run = Run {
        age: STABLE_AGE,
        streams: 3,
    };
    const BUSY: Run = Run {
        age: Duration::from_millis(5),
        streams: STABLE_STREAMS,
    };

    fn after(failures: u32, now: Instant) -> Backoff {
        let mut backoff = Backoff::default();
        (0..failures).for_each(|_| backoff.failed(SHORT, now, 0.0));
        backoff
    }

    #[test]
    fn a_burst_of_failures_is_replaced_at_once_and_more_after_doubling_delays() {
        let now = Instant::now();
        let mut backoff = after(BURST, now);
        assert_eq!(backoff.wait(now), None);
        let mut delays = Vec::new();
        for _ in 0..8 {
            backoff.failed(SHORT, now, 0.0);
            delays.push(backoff.wait(now).unwrap().as_secs());
            assert_eq!(backoff.is_quarantined(), delays.len() >= 3);
        }
        assert_eq!(delays, [1, 2, 4, 8, 16, 32, 60, 60]);
    }

    #[test]
    fn failures_that_come_slowly_never_lead_to_a_delay() {
        let mut now = Instant::now();
        let mut backoff = after(BURST, now);
        for _ in 0..100 {
            now += REFILL;
            backoff.failed(SHORT, now, 0.0);
            assert_eq!(backoff.wait(now), None);
        }
        backoff.failed(SHORT, now, 0.0);
        assert_eq!(backoff.wait(now), Some(MIN_DELAY), "one more at once is too many");
    }

    #[test]
    fn a_delay_refills_no_burst() {
        let now = Instant::now();
        let mut backoff = after(BURST + 1, now);
        let end = now + MIN_DELAY;
        backoff.failed(SHORT, end, 0.0);
        assert_eq!(backoff.wait(end), Some(MIN_DELAY * 2));
    }

    #[test]
    fn a_failure_in_quarantine_always_delays() {
        let now = Instant::now();
        let mut backoff = after(BURST + QUARANTINE_AFTER, now);
        let later = now + Duration::from_secs(3600);
        assert_eq!(backoff.wait(later), None);
        backoff.failed(SHORT, later, 0.0);
        assert_eq!(backoff.wait(later), Some(MIN_DELAY * 8));
    }

    #[test]
    fn a_stable_instance_is_replaced_at_once() {
        for run in [LONG, BUSY] {
            let now = Instant::now();
            let mut backoff = after(BURST + 5, now);
            backoff.failed(run, now, 0.0);
            assert_eq!(backoff.wait(now), None);
            (0..BURST).for_each(|_| backoff.failed(SHORT, now, 0.0));
            assert_eq!(backoff.wait(now), Some(MIN_DELAY), "the delays start over");
        }
    }

    #[test]
    fn jitter_shortens_a_delay_by_a_quarter_at_most_and_the_delay_ends() {
        let now = Instant::now();
        let mut backoff = Backoff::default();
        backoff.delay(now, 1.0);
        assert_eq!(backoff.wait(now), Some(Duration::from_millis(750)));
        assert_eq!(backoff.wait(now + Duration::from_millis(750)), None);
    }
}
