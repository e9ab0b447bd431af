//! What a running VM is held to: linear memory, CPU time, log lines. Pure bookkeeping; the clocks are passed in.

use std::time::{Duration, Instant};

use wasmtime::ResourceLimiter;

/// Tables are refused beyond this many elements (8 bytes each).
const MAX_TABLE_ELEMENTS: usize = 1_000_000;

/// The cap on linear memory.
pub(crate) struct MemoryCap {
    bytes: usize,
    /// Whether the guest was refused memory in the current callback.
    pub(crate) refused: bool,
}

impl MemoryCap {
    pub(crate) fn new(bytes: usize) -> Self {
        Self { bytes, refused: false }
    }
}

impl ResourceLimiter for MemoryCap {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let allowed = desired <= self.bytes;
        self.refused |= !allowed;
        Ok(allowed)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let allowed = desired <= MAX_TABLE_ELEMENTS;
        self.refused |= !allowed;
        Ok(allowed)
    }
}

/// The CPU budget of one callback, looked at only when an epoch ends: a callback shorter than that reads no clock.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: Duration,
    /// The thread's CPU time at the first epoch's end.
    since: Option<Duration>,
    /// Whether the budget was what ended the callback.
    pub(crate) exceeded: bool,
}

impl Budget {
    pub(crate) fn new(limit: Duration) -> Self {
        Self {
            limit,
            since: None,
            exceeded: false,
        }
    }

    /// A callback begins.
    pub(crate) fn restart(&mut self) {
        self.since = None;
    }

    /// From now on callbacks have this much.
    pub(crate) fn set_limit(&mut self, limit: Duration) {
        *self = Self::new(limit);
    }

    pub(crate) fn limit(&self) -> Duration {
        self.limit
    }

    /// An epoch has ended; says whether the callback may go on.
    pub(crate) fn allows(&mut self, cpu_time: Duration) -> bool {
        let since = *self.since.get_or_insert(cpu_time);
        self.exceeded = cpu_time.saturating_sub(since) >= self.limit;
        !self.exceeded
    }
}

/// Lets so many lines through per second, and counts the others.
#[derive(Debug)]
pub(crate) struct LineGate {
    per_second: u32,
    second: Option<Instant>,
    passed: u32,
    dropped: u64,
}

/// What becomes of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Write it; so many were dropped since the last one that was written.
    Pass { dropped: u64 },
    /// Do not.
    Drop,
}

impl LineGate {
    pub(crate) fn new(per_second: u32) -> Self {
        Self {
            per_second,
            second: None,
            passed: 0,
            dropped: 0,
        }
    }

    pub(crate) fn line(&mut self, now: Instant) -> Verdict {
        let same = self
            .second
            .is_some_and(|begun| now.saturating_duration_since(begun) < Duration::from_secs(1));
        if !same {
            self.second = Some(now);
            self.passed = 0;
        }
        if self.passed >= self.per_second {
            self.dropped += 1;
            return Verdict::Drop;
        }
        self.passed += 1;
        Verdict::Pass {
            dropped: std::mem::take(&mut self.dropped),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_counts_from_the_first_epochs_end_and_starts_over_with_each_callback() {
        let ms = Duration::from_millis;
        let mut budget = Budget::new(ms(20));
        assert!(budget.allows(ms(500)) && budget.allows(ms(519)));
        assert!(!budget.allows(ms(520)) && budget.exceeded);
        budget.restart();
        assert!(budget.allows(ms(521)) && budget.allows(ms(540)));
    }

    #[test]
    fn lines_beyond_the_rate_are_dropped_and_their_number_is_told_later() {
        let now = Instant::now();
        let mut gate = LineGate::new(2);
        assert_eq!([gate.line(now), gate.line(now)], [Verdict::Pass { dropped: 0 }; 2]);
        assert_eq!([gate.line(now), gate.line(now), gate.line(now)], [Verdict::Drop; 3]);
        assert_eq!(gate.line(now + Duration::from_secs(1)), Verdict::Pass { dropped: 3 });
        assert_eq!(gate.line(now + Duration::from_secs(1)), Verdict::Pass { dropped: 0 });
    }

    #[test]
    fn growth_past_the_cap_is_refused_and_remembered() {
        let mut cap = MemoryCap::new(128 * 1024);
        assert!(cap.memory_growing(65_536, 131_072, None).unwrap() && !cap.refused);
        assert!(!cap.memory_growing(131_072, 196_608, None).unwrap() && cap.refused);
        assert!(!cap.table_growing(0, MAX_TABLE_ELEMENTS + 1, None).unwrap());
    }
}
