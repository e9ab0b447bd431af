//! [`PeakLatency`]: the peak of recent latencies, as Linkerd's peak EWMA has it.

use std::sync::atomic::{AtomicU64, Ordering};

/// The time in which a peak decays to 37 % of it, in microseconds.
const DECAY: f32 = 10_000_000.0;
/// The latency of an endpoint that has not answered yet, in microseconds.
const UNKNOWN: u32 = 30_000;
/// A failure counts as at least this latency, in microseconds: an endpoint that refuses at once must not look fast.
const FAILURE: u64 = 1_000_000;

/// The peak of recent latencies, which all workers share. A latency above it is the new peak at once; one below it pulls it down by and by.
///
/// One atomic: the peak in microseconds, up to 71 minutes, and the time at which it was noted, in milliseconds of the group's clock.
#[derive(Debug)]
pub(crate) struct PeakLatency(AtomicU64);

impl Default for PeakLatency {
    fn default() -> Self {
        Self(AtomicU64::new(pack(UNKNOWN, 0)))
    }
}

impl PeakLatency {
    /// Notes how long an attempt took, in microseconds. `now` is the time of the group's clock, in microseconds.
    pub(crate) fn note(&self, elapsed: u64, is_failure: bool, now: u64) {
        let latency = if is_failure { elapsed.max(FAILURE) } else { elapsed };
        let latency = latency.min(u32::MAX.into()) as f32;
        let update = |packed| {
            let (peak, kept) = kept(packed, now);
            let next = if latency > peak {
                latency
            } else {
                peak * kept + latency * (1.0 - kept)
            };
            Some(pack(next as u32, (now / 1000) as u32))
        };
        // It always updates.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, update);
    }

    /// The peak as far as it has not decayed by now.
    pub(crate) fn decayed(&self, now: u64) -> f32 {
        let (peak, kept) = kept(self.0.load(Ordering::Relaxed), now);
        (peak * kept).max(1.0)
    }
}

/// The peak, and the share of it that is left.
fn kept(packed: u64, now: u64) -> (f32, f32) {
    let (peak, noted) = ((packed >> 32) as f32, u64::from(packed as u32) * 1000);
    (peak, (-(now.saturating_sub(noted) as f32) / DECAY).exp())
}

fn pack(peak: u32, noted: u32) -> u64 {
    u64::from(peak) << 32 | u64::from(noted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_counts_at_once_and_decays() {
        let latency = PeakLatency::default();
        latency.note(500_000, false, 1_000_000);
        assert_eq!(latency.decayed(1_000_000) as u32, 500_000);
        let later = latency.decayed(11_000_000) / 500_000.0;
        assert!((0.36..0.38).contains(&later), "{later}");
        // Fast responses pull it down, and no faster than that.
        latency.note(1000, false, 11_000_000);
        let pulled = latency.decayed(11_000_000) / 500_000.0;
        assert!((0.36..0.38).contains(&pulled), "{pulled}");
    }

    #[test]
    fn a_failure_that_comes_at_once_is_not_fast() {
        let latency = PeakLatency::default();
        latency.note(10, true, 0);
        assert_eq!(latency.decayed(0) as u64, FAILURE);
    }
}
