//! Limits of a running VM: linear memory, CPU time, log lines. Pure bookkeeping: the time is passed in.

use std::time::{Duration, Instant};

use wasmtime::ResourceLimiter;

use crate::engine::epoch;

/// Maximum elements of a table, 8 bytes each.
const MAX_TABLE_ELEMENTS: usize = 1_000_000;

/// The limits on linear memory.
pub(crate) struct MemoryLimit {
    bytes: usize,
    /// The soft limit. Exceeding it is allowed and noticed. `usize::MAX` until the guest has started.
    soft: usize,
    wanted_soft: usize,
    /// Whether memory was refused in the running callback.
    pub(crate) refused: bool,
    /// Whether the guest has exceeded the soft limit.
    pub(crate) outgrown: bool,
    /// Whether the instance has to follow up when the guest has returned: outgrown memory, an exceeded limit, refusals to count.
    /// It is here because nothing else of the state is accessible when memory grows.
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

    /// The guest has started with `bytes` of memory. If that is beyond the soft limit already, recycling would never end, so the
    /// soft limit moves half of the way to the hard limit.
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

/// The CPU budget of one callback. It is checked only at the end of an epoch: a shorter callback reads no clock.
#[derive(Debug)]
pub(crate) struct CpuBudget {
    limit: Duration,
    /// The CPU time that the running callback has, as of the last check.
    allowed: Duration,
    /// The thread's CPU time at the end of the callback's first epoch.
    since: Option<Duration>,
    /// The thread's CPU time at the end of its last epoch.
    last: Duration,
    /// Whether the budget ended the callback.
    pub(crate) exceeded: bool,
    /// The budget is that of all callbacks together, as in a start: what the former ones have used.
    carried: Option<Duration>,
}

impl CpuBudget {
    pub(crate) fn new(limit: Duration) -> Self {
        Self {
            limit,
            allowed: limit,
            since: None,
            last: Duration::ZERO,
            exceeded: false,
            carried: None,
        }
    }

    /// A budget for all callbacks together, until another limit is set.
    pub(crate) fn together(limit: Duration) -> Self {
        Self {
            carried: Some(Duration::ZERO),
            ..Self::new(limit)
        }
    }

    /// Starts a callback.
    pub(crate) fn restart(&mut self) {
        if let (Some(carried), Some(since)) = (&mut self.carried, self.since) {
            *carried += self.last.saturating_sub(since);
        }
        self.since = None;
    }

    /// Sets the budget of the callbacks from now on.
    pub(crate) fn set_limit(&mut self, limit: Duration) {
        *self = Self::new(limit);
    }

    /// The CPU time that the callback had which was checked last.
    pub(crate) fn limit(&self) -> Duration {
        self.allowed
    }

    /// The CPU time to charge for the epoch that has ended. The first one is charged whole. A callback sees the end of an epoch
    /// with a probability of its duration over the epoch's. So many short callbacks are charged what they take on average, and
    /// none of them reads a clock.
    pub(crate) fn charge(&self, cpu_time: Duration) -> Duration {
        match self.since {
            None => epoch::length(),
            Some(_) => cpu_time.saturating_sub(self.last),
        }
    }

    /// Checks the budget at the end of an epoch, for a callback that has it so many times. Returns whether the callback may continue.
    pub(crate) fn allows(&mut self, cpu_time: Duration, shares: u32) -> bool {
        let since = *self.since.get_or_insert(cpu_time);
        self.last = cpu_time;
        let before = self.carried.unwrap_or_default();
        self.allowed = self.limit.saturating_mul(shares);
        self.exceeded = before + cpu_time.saturating_sub(since) >= self.allowed;
        !self.exceeded
    }
}

/// Limits log lines per second, and counts the dropped ones.
#[derive(Debug)]
pub(crate) struct LogLimiter {
    per_second: u32,
    bytes_per_second: u64,
    second: Option<Instant>,
    passed: u32,
    bytes: u64,
    dropped: u64,
}

/// What happens to a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is written. `dropped` lines were dropped since the last one that was written.
    Pass { dropped: u64 },
    /// It is dropped.
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
    fn a_callback_that_is_shown_more_of_a_body_has_its_budget_more_often() {
        let ms = Duration::from_millis;
        let mut budget = CpuBudget::new(ms(20));
        assert!(budget.allows(ms(500), 16) && budget.allows(ms(819), 16));
        assert!(!budget.allows(ms(820), 16) && budget.exceeded);
        assert_eq!(budget.limit(), ms(320));
    }

    #[test]
    fn the_budget_counts_from_the_end_of_the_first_epoch_and_restarts_with_each_callback() {
        let ms = Duration::from_millis;
        let mut budget = CpuBudget::new(ms(20));
        assert!(budget.allows(ms(500), 1) && budget.allows(ms(519), 1));
        assert!(!budget.allows(ms(520), 1) && budget.exceeded);
        budget.restart();
        assert!(budget.allows(ms(521), 1) && budget.allows(ms(540), 1));
    }

    #[test]
    fn a_start_has_one_budget_for_all_its_callbacks() {
        let ms = Duration::from_millis;
        let mut budget = CpuBudget::together(ms(20));
        assert!(budget.allows(ms(500), 1) && budget.allows(ms(515), 1));
        budget.restart();
        // Time between callbacks is not the guest's.
        assert!(budget.allows(ms(600), 1) && budget.allows(ms(604), 1));
        assert!(!budget.allows(ms(605), 1) && budget.exceeded);
        budget.set_limit(ms(20));
        budget.restart();
        assert!(budget.allows(ms(700), 1) && budget.allows(ms(719), 1));
        budget.restart();
        assert!(
            budget.allows(ms(730), 1) && budget.allows(ms(749), 1),
            "each callback has its own again"
        );
    }

    #[test]
    fn a_callback_is_charged_with_an_epoch_and_then_with_what_it_takes() {
        let ms = Duration::from_millis;
        let mut budget = CpuBudget::new(ms(20));
        assert_eq!(budget.charge(ms(100)), epoch::length());
        budget.allows(ms(100), 1);
        assert_eq!(budget.charge(ms(101)), ms(1), "the thread was not scheduled meanwhile");
        budget.allows(ms(101), 1);
        assert_eq!(budget.charge(ms(105)), ms(4));
    }

    #[test]
    fn memory_beyond_the_soft_limit_is_allowed_and_noticed_after_the_start() {
        let mut limit = MemoryLimit::new(1 << 20, 1 << 19);
        assert!(limit.memory_growing(0, 1 << 19, None).unwrap() && !limit.outgrown);
        limit.started(1 << 19);
        assert!(limit.memory_growing(1 << 19, (1 << 19) + 1, None).unwrap() && limit.outgrown && limit.follow_up);
        let mut limit = MemoryLimit::new(1 << 20, 1 << 19);
        limit.started(3 << 18);
        assert!(
            limit.memory_growing(0, 7 << 17, None).unwrap() && !limit.outgrown,
            "half of the way to the hard limit"
        );
    }

    #[test]
    fn lines_beyond_the_rate_are_dropped_and_their_number_is_reported_later() {
        let now = Instant::now();
        let mut limiter = LogLimiter::new(2, 100);
        assert_eq!(
            [limiter.line(now, 10), limiter.line(now, 10)],
            [Verdict::Pass { dropped: 0 }; 2]
        );
        assert_eq!(
            [limiter.line(now, 10), limiter.line(now, 10), limiter.line(now, 10)],
            [Verdict::Drop; 3]
        );
        assert_eq!(
            limiter.line(now + Duration::from_secs(1), 10),
            Verdict::Pass { dropped: 3 }
        );
        assert_eq!(
            limiter.line(now + Duration::from_secs(1), 10),
            Verdict::Pass { dropped: 0 }
        );
        let later = now + Duration::from_secs(3);
        assert_eq!(limiter.line(later, 101), Verdict::Drop, "one line can be too much");
        assert_eq!(limiter.line(later, 100), Verdict::Pass { dropped: 1 });
    }

    #[test]
    fn growth_beyond_the_limit_is_refused_and_noticed() {
        let mut limit = MemoryLimit::new(128 * 1024, 128 * 1024);
        assert!(limit.memory_growing(65_536, 131_072, None).unwrap() && !limit.refused);
        assert!(!limit.memory_growing(131_072, 196_608, None).unwrap() && limit.refused);
        assert!(!limit.table_growing(0, MAX_TABLE_ELEMENTS + 1, None).unwrap());
    }
}
