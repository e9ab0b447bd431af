//! Whom the CPU time of a callback is charged to: the callback's budget, and the request that the guest works for.

use std::time::Duration;

use super::{ROOT, State, body_shares};
use crate::budget::OutOfTime;
use crate::os;
use crate::report::RequestFault;

impl State {
    /// Charges the callback with work of the host ([`CpuBudget::spend`](crate::budget::CpuBudget::spend)).
    ///
    /// # Errors
    /// [`OutOfTime`], which ends the instance as a deadline does.
    pub(crate) fn spend(&mut self, steps: usize) -> Result<(), OutOfTime> {
        if self.budget.is_due(steps) {
            let shares = body_shares::of(self);
            self.budget.set_shares(shares);
        }
        let spent = self.budget.spend(steps);
        self.memory_limit.follow_up |= self.budget.is_metered();
        spent
    }

    /// What a function of the host has charged the budget with itself.
    ///
    /// # Errors
    /// [`OutOfTime`], as of [`State::spend`].
    pub(crate) fn spent(&mut self) -> Result<(), OutOfTime> {
        self.memory_limit.follow_up |= self.budget.is_metered();
        if self.budget.exceeded { Err(OutOfTime) } else { Ok(()) }
    }

    /// Charges the end of an epoch. Returns whether the guest may continue.
    pub(crate) fn epoch_ended(&mut self, cpu_time: Duration) -> bool {
        let used = self.budget.charge(cpu_time);
        self.charge_request(used);
        let shares = body_shares::of(self);
        self.budget.allows(cpu_time, shares)
    }

    /// Charges the request with the work that the host has done for it in the callback that has returned.
    pub(crate) fn settle(&mut self) {
        if self.budget.is_metered() {
            let used = self.budget.charge(os::thread_cpu_time());
            self.charge_request(used);
        }
    }

    fn charge_request(&mut self, used: Duration) {
        let (limit, id) = (
            self.plugin.settings().limits.request_deadline.duration(),
            self.charged_context(),
        );
        if let Some(context) = self.contexts.get_mut(id) {
            let before = context.spent;
            context.spent += used;
            // TCP connections have no budget per stream: they may last for months.
            let counts = context.exchange.borrow().tcp.is_none();
            if counts && before < limit && context.spent >= limit {
                self.fail_request(id, RequestFault::CpuTime);
            }
        }
    }

    /// The context whose request the guest works for: the running one, or the one that a callback of the root context is about.
    pub(crate) fn charged_context(&self) -> u32 {
        let candidates = [self.running, self.effective.id, self.callout_owner];
        candidates.into_iter().find(|id| *id > ROOT).unwrap_or(ROOT)
    }
}
