//! Streams in which a plugin has failed while the instance stays usable, and what else a callback leaves to be done.

use http::HeaderValue;
use lockgate_exchange::Reservation;
use wasmtime::Store;

use super::{Instance, InstanceStatus};
use crate::report::{Failure, FailureKind, Refusal, RequestFault, VmEvent};
use crate::settings::OnError;
use crate::state::State;

impl Instance {
    /// Whether the plugin has failed in a stream.
    pub(crate) fn has_failed_in(&self, id: u32) -> bool {
        self.any_fault.get() && self.faults.borrow().iter().any(|(known, _)| *known == id)
    }

    /// The failure of a stream in which the plugin has failed.
    pub(crate) fn failure_in(&self, id: u32) -> Failure {
        let known = self.faults.borrow().iter().find(|(known, _)| *known == id).copied();
        self.failure_of(known.map_or(RequestFault::CpuTime, |(_, why)| why))
    }

    fn failure_of(&self, why: RequestFault) -> Failure {
        let limits = &self.plugin.settings().limits;
        let (kind, message) = match why {
            RequestFault::CpuTime => {
                let milliseconds = limits.request_deadline.duration().as_millis();
                let message = format!(
                    "the request used more than {milliseconds} ms of CPU time (limits.request_deadline) over all its callbacks"
                );
                (FailureKind::Deadline, message)
            }
            RequestFault::HeaderGrowth => (
                FailureKind::LimitExceeded,
                format!(
                    "the headers written for this request would exceed limits.header_growth, {}",
                    limits.header_growth
                ),
            ),
            RequestFault::BodyGrowth => (
                FailureKind::LimitExceeded,
                format!(
                    "the body that the plugin enlarges would exceed limits.body_growth, {}",
                    limits.body_growth
                ),
            ),
            RequestFault::LocalResponse => (
                FailureKind::LimitExceeded,
                format!(
                    "the plugin's local response would exceed limits.local_response, {}",
                    limits.local_response
                ),
            ),
            RequestFault::Memory => (
                FailureKind::LimitExceeded,
                format!(
                    "limits.memory, {}, leaves no room for what the host would hold for the plugin",
                    limits.memory
                ),
            ),
            RequestFault::Stop => (
                FailureKind::Refused,
                "the plugin's local response or reset was refused, and the request must not pass because of that"
                    .to_owned(),
            ),
            RequestFault::Write => (
                FailureKind::Refused,
                "a write of the plugin was refused, and what it would have overwritten must not pass".to_owned(),
            ),
        };
        self.failure(kind, message)
    }

    /// Reserves memory for what the host holds for a stream.
    ///
    /// # Errors
    /// There is no room: the plugin has failed in this stream.
    pub(crate) fn reserve(&self, id: u32, bytes: usize) -> Result<Reservation, Failure> {
        self.account.reserve(bytes).ok_or_else(|| {
            self.host.refused(&self.plugin, Refusal::Memory, 1);
            let seen = self.with_state(|state| (state.phase.as_str(), state.request_id_in(id)));
            let (phase, request_id) = seen.unwrap_or_default();
            self.fail_in(id, request_id, RequestFault::Memory, phase)
        })
    }

    /// Forgets the failure of a stream that has ended.
    pub(crate) fn forget_failure(&self, id: u32) {
        if self.any_fault.get() {
            let mut faults = self.faults.borrow_mut();
            faults.retain(|(known, _)| *known != id);
            self.any_fault.set(!faults.is_empty());
        }
    }

    /// Handles what the callback that has returned left in the state.
    #[cold]
    pub(super) fn follow_up(&self, state: &mut State) {
        self.deferred.set_pending();
        state.memory_limit.follow_up = false;
        if std::mem::take(&mut state.memory_limit.outgrown) && self.is_active() {
            self.set_status(InstanceStatus::Outgrown);
        }
        state.settle();
        state.resolve_refused_writes();
        state.memory_limit.follow_up = false;
        self.count_refusals(state);
        for (id, why) in std::mem::take(&mut state.faults) {
            self.fail_in(id, state.request_id_in(id), why, state.phase.as_str());
            if let Some(context) = state.contexts.get(id)
                && id != state.running
            {
                let mut exchange = context.exchange.borrow_mut();
                // It may have passed the plugin already.
                if why.is_refusal() && self.plugin.settings().on_error == OnError::Deny {
                    exchange.pending.failed.set(context.position);
                }
                exchange.wake();
            }
        }
    }

    /// Ends an outgrown instance, so that another one has room. Streams that wait in it are woken, as after a trap.
    pub(crate) fn evict(&self) {
        let Some(store) = self.store.try_borrow_mut().ok().and_then(|mut store| store.take()) else {
            return;
        };
        self.status.set(InstanceStatus::Failed);
        self.failed_after.set(Some(self.uptime()));
        tracing::warn!(
            plugin = %self.plugin.name(),
            "a VM above limits.soft_memory was ended with its requests: the plugin's VMs have no more memory"
        );
        self.host.vm_event(&self.plugin, VmEvent::Evicted);
        self.discard(store, None);
    }

    /// Releases the memory of an instance that has ended, and wakes the streams that wait in it, except for the running one.
    pub(super) fn discard(&self, mut store: Store<State>, running: Option<u32>) {
        let state = store.data_mut();
        self.counters
            .host_calls
            .set(self.counters.host_calls.get().add(state.host_calls));
        let contexts = state.contexts.take();
        // With its state go its callouts, its timer and its subscriptions.
        drop(store);
        for (id, context) in contexts {
            if Some(id) != running {
                context.exchange.borrow_mut().wake();
            }
        }
    }

    /// The plugin has failed in a stream.
    fn fail_in(&self, id: u32, request_id: Option<HeaderValue>, why: RequestFault, phase: &str) -> Failure {
        let failure = self.failure_of(why);
        let request_id = request_id.as_ref().and_then(|id| id.to_str().ok());
        tracing::error!(plugin = %self.plugin.name(), request_id, kind = failure.kind.as_str(), "{}", failure.message);
        self.counters.last_failure.borrow_mut().replace(failure.message.clone());
        self.host.failed(&self.plugin, &failure, phase);
        if !why.is_refusal() {
            self.host.vm_event(&self.plugin, VmEvent::LimitExceeded);
        }
        self.faults.borrow_mut().push((id, why));
        self.any_fault.set(true);
        failure
    }

    pub(super) fn count_refusals(&self, state: &mut State) {
        for (what, times) in state.refusals.drain(..) {
            self.host.refused(&self.plugin, what, times);
        }
    }
}
