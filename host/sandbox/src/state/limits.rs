//! What a running VM is held to: linear memory, CPU time, log lines. Pure bookkeeping; the clocks are passed in.

use std::time::{Duration, Instant};

use wasmtime::ResourceLimiter;

use crate::engine::epoch;

/// Tables are refused beyond this many elements (8 bytes each).
const MAX_TABLE_ELEMENTS: usize = 1_000_000;

/// The caps on linear memory.
pub(crate) struct MemoryLimit {
    bytes: usize,
    /// Passed with attention, but not refused; not watched before the guest has started.
    soft: usize,
    wanted_soft: usize,
    /// Whether the guest was refused memory in the current callback.
    pub(crate) refused: bool,
    /// Whether the guest has grown past the soft cap.
    pub(crate) outgrown: bool,
    /// Whether the instance has something to look after when the guest has returned: memory that was outgrown, a stream that
    /// has spent its budget, refusals to be counted. It stands here because growing memory sees nothing else of the state.
    pub(crate) follow_up: bool,
}

impl MemoryLimit {
    pub(crate) fn new(bytes: usize, soft: usize) -> Self {
        Self {
            bytes,
            soft: usize::MAX,
            wanted_soft: soft,
            refused: false,
            outgrown: false,
            follow_up: false,
        }
    }

    /// The guest has started with so much: if that is past the soft cap already, recycling would never end, so the cap moves
    /// half of the way to the hard one.
    pub(crate) fn started(&mut self, bytes: usize) {
        self.soft = if bytes > self.wanted_soft {
            bytes + self.bytes.saturating_sub(bytes) / 2
        } else {
            self.wanted_soft
        };
    }
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let allowed = desired <= self.bytes;
        self.refused |= !allowed;
        if allowed && desired > self.soft {
            (self.outgrown, self.follow_up) = (true, true);
        }
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
pub(crate) struct CpuBudget {
    limit: Duration,
    /// The thread's CPU time at the first epoch's end.
    since: Option<Duration>,
    /// The same at the last one's.
    last: Duration,
    /// Whether the budget was what ended the callback.
    pub(crate) exceeded: bool,
}

impl CpuBudget {
    pub(crate) fn new(limit: Duration) -> Self {
        Self {
            limit,
            since: None,
            last: Duration::ZERO,
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

    /// An epoch has ended: CPU time that the callback is charged with for it. At its first epoch's end that is one whole epoch.
    /// A callback sees an epoch's end with a chance of its time over an epoch's, so what many short callbacks are charged with is
    /// what they take, though none of them reads a clock.
    pub(crate) fn charge(&self, cpu_time: Duration) -> Duration {
        match self.since {
            None => epoch::length(),
            Some(_) => cpu_time.saturating_sub(self.last),
        }
    }

    /// An epoch has ended; says whether the callback may go on.
    pub(crate) fn allows(&mut self, cpu_time: Duration) -> bool {
        let since = *self.since.get_or_insert(cpu_time);
        self.last = cpu_time;
        self.exceeded = cpu_time.saturating_sub(since) >= self.limit;
        !self.exceeded
    }
}

/// Lets so many lines through per second, and counts the others.
#[derive(Debug)]
pub(crate) struct LogLimiter {
    per_second: u32,
    bytes_per_second: u64,
    second: Option<Instant>,
    passed: u32,
    bytes: u64,
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

impl LogLimiter {
    pub(crate) fn new(per_second: u32, bytes_per_second: u64) -> Self {
        Self {
            per_second,
            bytes_per_second,
            second: None,
            passed: 0,
            bytes: 0,
            dropped: 0,
        }
    }

    pub(crate) fn line(&mut self, now: Instant, bytes: usize) -> Verdict {
        let same = self
            .second
            .is_some_and(|begun| now.saturating_duration_since(begun) < Duration::from_secs(1));
        if !same {
            self.second = Some(now);
            (self.passed, self.bytes) = (0, 0);
        }
        let bytes = self.bytes.saturating_add(bytes as u64);
        if self.passed >= self.per_second || bytes > self.bytes_per_second {
            self.dropped += 1;
            return Verdict::Drop;
        }
        (self.passed, self.bytes) = (self.passed + 1, bytes);
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
        let mut budget = CpuBudget::new(ms(20));
        assert!(budget.allows(ms(500)) && budget.allows(ms(519)));
        assert!(!budget.allows(ms(520)) && budget.exceeded);
        budget.restart();
        assert!(budget.allows(ms(521)) && budget.allows(ms(540)));
    }

    #[test]
    fn a_callback_is_charged_with_an_epoch_and_then_with_what_it_takes() {
        let ms = Duration::from_millis;
        let mut budget = CpuBudget::new(ms(20));
        assert_eq!(budget.charge(ms(100)), epoch::length());
        budget.allows(ms(100));
        assert_eq!(budget.charge(ms(101)), ms(1), "the thread was not scheduled meanwhile");
        budget.allows(ms(101));
        assert_eq!(budget.charge(ms(105)), ms(4));
    }

    #[test]
    fn memory_past_the_soft_cap_is_allowed_and_told_once_started() {
        let mut cap = MemoryLimit::new(1 << 20, 1 << 19);
        assert!(cap.memory_growing(0, 1 << 19, None).unwrap() && !cap.outgrown);
        cap.started(1 << 19);
        assert!(cap.memory_growing(1 << 19, (1 << 19) + 1, None).unwrap() && cap.outgrown && cap.follow_up);
        let mut cap = MemoryLimit::new(1 << 20, 1 << 19);
        cap.started(3 << 18);
        assert!(
            cap.memory_growing(0, 7 << 17, None).unwrap() && !cap.outgrown,
            "half of the way to the hard cap"
        );
    }

    #[test]
    fn lines_beyond_the_rate_are_dropped_and_their_number_is_told_later() {
        let now = Instant::now();
        let mut gate = LogLimiter::new(2, 100);
        assert_eq!(
            [gate.line(now, 10), gate.line(now, 10)],
            [Verdict::Pass { dropped: 0 }; 2]
        );
        assert_eq!(
            [gate.line(now, 10), gate.line(now, 10), gate.line(now, 10)],
            [Verdict::Drop; 3]
        );
        assert_eq!(
            gate.line(now + Duration::from_secs(1), 10),
            Verdict::Pass { dropped: 3 }
        );
        assert_eq!(
            gate.line(now + Duration::from_secs(1), 10),
            Verdict::Pass { dropped: 0 }
        );
        let later = now + Duration::from_secs(3);
        assert_eq!(gate.line(later, 101), Verdict::Drop, "one line can be too much");
        assert_eq!(gate.line(later, 100), Verdict::Pass { dropped: 1 });
    }

    #[test]
    fn growth_past_the_cap_is_refused_and_remembered() {
        let mut cap = MemoryLimit::new(128 * 1024, 128 * 1024);
        assert!(cap.memory_growing(65_536, 131_072, None).unwrap() && !cap.refused);
        assert!(!cap.memory_growing(131_072, 196_608, None).unwrap() && cap.refused);
        assert!(!cap.table_growing(0, MAX_TABLE_ELEMENTS + 1, None).unwrap());
    }
}
