//! One living guest: its store, its callbacks, and what becomes of both when it traps.
//!
//! Every call into a guest goes through [`Instance::run`], which gives it its budget and, if it fails, buries the whole
//! instance: it never runs again, its memory is given back at once, and whoever waits in it is woken. Calls that come while
//! the guest is running (an answer delivered from within a host call, say) are put off until it has returned.

mod contexts;
mod deferred;
mod handle;
mod start;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::{Store, TypedFunc, WasmParams, WasmResults};

use self::deferred::DeferredCalls;
use crate::diagnostics::trap;
use crate::guest::exports::Exports;
use crate::host::{Host, TickTarget};
use crate::plugin::{Plugin, PoisonRequests};
use crate::report::{Failure, FailureKind, HostCallStats, RequestLimit, TrapReport, VmEvent};
use crate::state::State;

pub(crate) use self::handle::InstanceHandle;

/// What all instances of one VM add up to, for its operator.
#[derive(Default)]
pub(crate) struct VmCounters {
    /// Failures that ended an instance, or kept one from starting.
    pub(crate) failures: Cell<u64>,
    /// Stream contexts that are open.
    pub(crate) streams: Cell<usize>,
    pub(crate) last_failure: RefCell<Option<String>>,
    /// The latest traps, oldest first.
    pub(crate) traps: RefCell<VecDeque<TrapReport>>,
    /// What instances that are gone have done.
    pub(crate) host_calls: Cell<HostCallStats>,
}

/// Traps that are remembered of one VM.
const MAX_TRAPS: usize = 16;

/// How an instance stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InstanceStatus {
    /// Takes every stream.
    Active,
    /// One stream tries whether it is sound.
    Probing,
    /// It has outgrown its memory: another one is to take the next streams.
    Outgrown,
    /// It has trapped and never runs again.
    Failed,
}

/// One instance of a plugin's module.
pub(crate) struct Instance {
    plugin: Plugin,
    host: Rc<dyn Host>,
    /// Gone once the guest has died.
    store: RefCell<Option<Store<State>>>,
    exports: Exports,
    /// Streams begin and end without `context_create` and `delete`: the module has said that it keeps nothing of them.
    is_stateless: bool,
    status: Cell<InstanceStatus>,
    /// Open streams that the guest is through with, and why.
    over_limit: RefCell<Vec<(u32, RequestLimit)>>,
    any_over_limit: Cell<bool>,
    deferred: DeferredCalls,
    counters: Rc<VmCounters>,
    /// Requests that end VMs; none where every stream has its own.
    poison_requests: Option<Arc<PoisonRequests>>,
    started_at: Instant,
    failed_after: Cell<Option<Duration>>,
    /// Streams that it saw to their end.
    finished: Cell<u64>,
    /// Contexts whose `done` said "not yet".
    waiting: Cell<usize>,
    /// How far the end of the root context has got.
    root: Cell<RootState>,
}

/// How far the end of the root context has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RootState {
    /// It serves.
    Open,
    /// Its `done` said "not yet".
    Waiting,
    /// It is done, and waits for its streams to be.
    Done,
    /// It is deleted.
    Over,
}

impl Instance {
    pub(crate) fn plugin(&self) -> &Plugin {
        &self.plugin
    }

    pub(crate) fn exports(&self) -> &Exports {
        &self.exports
    }

    pub(crate) fn is_usable(&self) -> bool {
        self.status.get() != InstanceStatus::Failed
    }

    /// Whether it takes new streams without further ado.
    pub(crate) fn is_active(&self) -> bool {
        self.status.get() == InstanceStatus::Active
    }

    pub(crate) fn status(&self) -> InstanceStatus {
        self.status.get()
    }

    /// From now on it stands so; the dead stay dead.
    pub(crate) fn set_status(&self, status: InstanceStatus) {
        if self.is_usable() {
            self.status.set(status);
        }
    }

    /// Whether the guest is through with a stream.
    pub(crate) fn is_over_limit(&self, id: u32) -> bool {
        self.any_over_limit.get() && self.over_limit.borrow().iter().any(|(known, _)| *known == id)
    }

    /// What a stream that the guest is through with is told.
    pub(crate) fn limit_failure_of(&self, id: u32) -> Failure {
        let known = self.over_limit.borrow().iter().find(|(known, _)| *known == id).copied();
        self.limit_failure(known.map_or(RequestLimit::CpuTime, |(_, why)| why))
    }

    fn limit_failure(&self, why: RequestLimit) -> Failure {
        let limits = &self.plugin.settings().limits;
        let (kind, message) = match why {
            RequestLimit::CpuTime => {
                let milliseconds = limits.request_deadline.duration().as_millis();
                let message = format!(
                    "the request used more than {milliseconds} ms of CPU time (limits.request_deadline) over all its callbacks"
                );
                (FailureKind::Deadline, message)
            }
            RequestLimit::HeaderGrowth => (
                FailureKind::LimitExceeded,
                format!(
                    "the headers written for this request would exceed limits.header_growth, {}",
                    limits.header_growth
                ),
            ),
            RequestLimit::BodyGrowth => (
                FailureKind::LimitExceeded,
                format!(
                    "the body that the plugin enlarges would exceed limits.body_growth, {}",
                    limits.body_growth
                ),
            ),
            RequestLimit::LocalResponse => (
                FailureKind::LimitExceeded,
                format!(
                    "the plugin's local response would exceed limits.local_response, {}",
                    limits.local_response
                ),
            ),
        };
        self.failure(kind, message)
    }

    /// How long it lived, or has lived so far.
    pub(crate) fn age(&self) -> Duration {
        self.failed_after.get().unwrap_or_else(|| self.uptime())
    }

    fn uptime(&self) -> Duration {
        self.host.now().saturating_duration_since(self.started_at)
    }

    pub(crate) fn finished(&self) -> u64 {
        self.finished.get()
    }

    /// Bytes of linear memory; 0 when it is dead, or running right now.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let store = self.store.try_borrow().ok();
        let size = store
            .as_ref()
            .and_then(|store| Some(self.exports.memory?.data_size(store.as_ref()?)));
        size.unwrap_or(0) as u64
    }

    /// Runs a callback. `enter` says on whose behalf.
    pub(crate) fn run<P: WasmParams, R: WasmResults>(
        &self,
        enter: impl FnOnce(&mut State),
        function: &TypedFunc<P, R>,
        params: P,
    ) -> Result<R, Failure> {
        let mut slot = self.store.try_borrow_mut().map_err(|_| self.busy())?;
        let store = slot.as_mut().ok_or_else(|| self.lost())?;
        store.set_epoch_deadline(1);
        let state = store.data_mut();
        state.budget.restart();
        enter(state);
        match function.call(&mut *store, params) {
            Ok(result) => {
                if store.data().needs_follow_up() {
                    self.follow_up(store.data_mut());
                }
                Ok(result)
            }
            Err(error) => {
                let store = slot.take();
                drop(slot);
                Err(self.fail(store, &error))
            }
        }
    }

    /// What it had the host do so far; nothing when it is dead, or running right now.
    pub(crate) fn host_calls(&self) -> HostCallStats {
        self.with_state(|state| state.host_calls).unwrap_or_default()
    }

    /// Looks at the state between two callbacks; `None` when it is dead or busy.
    pub(crate) fn with_state<R>(&self, look: impl FnOnce(&mut State) -> R) -> Option<R> {
        let mut slot = self.store.try_borrow_mut().ok()?;
        slot.as_mut().map(|store| look(store.data_mut()))
    }

    fn is_busy(&self) -> bool {
        self.store.try_borrow_mut().is_err()
    }

    /// The guest has returned and left something to look after.
    #[cold]
    fn follow_up(&self, state: &mut State) {
        self.deferred.note();
        state.memory_limit.follow_up = false;
        if std::mem::take(&mut state.memory_limit.outgrown) && self.is_active() {
            self.status.set(InstanceStatus::Outgrown);
        }
        self.count_refusals(state);
        for (id, why) in state.over_limit.drain(..) {
            let failure = self.limit_failure(why);
            tracing::error!(plugin = %self.plugin.name(), kind = failure.kind.as_str(), "{}", failure.message);
            self.counters.last_failure.borrow_mut().replace(failure.message.clone());
            self.host.failed(&self.plugin, &failure, state.phase.as_str());
            self.host.vm_event(&self.plugin, VmEvent::LimitExceeded);
            self.over_limit.borrow_mut().push((id, why));
            self.any_over_limit.set(true);
            if let Some(context) = state.contexts.get(id)
                && id != state.running
            {
                context.exchange.borrow_mut().wake();
            }
        }
    }

    fn count_refusals(&self, state: &mut State) {
        for (what, times) in state.refusals.drain(..) {
            self.host.refused(&self.plugin, what, times);
        }
    }

    /// Whom a trap is to be blamed on: the request that the guest was working for.
    fn record_poison_request(&self, state: &State) {
        let Some(context) = state.contexts.get(state.charged_context()) else {
            return;
        };
        let Some(poison_requests) = &self.poison_requests else {
            return;
        };
        if context.exchange.borrow().tcp.is_some() {
            return;
        }
        let fingerprint = context
            .fingerprint
            .unwrap_or_else(|| poison_requests.fingerprint(&context.exchange.borrow().request));
        if poison_requests.record_trap(fingerprint, self.host.now()) {
            tracing::error!(plugin = %self.plugin.name(), "request blocked: it has ended two VMs of this plugin");
            self.host.vm_event(&self.plugin, VmEvent::RequestBlocked);
        }
    }

    /// The guest has trapped. Tells it, gives everything back, and wakes those that wait in vain.
    #[cold]
    fn fail(&self, store: Option<Store<State>>, error: &wasmtime::Error) -> Failure {
        self.status.set(InstanceStatus::Failed);
        self.failed_after.set(Some(self.uptime()));
        let Some(mut store) = store else { return self.lost() };
        let state = store.data_mut();
        let trap = trap::examine(error, state);
        let (phase, last_call, running) = (state.phase.as_str(), state.last_call, state.running);
        let failure = self.failure(trap.kind, trap.message);
        tracing::error!(
            plugin = %self.plugin.name(),
            module = %self.plugin.spec().module_name,
            kind = failure.kind.as_str(),
            phase,
            function = trap.function,
            backtrace = &*trap.backtrace,
            last_call,
            "{}",
            failure.message
        );
        self.counters
            .host_calls
            .set(self.counters.host_calls.get().add(state.host_calls));
        let request_id = state.contexts.get(state.charged_context()).and_then(|context| {
            let exchange = context.exchange.borrow();
            exchange.info.request_id.to_str().ok().map(str::to_owned)
        });
        let mut traps = self.counters.traps.borrow_mut();
        if traps.len() == MAX_TRAPS {
            traps.pop_front();
        }
        traps.push_back(TrapReport {
            time: self.host.time(),
            kind: failure.kind,
            phase,
            message: failure.message.clone(),
            backtrace: trap.backtrace,
            last_call,
            request_id,
        });
        drop(traps);
        self.record_failure(&failure, phase);
        self.record_poison_request(state);
        self.count_refusals(state);
        let contexts = state.contexts.take();
        if self.exports.tick.is_some()
            && let Some(callbacks) = state.callbacks.take()
        {
            self.host.set_tick(TickTarget::new(callbacks, state.key), None);
        }
        drop(store);
        for (id, context) in contexts {
            if id != running {
                context.exchange.borrow_mut().wake();
            }
        }
        failure
    }

    /// Counts a failure that is the end of this instance.
    fn record_failure(&self, failure: &Failure, phase: &str) {
        self.counters.failures.set(self.counters.failures.get() + 1);
        *self.counters.last_failure.borrow_mut() = Some(failure.message.clone());
        self.host.failed(&self.plugin, failure, phase);
    }

    fn failure(&self, kind: FailureKind, message: String) -> Failure {
        failure(&self.plugin, kind, message)
    }

    fn busy(&self) -> Failure {
        self.failure(
            FailureKind::Unavailable,
            "the VM was called while it was running".to_owned(),
        )
    }

    fn lost(&self) -> Failure {
        self.failure(FailureKind::VmFailed, "the VM of this stream has failed".to_owned())
    }
}

/// A failure of a plugin, with what its operator wants done about it.
pub(crate) fn failure(plugin: &Plugin, kind: FailureKind, message: String) -> Failure {
    Failure {
        plugin: plugin.name().clone(),
        kind,
        on_error: plugin.settings().on_error,
        message,
    }
}

impl Drop for Instance {
    /// Nobody holds it any more: what is left of its contexts ends now.
    fn drop(&mut self) {
        self.end_all();
        if let Some(calls) = self.with_state(|state| state.host_calls) {
            self.counters.host_calls.set(self.counters.host_calls.get().add(calls));
        }
    }
}
