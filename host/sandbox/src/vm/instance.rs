//! [`Instance`]: one guest, its store, its callbacks, and its end when it traps.
//!
//! Every call into a guest goes through [`Instance::run`], which sets its budget. A call that traps ends the instance: it never
//! runs again, its memory is released at once, and streams that are paused in it are woken. Callbacks that arrive while the guest
//! is running are deferred until it has returned.

mod contexts;
mod deferred;
mod faults;
mod from_image;
mod handle;
mod spares;
mod start;

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lockgate_exchange::MemoryAccount;
use wasmtime::{Store, TypedFunc, WasmParams, WasmResults};

use self::deferred::DeferredCalls;
use self::spares::{Origin, Spares};
use crate::diagnostics::trap;
use crate::engine::pool::PoolSlot;
use crate::guest::exports::Exports;
use crate::host::{GuestIds, Host};
use crate::plugin::{Plugin, PoisonRequests};
use crate::report::{Failure, FailureKind, HostCallStats, RequestFault, TrapReport, VmEvent};
use crate::settings::{Isolation, Limits};
use crate::state::{self, Phase, State};
use crate::view::headers::HeaderFilter;

pub(crate) use self::handle::InstanceHandle;

/// What all instances of one VM share: counters, and the account of its memory.
pub(crate) struct VmCounters {
    account: Arc<MemoryAccount>,
    /// Failures that ended an instance or prevented its start.
    pub(crate) failures: Cell<u64>,
    /// Open stream contexts.
    pub(crate) streams: Cell<usize>,
    pub(crate) last_failure: RefCell<Option<String>>,
    /// The last traps, oldest first.
    pub(crate) traps: RefCell<VecDeque<TrapReport>>,
    /// Host calls of past instances.
    pub(crate) host_calls: Cell<HostCallStats>,
    /// Guests that have ended and are new again, for further streams.
    pub(crate) spares: Spares,
    /// The host's numbers of what the image has defined, once the first VM has begun from it.
    pub(crate) ids: OnceCell<Rc<GuestIds>>,
}

impl VmCounters {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            account: state::account(limits),
            failures: Cell::default(),
            streams: Cell::default(),
            last_failure: RefCell::default(),
            traps: RefCell::default(),
            host_calls: Cell::default(),
            spares: Spares::default(),
            ids: OnceCell::new(),
        }
    }

    /// Whether this many bytes more fit into the VM's memory.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        self.account.reserve(bytes).is_some()
    }

    /// The account of a new instance: the VM's, or one of its own if every stream has its own VM.
    fn account(&self, plugin: &Plugin) -> Arc<MemoryAccount> {
        match plugin.settings().isolation {
            Isolation::Shared => Arc::clone(&self.account),
            Isolation::Stream => state::account(&plugin.settings().limits),
        }
    }
}

/// Traps that a VM's report lists.
const MAX_TRAPS: usize = 16;

/// The status of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InstanceStatus {
    /// It takes all streams.
    Active,
    /// It has one stream, which probes it.
    Probing,
    /// Its start waits for callouts. It takes no streams yet.
    Starting,
    /// It has exceeded its soft memory limit. Another instance takes new streams.
    Outgrown,
    /// It has trapped and never runs again.
    Failed,
}

/// One instance of a plugin's module.
pub(crate) struct Instance {
    plugin: Plugin,
    host: Rc<dyn Host>,
    /// `None` after a trap.
    store: RefCell<Option<Store<State>>>,
    exports: Exports,
    /// What an image is made of, and what it takes to make the guest new again. `None` for most: only a guest whose start is
    /// recorded needs it, and one that began from an image for one stream.
    origin: Option<Origin>,
    /// Streams begin and end without `context_create` and `delete`, because the manifest says that the module is stateless.
    is_stateless: bool,
    status: Cell<InstanceStatus>,
    /// What the plugin may see of header maps.
    filter: HeaderFilter,
    /// The memory of the VM.
    account: Arc<MemoryAccount>,
    /// Open streams in which the plugin has failed.
    faults: RefCell<Vec<(u32, RequestFault)>>,
    any_fault: Cell<bool>,
    deferred: DeferredCalls,
    counters: Rc<VmCounters>,
    /// Poison requests of the plugin. `None` with an instance per stream.
    poison_requests: Option<Arc<PoisonRequests>>,
    started_at: Instant,
    /// Its status when its start is done.
    after_start: Cell<InstanceStatus>,
    failed_after: Cell<Option<Duration>>,
    /// Streams that it finished.
    finished: Cell<u64>,
    /// Contexts that wait for `proxy_done`.
    waiting: Cell<usize>,
    /// The progress of the root context's end.
    root: Cell<RootState>,
    /// Its place among the instances of streams, with an instance per stream.
    slot: Option<PoolSlot>,
}

/// The progress of the root context's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RootState {
    /// It is in use.
    Open,
    /// Its `done` returned false: it waits for `proxy_done`.
    Waiting,
    /// It is done, and waits for its streams.
    Done,
    /// It was deleted.
    Deleted,
}

impl Instance {
    pub(crate) fn plugin(&self) -> &Plugin {
        &self.plugin
    }

    /// What the plugin may see of header maps.
    pub(crate) fn filter(&self) -> &HeaderFilter {
        &self.filter
    }

    pub(crate) fn exports(&self) -> &Exports {
        &self.exports
    }

    pub(crate) fn is_usable(&self) -> bool {
        self.status.get() != InstanceStatus::Failed
    }

    /// Whether it takes all streams.
    pub(crate) fn is_active(&self) -> bool {
        self.status.get() == InstanceStatus::Active
    }

    pub(crate) fn status(&self) -> InstanceStatus {
        self.status.get()
    }

    /// Sets the status, unless the instance has failed.
    pub(crate) fn set_status(&self, status: InstanceStatus) {
        if self.is_usable() {
            self.status.set(status);
        }
    }

    /// The age of the instance, or the age at which it failed.
    pub(crate) fn age(&self) -> Duration {
        self.failed_after.get().unwrap_or_else(|| self.uptime())
    }

    fn uptime(&self) -> Duration {
        self.host.now().saturating_duration_since(self.started_at)
    }

    pub(crate) fn finished(&self) -> u64 {
        self.finished.get()
    }

    /// Linear memory in bytes. 0 if it has failed, or is running now.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let store = self.store.try_borrow().ok();
        let size = store
            .as_ref()
            .and_then(|store| Some(self.exports.memory?.data_size(store.as_ref()?)));
        size.unwrap_or(0) as u64
    }

    /// Runs a callback. `enter` sets the context.
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

    /// Its host calls so far. None if it has failed, or is running now.
    pub(crate) fn host_calls(&self) -> HostCallStats {
        self.with_state(|state| state.host_calls).unwrap_or_default()
    }

    /// Accesses the state between two callbacks. `None` if it has failed, or is running now.
    pub(crate) fn with_state<R>(&self, look: impl FnOnce(&mut State) -> R) -> Option<R> {
        let mut slot = self.store.try_borrow_mut().ok()?;
        slot.as_mut().map(|store| look(store.data_mut()))
    }

    fn is_busy(&self) -> bool {
        self.store.try_borrow_mut().is_err()
    }

    /// Records the request that caused a trap: the one that the guest was working for. Not if its head may be innocent: memory is
    /// filled by many requests, and a body is not part of what identifies a request.
    fn record_poison_request(&self, state: &State) {
        let Some(context) = state.contexts.get(state.charged_context()) else {
            return;
        };
        let Some(poison_requests) = &self.poison_requests else {
            return;
        };
        let exchange = context.exchange.borrow();
        let saw_body =
            matches!(state.phase, Phase::RequestBody | Phase::RequestTrailers) || exchange.info.request_bytes > 0;
        if exchange.tcp.is_some() || saw_body || state.memory_limit.was_refused() {
            return;
        }
        let fingerprint = context
            .fingerprint
            .unwrap_or_else(|| poison_requests.fingerprint(&exchange.request));
        if poison_requests.record_trap(fingerprint, self.host.now()) {
            let request_id = exchange.info.request_id.to_str().ok();
            tracing::error!(plugin = %self.plugin.name(), request_id, "request blocked: it has ended two VMs of this plugin");
            self.host.vm_event(&self.plugin, VmEvent::RequestBlocked);
        }
    }

    /// Ends the instance after a trap: logs it, releases its memory, and wakes the streams that are paused in it.
    #[cold]
    fn fail(&self, store: Option<Store<State>>, error: &wasmtime::Error) -> Failure {
        self.status.set(InstanceStatus::Failed);
        self.failed_after.set(Some(self.uptime()));
        let Some(mut store) = store else { return self.lost() };
        let state = store.data_mut();
        let trap = trap::describe(error, state);
        let (phase, last_call, running) = (state.phase.as_str(), state.last_call, state.running);
        let failure = self.failure(trap.kind, trap.message);
        let request_id = state.request_id().and_then(|id| id.to_str().ok().map(str::to_owned));
        tracing::error!(
            plugin = %self.plugin.name(),
            request_id,
            module = %self.plugin.spec().module_name,
            kind = failure.kind.as_str(),
            phase,
            function = trap.function,
            backtrace = &*trap.backtrace,
            last_call,
            "{}",
            failure.message
        );
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
        self.discard(store, Some(running));
        failure
    }

    /// Counts the failure that ends this instance.
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

    /// The failure of a stream whose VM has failed in another callback. It is counted, because that stream gets `on_error`, too.
    #[cold]
    pub(crate) fn lost_stream(&self, phase: Phase) -> Failure {
        let failure = self.lost();
        self.host.failed(&self.plugin, &failure, phase.as_str());
        failure
    }

    fn lost(&self) -> Failure {
        self.failure(FailureKind::VmFailed, "the VM of this stream has failed".to_owned())
    }
}

/// A failure of a plugin, with its configured error handling.
pub(crate) fn failure(plugin: &Plugin, kind: FailureKind, message: String) -> Failure {
    Failure {
        plugin: plugin.name().clone(),
        kind,
        on_error: plugin.settings().on_error,
        message,
    }
}

impl Drop for Instance {
    /// The last handle is gone: the contexts that remain end now.
    fn drop(&mut self) {
        self.end_all();
        if let Some(calls) = self.with_state(|state| state.host_calls) {
            self.counters.host_calls.set(self.counters.host_calls.get().add(calls));
        }
        self.keep_for_others();
    }
}
