//! [`CpuBudget`]: the CPU time of one callback, the guest's own and that of the host's work for it.
//!
//! The clock is read at the end of an epoch, and when the host has done much work: a short callback reads none.

use std::time::Duration;

use crate::engine::epoch;
use crate::os;

/// Steps of the host's work between two readings of the clock: some ten microseconds of copying.
const STEPS_PER_CHECK: u64 = 64 * 1024;

/// The CPU time of the callback is used up. The host call stops, and the guest with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the host's work for the guest has used up its CPU time")]
pub struct OutOfTime;

/// The CPU budget of one callback.
#[derive(Debug)]
pub struct CpuBudget {
    limit: Duration,
    /// How often the running callback has it, as of the last check.
    shares: u32,
    /// The thread's CPU time when the clock was first read in this callback.
    since: Option<Duration>,
    /// The thread's CPU time when it was last read.
    last: Duration,
    /// Whether the budget ended the callback.
    pub(crate) exceeded: bool,
    /// Work of the host since the clock was last read because of it.
    steps: u64,
    /// CPU time that no request was charged with yet.
    uncharged: Duration,
    /// The host has read the clock in this callback.
    is_metered: bool,
    /// The budget is that of all callbacks together, as in a start: what the former ones have used.
    carried: Option<Duration>,
}

impl CpuBudget {
    /// A budget of `limit` per callback.
    #[must_use]
    pub fn new(limit: Duration) -> Self {
        Self {
            limit,
            shares: 1,
            since: None,
            last: Duration::ZERO,
            exceeded: false,
            steps: 0,
            uncharged: Duration::ZERO,
            is_metered: false,
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

    /// Charges work of the host whose length a guest decides. A step is a byte to copy; where a byte costs more, it is more steps.
    /// To be called before the work, and between its pieces if they are many.
    ///
    /// # Errors
    /// [`OutOfTime`]: the callback has used up its time. The work is to be given up.
    pub fn spend(&mut self, steps: usize) -> Result<(), OutOfTime> {
        self.steps = self.steps.saturating_add(steps as u64);
        if self.steps < STEPS_PER_CHECK {
            return Ok(());
        }
        self.check(os::thread_cpu_time())
    }

    #[cold]
    fn check(&mut self, cpu_time: Duration) -> Result<(), OutOfTime> {
        self.steps = 0;
        if self.since.is_some() {
            self.uncharged += cpu_time.saturating_sub(self.last);
        }
        self.is_metered = true;
        if self.allows(cpu_time, self.shares) {
            Ok(())
        } else {
            Err(OutOfTime)
        }
    }

    /// Whether the host has read the clock in this callback. What it has not charged yet is charged when the callback has returned.
    pub(crate) fn is_metered(&self) -> bool {
        self.is_metered
    }

    /// Starts a callback.
    pub(crate) fn restart(&mut self) {
        if let (Some(carried), Some(since)) = (&mut self.carried, self.since) {
            *carried += self.last.saturating_sub(since);
        }
        self.since = None;
        self.shares = 1;
    }

    /// Sets the budget of the callbacks from now on.
    pub(crate) fn set_limit(&mut self, limit: Duration) {
        *self = Self::new(limit);
    }

    /// The CPU time that the callback had which was checked last.
    pub(crate) fn limit(&self) -> Duration {
        self.limit.saturating_mul(self.shares)
    }

    /// The running callback has its time so many times.
    pub(crate) fn set_shares(&mut self, shares: u32) {
        self.shares = shares;
    }

    /// Whether so many steps more are a reason to read the clock.
    pub(crate) fn is_due(&self, steps: usize) -> bool {
        self.steps.saturating_add(steps as u64) >= STEPS_PER_CHECK
    }

    /// The CPU time to charge a request with. Of a callback in which the clock is read for the first time because an epoch has
    /// ended, that is a whole epoch. A callback sees the end of an epoch with a probability of its duration over the epoch's. So
    /// many short callbacks are charged what they take on average, and none of them reads a clock.
    pub(crate) fn charge(&mut self, cpu_time: Duration) -> Duration {
        self.is_metered = false;
        match self.since {
            None => epoch::length(),
            Some(_) => std::mem::take(&mut self.uncharged) + cpu_time.saturating_sub(self.last),
        }
    }

    /// Checks the budget, for a callback that has it so many times. Returns whether the callback may continue.
    pub(crate) fn allows(&mut self, cpu_time: Duration, shares: u32) -> bool {
        let since = *self.since.get_or_insert(cpu_time);
        self.last = cpu_time;
        self.shares = shares;
        let before = self.carried.unwrap_or_default();
        self.exceeded = before + cpu_time.saturating_sub(since) >= self.limit();
        !self.exceeded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn the_hosts_work_counts_from_its_beginning_and_is_charged_exactly() {
        let ms = Duration::from_millis;
        let mut budget = CpuBudget::new(ms(20));
        assert_eq!((budget.check(ms(100)), budget.check(ms(107))), (Ok(()), Ok(())));
        assert!(budget.is_metered());
        assert_eq!(budget.charge(ms(110)), ms(10), "and no epoch on top");
        assert!(!budget.is_metered() && budget.allows(ms(110), 1));
        assert_eq!(budget.check(ms(120)), Err(OutOfTime));
        assert!(budget.exceeded);
    }

    #[test]
    fn little_work_reads_no_clock_and_much_in_little_pieces_does() {
        let mut budget = CpuBudget::new(Duration::ZERO);
        assert_eq!(budget.spend(STEPS_PER_CHECK as usize - 1), Ok(()));
        assert_eq!(budget.spend(1), Err(OutOfTime));
        assert_eq!(CpuBudget::new(Duration::ZERO).spend(usize::MAX), Err(OutOfTime));
    }

    #[test]
    fn a_callback_that_is_shown_more_of_a_body_has_its_budget_more_often() {
        let ms = Duration::from_millis;
        let mut budget = CpuBudget::new(ms(20));
        assert!(budget.allows(ms(500), 16) && budget.allows(ms(819), 16));
        assert!(!budget.allows(ms(820), 16) && budget.exceeded);
        assert_eq!(budget.limit(), ms(320));
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
}
