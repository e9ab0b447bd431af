//! The CPU time that starts of a VM take from its worker, and from all other routes with it.
//!
//! `backoff` counts failures. This counts what they cost: a start of a second, once a second, would take a whole worker. A start
//! that takes no longer than a callback may is not counted; what begins from an image costs nothing. [`StartCost`] is pure: time is passed in.

use std::rc::Rc;
use std::time::{Duration, Instant};

use super::Vm;
use super::instance::Instance;
use crate::os;
use crate::report::{Failure, FailureKind};

/// The share of a worker's time that starts of one VM may take, in percent.
const SHARE_PERCENT: u32 = 2;
/// The maximum delay of a start.
const MAX_DELAY: Duration = Duration::from_secs(60);

/// The cost of the starts so far.
#[derive(Debug, Default)]
pub(super) struct StartCost {
    /// When the share of time that has passed covers the cost.
    covered_at: Option<Instant>,
    last: Duration,
}

impl StartCost {
    /// Charges the CPU time of a start, unless it is at most `free`.
    pub(super) fn charge(&mut self, cost: Duration, free: Duration, now: Instant) {
        if cost <= free {
            return;
        }
        let begin = self.covered_at.map_or(now, |at| at.max(now));
        let end = begin + cost.saturating_mul(100 / SHARE_PERCENT).min(MAX_DELAY);
        self.covered_at = Some(end.min(now + MAX_DELAY));
        self.last = cost;
    }

    /// The time until the next start. `None` if it may come now.
    pub(super) fn wait(&self, now: Instant) -> Option<Duration> {
        let wait = self.covered_at?.checked_duration_since(now)?;
        (!wait.is_zero()).then_some(wait)
    }

    /// The cost that was charged last.
    pub(super) fn last(&self) -> Duration {
        self.last
    }
}

impl Vm {
    /// Starts an instance and charges what its guest's start has cost. An image costs next to nothing.
    pub(super) fn start_instance(&self) -> Result<Rc<Instance>, Failure> {
        if self.plugin.prepared().image().is_some() {
            return Instance::start(&self.plugin, &self.host, &self.counters);
        }
        let before = os::thread_cpu_time();
        let started = Instance::start(&self.plugin, &self.host, &self.counters);
        let cost = os::thread_cpu_time().saturating_sub(before);
        let free = self.plugin.settings().limits.deadline.duration();
        self.start_cost.borrow_mut().charge(cost, free, self.host.now());
        started
    }

    /// Checks that the starts of the VM have left the worker enough time.
    pub(super) fn check_start_cost(&self) -> Result<(), Failure> {
        let (wait, cost) = {
            let start_cost = self.start_cost.borrow();
            match start_cost.wait(self.host.now()) {
                None => return Ok(()),
                Some(wait) => (wait, start_cost.last()),
            }
        };
        let message = format!(
            "no new VM for another {} ms: its start took {} ms of CPU time, and starts may take {} % of a worker's time",
            wait.as_millis(),
            cost.as_millis(),
            SHARE_PERCENT
        );
        Err(self.refused(FailureKind::Unavailable, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FREE: Duration = Duration::from_millis(20);

    #[test]
    fn starts_take_their_share_of_the_time_and_no_more() {
        let begin = Instant::now();
        for cost in [
            Duration::from_millis(21),
            Duration::from_millis(450),
            Duration::from_secs(1),
        ] {
            let (mut start_cost, mut now, mut spent) = (StartCost::default(), begin, Duration::ZERO);
            while now < begin + Duration::from_secs(600) {
                if start_cost.wait(now).is_none() {
                    start_cost.charge(cost, FREE, now);
                    spent += cost;
                    now += cost;
                }
                now += Duration::from_millis(1);
            }
            let share = spent.as_secs_f64() / (now - begin).as_secs_f64();
            assert!((0.015..0.022).contains(&share), "{cost:?}: {share}");
        }
    }

    #[test]
    fn a_start_no_longer_than_a_callback_is_not_charged() {
        let now = Instant::now();
        let mut start_cost = StartCost::default();
        (0..1000).for_each(|_| start_cost.charge(FREE, FREE, now));
        assert_eq!(start_cost.wait(now), None);
    }

    #[test]
    fn no_cost_delays_for_longer_than_a_minute() {
        let now = Instant::now();
        let mut start_cost = StartCost::default();
        (0..3).for_each(|_| start_cost.charge(Duration::from_secs(30), FREE, now));
        assert_eq!(start_cost.wait(now), Some(MAX_DELAY));
        assert_eq!(start_cost.wait(now + MAX_DELAY), None);
    }
}
