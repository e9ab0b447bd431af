//! [`Latencies`]: how long an upstream's responses take, as far as hedging needs to know.
//!
//! Counted in steps of a quarter, so that a percentile is right within a quarter, whatever the number of requests.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Steps per doubling.
const STEPS: u32 = 4;
/// Doublings of a microsecond: up to about twenty minutes.
const DOUBLINGS: u32 = 30;
const BUCKETS: usize = (STEPS * DOUBLINGS) as usize;
/// Counts are halved after so long: what was long ago fades.
const HALF_LIFE: Duration = Duration::from_secs(10);
/// Fewer latencies than this say nothing.
const MIN_COUNT: u32 = 100;

/// The latencies of an upstream, over all workers.
#[derive(Debug)]
pub(crate) struct Latencies(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    buckets: [u32; BUCKETS],
    count: u32,
    halved: Instant,
}

impl Latencies {
    /// None yet.
    pub(crate) fn new(now: Instant) -> Self {
        Self(Mutex::new(Inner {
            buckets: [0; BUCKETS],
            count: 0,
            halved: now,
        }))
    }

    /// Counts the latency of a response.
    pub(crate) fn record(&self, latency: Duration, now: Instant) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(inner.halved) >= HALF_LIFE {
            inner.halved = now;
            for bucket in &mut inner.buckets {
                *bucket /= 2;
            }
            inner.count = inner.buckets.iter().sum();
        }
        inner.buckets[bucket(latency)] += 1;
        inner.count += 1;
    }

    /// The latency that this many of a hundred stay below; `None` while too little is known.
    pub(crate) fn percentile(&self, percent: u8) -> Option<Duration> {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.count < MIN_COUNT {
            return None;
        }
        let rank = u64::from(inner.count) * u64::from(percent.min(100));
        let mut below = 0u64;
        let place = inner.buckets.iter().position(|bucket| {
            below += u64::from(*bucket);
            below * 100 >= rank
        });
        place.map(upper_bound)
    }
}

fn bucket(latency: Duration) -> usize {
    let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX).max(1);
    let doubling = micros.ilog2();
    // The part above the power of two, in steps.
    let step = ((micros - (1 << doubling)) * u64::from(STEPS)) >> doubling;
    ((doubling * STEPS) as usize + step as usize).min(BUCKETS - 1)
}

/// The end of a bucket.
fn upper_bound(bucket: usize) -> Duration {
    let (doubling, step) = (bucket as u32 / STEPS, bucket as u32 % STEPS);
    let begin = 1u64 << doubling;
    Duration::from_micros(begin + (begin * u64::from(step + 1)).div_ceil(u64::from(STEPS)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_right_within_a_step() {
        let now = Instant::now();
        let latencies = Latencies::new(now);
        assert_eq!(latencies.percentile(95), None);
        for micros in 1..=10_000u64 {
            latencies.record(Duration::from_micros(micros), now);
        }
        for (percent, exact) in [(50, 5_000), (95, 9_500), (99, 9_900)] {
            let found = latencies.percentile(percent).expect("enough is known");
            let exact = Duration::from_micros(exact);
            assert!(found >= exact && found <= exact * 5 / 4, "{percent}: {found:?}");
        }
    }

    #[test]
    fn what_was_long_ago_fades() {
        let start = Instant::now();
        let latencies = Latencies::new(start);
        for _ in 0..1000 {
            latencies.record(Duration::from_secs(1), start);
        }
        for second in 0..100 {
            for _ in 0..100 {
                latencies.record(Duration::from_millis(1), start + Duration::from_secs(second));
            }
        }
        assert!(latencies.percentile(95).expect("known") < Duration::from_millis(2));
    }

    #[test]
    fn every_latency_has_a_bucket() {
        for latency in [Duration::ZERO, Duration::from_nanos(1), Duration::MAX] {
            assert!(bucket(latency) < BUCKETS);
        }
        for micros in [1u64, 2, 3, 7, 100, 12_345, 1 << 29] {
            let latency = Duration::from_micros(micros);
            assert!(upper_bound(bucket(latency)) > latency);
        }
    }
}
