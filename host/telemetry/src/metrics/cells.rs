//! The cells: counters and histograms with one writer and any number of readers. A reader may see a histogram's sum a moment
//! before or after its count; Prometheus lives with that.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A counter that only one thread writes: no atomic addition is needed.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self, amount: u64) {
        self.0
            .store(self.0.load(Ordering::Relaxed).wrapping_add(amount), Ordering::Relaxed);
    }

    pub(super) fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Number of a histogram's bounds. They rise; values above the last one are in one more bucket.
pub(super) const BOUNDS: usize = 15;
const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000_000;

const fn times<const N: usize>(unit: u64, mut bounds: [u64; N]) -> [u64; N] {
    let mut at = 0;
    while at < N {
        bounds[at] *= unit;
        at += 1;
    }
    bounds
}

/// Bucket bounds of requests, in nanoseconds: half a millisecond to half a minute.
pub const REQUEST_BOUNDS: [u64; BOUNDS] = times(
    MILLISECOND / 10,
    [
        5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 300_000,
    ],
);
/// Bucket bounds of guest callbacks, in nanoseconds: a microsecond to 50 milliseconds.
pub const CALLBACK_BOUNDS: [u64; BOUNDS] = times(
    MICROSECOND / 10,
    [
        10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    ],
);

/// Durations by bucket.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    buckets: [Count; BOUNDS + 1],
    nanoseconds: Count,
}

impl Histogram {
    pub(super) fn record(&self, bounds: &[u64; BOUNDS], took: Duration) {
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.buckets[bucket(bounds, nanoseconds)].add(1);
        self.nanoseconds.add(nanoseconds);
    }

    pub(super) fn add_to(&self, sum: &mut Distribution) {
        for (total, count) in sum.buckets.iter_mut().zip(&self.buckets) {
            *total += count.value();
        }
        sum.sum = sum.sum.wrapping_add(self.nanoseconds.value());
    }
}

/// Short durations are the frequent ones, so the search starts there.
pub(super) fn bucket(bounds: &[u64; BOUNDS], value: u64) -> usize {
    bounds.iter().position(|bound| value <= *bound).unwrap_or(BOUNDS)
}

/// Histograms added up.
#[derive(Debug, Default, Clone)]
pub(super) struct Distribution {
    pub(super) buckets: [u64; BOUNDS + 1],
    pub(super) sum: u64,
}

/// Maximum different statuses of a series; further ones are counted together.
const STATUSES: usize = 16;
const COUNT_BITS: u32 = 48;

/// Counts by status. A slot holds the status in its upper 16 bits and the count below; a status takes the first free one when
/// it first occurs, so the usual one is found at once.
#[derive(Debug, Default)]
pub(super) struct Statuses {
    slots: [AtomicU64; STATUSES],
    others: Count,
}

impl Statuses {
    pub(super) fn record(&self, status: u16) {
        for slot in &self.slots {
            let held = slot.load(Ordering::Relaxed);
            if held == 0 {
                slot.store((u64::from(status) << COUNT_BITS) | 1, Ordering::Relaxed);
                return;
            }
            if held >> COUNT_BITS == u64::from(status) {
                slot.store(held + 1, Ordering::Relaxed);
                return;
            }
        }
        self.others.add(1);
    }

    /// Calls `each` with every status and its count; `None` stands for those without a slot.
    pub(super) fn each(&self, mut each: impl FnMut(Option<u16>, u64)) {
        for slot in &self.slots {
            let held = slot.load(Ordering::Relaxed);
            if held != 0 {
                each(Some((held >> COUNT_BITS) as u16), held & ((1 << COUNT_BITS) - 1));
            }
        }
        if self.others.value() != 0 {
            each(None, self.others.value());
        }
    }
}
