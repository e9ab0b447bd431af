//! VMs out of service that are kept until their plugins are done, as after a reload: bounded in time and number.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use lockgate_sandbox::DrainingVm;

/// How long a VM is kept.
const MAX_DURATION: Duration = Duration::from_secs(60);
/// Maximum VMs that a worker keeps; the oldest goes when there is another.
const MAX: usize = 64;
/// Maximum memory of the VMs that a worker keeps; the oldest go, but for the newest.
const MAX_MEMORY: usize = 128 * 1024 * 1024;

/// The VMs of one worker that are kept.
#[derive(Default)]
pub(crate) struct DrainingVms(RefCell<Vec<(Instant, DrainingVm)>>);

impl DrainingVms {
    /// Keeps one more.
    pub(crate) fn add(&self, now: Instant, vm: DrainingVm) {
        let mut kept = self.0.borrow_mut();
        kept.push((now, vm));
        let oldest = surplus(&kept);
        let oldest: Vec<_> = kept.drain(..oldest).collect();
        // Their end runs guest code, which may come back here.
        drop(kept);
        drop(oldest);
    }

    /// Drops those that are done or have exceeded their time.
    pub(crate) fn sweep(&self, now: Instant) {
        let mut kept = self.0.borrow_mut();
        if kept.is_empty() {
            return;
        }
        let is_at_end = |since: Instant, vm: &DrainingVm| {
            let is_late = now.saturating_duration_since(since) >= MAX_DURATION;
            if is_late && !vm.is_over() {
                tracing::warn!(
                    plugin = vm.plugin(),
                    "plugin did not call proxy_done in time; its VM is discarded"
                );
            }
            is_late || vm.is_over()
        };
        let (mut ended, left) = std::mem::take(&mut *kept)
            .into_iter()
            .partition::<Vec<_>, _>(|(since, vm)| is_at_end(*since, vm));
        *kept = left;
        // A VM grows on while it is kept.
        let oldest = surplus(&kept);
        ended.extend(kept.drain(..oldest));
        drop(kept);
        drop(ended);
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.0.borrow().len()
    }

    /// Ends all of them.
    pub(crate) fn clear(&self) {
        drop(self.0.take());
    }
}

/// How many of the oldest have to go.
fn surplus(kept: &[(Instant, DrainingVm)]) -> usize {
    let mut memory = 0_usize;
    let fitting = kept.iter().rev().take(MAX).take_while(|(_, vm)| {
        let is_newest = memory == 0;
        memory = memory.saturating_add(vm.memory().max(1));
        is_newest || memory <= MAX_MEMORY
    });
    kept.len() - fitting.count()
}
