//! One living guest: its store, its callbacks, and what becomes of both when it traps.
//!
//! Every call into a guest goes through [`Instance::run`], which gives it its budget and, if it fails, buries the whole
//! instance: it never runs again, its memory is given back at once, and whoever waits in it is woken. Calls that come while
//! the guest is running (an answer delivered from within a host call, say) are put off until it has returned.

mod birth;
mod contexts;
mod hold;
mod later;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::{Store, TypedFunc, WasmParams, WasmResults};

use self::later::Later;
use crate::exports::Exports;
use crate::failure::{Failure, FailureKind};
use crate::incident::{Expulsion, VmEvent};
use crate::outside::{Host, TickTarget};
use crate::plugin::Plugin;
use crate::report::{HostCallStats, TrapReport};
use crate::state::State;
use crate::suspects::Suspects;
use crate::trap;

pub(crate) use self::hold::Hold;

/// What all instances of one VM add up to, for its operator.
#[derive(Default)]
pub(crate) struct Record {
    /// Failures that ended an instance.
    pub(crate) deaths: Cell<u64>,
    /// Stream contexts that are open.
    pub(crate) streams: Cell<usize>,
    pub(crate) last_failure: RefCell<Option<String>>,
    /// The latest traps, oldest first.
    pub(crate) traps: RefCell<VecDeque<TrapReport>>,
    /// What instances that are gone have done.
    pub(crate) host_calls: Cell<HostCallStats>,
}

/// Traps that are remembered of one VM.
const MOST_TRAPS: usize = 16;

/// How an instance stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// Takes every stream.
    Serving,
    /// One stream tries whether it is sound.
    Probing,
    /// It has outgrown its memory: another one is to take the next streams.
    Outgrown,
    /// It has trapped and never runs again.
    Dead,
}

/// One instance of a plugin's module.
pub(crate) struct Instance {
    plugin: Plugin,
    outside: Rc<dyn Host>,
    /// Gone once the guest has died.
    store: RefCell<Option<Store<State>>>,
    exports: Exports,
    /// Streams begin and end without `context_create` and `delete`: the module has said that it keeps nothing of them.
    is_stateless: bool,
    life: Cell<Life>,
    /// Open streams that the guest is through with, and why.
    expelled: RefCell<Vec<(u32, Expulsion)>>,
    any_expelled: Cell<bool>,
    later: Later,
    record: Rc<Record>,
    /// Requests that end VMs; none where every stream has its own.
    suspects: Option<Arc<Suspects>>,
    born: Instant,
    died_after: Cell<Option<Duration>>,
    /// Streams that it saw to their end.
    finished: Cell<u64>,
    /// Contexts whose `done` said "not yet".
    waiting: Cell<usize>,
    /// How far the end of the root context has got.
    root: Cell<Root>,
}

/// How far the end of the root context has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Root {
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

    pub(crate) fn is_alive(&self) -> bool {
        self.life.get() != Life::Dead
    }

    /// Whether it takes new streams without further ado.
    pub(crate) fn is_serving(&self) -> bool {
        self.life.get() == Life::Serving
    }

    pub(crate) fn life(&self) -> Life {
        self.life.get()
    }

    /// From now on it stands so; the dead stay dead.
    pub(crate) fn set_life(&self, life: Life) {
        if self.is_alive() {
            self.life.set(life);
        }
    }

    /// Whether the guest is through with a stream.
    pub(crate) fn is_expelled(&self, id: u32) -> bool {
        self.any_expelled.get() && self.expelled.borrow().iter().any(|(known, _)| *known == id)
    }

    /// What a stream that the guest is through with is told.
    pub(crate) fn expelled(&self, id: u32) -> Failure {
        let known = self.expelled.borrow().iter().find(|(known, _)| *known == id).copied();
        self.expulsion(known.map_or(Expulsion::CpuTime, |(_, why)| why))
    }

    fn expulsion(&self, why: Expulsion) -> Failure {
        let limits = &self.plugin.spec().limits;
        let (kind, message) = match why {
            Expulsion::CpuTime => {
                let milliseconds = limits.request_deadline.duration().as_millis();
                let message = format!(
                    "the request used more than {milliseconds} ms of CPU time (limits.request_deadline) over all its callbacks"
                );
                (FailureKind::Deadline, message)
            }
            Expulsion::HeaderGrowth => (
                FailureKind::LimitExceeded,
                format!(
                    "the headers written for this request would exceed limits.header_growth, {}",
                    limits.header_growth
                ),
            ),
            Expulsion::BodyGrowth => (
                FailureKind::LimitExceeded,
                format!(
                    "the body that the plugin enlarges would exceed limits.body_growth, {}",
                    limits.body_growth
                ),
            ),
            Expulsion::LocalResponse => (
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
        self.died_after.get().unwrap_or_else(|| self.lived())
    }

    fn lived(&self) -> Duration {
        self.outside.now().saturating_duration_since(self.born)
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
                if store.data().needs_attention() {
                    self.attend(store.data_mut());
                }
                Ok(result)
            }
            Err(error) => {
                let store = slot.take();
                drop(slot);
                Err(self.bury(store, &error))
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
    fn attend(&self, state: &mut State) {
        self.later.note();
        state.cap.attention = false;
        if std::mem::take(&mut state.cap.outgrown) && self.is_serving() {
            self.life.set(Life::Outgrown);
        }
        self.count_refusals(state);
        for (id, why) in state.expelled.drain(..) {
            let failure = self.expulsion(why);
            tracing::error!(plugin = %self.plugin.name(), kind = failure.kind.as_str(), "{}", failure.message);
            self.record.last_failure.borrow_mut().replace(failure.message.clone());
            self.outside.failed(&self.plugin, &failure, state.phase.as_str());
            self.outside.vm_event(&self.plugin, VmEvent::LimitExceeded);
            self.expelled.borrow_mut().push((id, why));
            self.any_expelled.set(true);
            if let Some(context) = state.contexts.get(id)
                && id != state.running
            {
                context.exchange.borrow_mut().wake();
            }
        }
    }

    fn count_refusals(&self, state: &mut State) {
        for (what, times) in state.refusals.drain(..) {
            self.outside.refused(&self.plugin, what, times);
        }
    }

    /// Whom a trap is to be blamed on: the request that the guest was working for.
    fn accuse(&self, state: &State) {
        let Some(context) = state.contexts.get(state.on_account_of()) else {
            return;
        };
        let Some(suspects) = &self.suspects else { return };
        if context.exchange.borrow().tcp.is_some() {
            return;
        }
        let print = context
            .print
            .unwrap_or_else(|| suspects.fingerprint(&context.exchange.borrow().request));
        if suspects.accuse(print, self.outside.now()) {
            tracing::error!(plugin = %self.plugin.name(), "request blocked: it has ended two VMs of this plugin");
            self.outside.vm_event(&self.plugin, VmEvent::RequestBlocked);
        }
    }

    /// The guest has trapped. Tells it, gives everything back, and wakes those that wait in vain.
    #[cold]
    fn bury(&self, store: Option<Store<State>>, error: &wasmtime::Error) -> Failure {
        self.life.set(Life::Dead);
        self.died_after.set(Some(self.lived()));
        let Some(mut store) = store else { return self.lost() };
        let state = store.data_mut();
        let autopsy = trap::examine(error, state);
        let (phase, last_call, running) = (state.phase.as_str(), state.last_call, state.running);
        let failure = self.failure(autopsy.kind, autopsy.message);
        tracing::error!(
            plugin = %self.plugin.name(),
            module = %self.plugin.spec().module_name,
            kind = failure.kind.as_str(),
            phase,
            function = autopsy.function,
            backtrace = &*autopsy.backtrace,
            last_call,
            "{}",
            failure.message
        );
        self.record
            .host_calls
            .set(self.record.host_calls.get().add(state.host_calls));
        let request_id = state.contexts.get(state.on_account_of()).and_then(|context| {
            let exchange = context.exchange.borrow();
            exchange.info.request_id.to_str().ok().map(str::to_owned)
        });
        let mut traps = self.record.traps.borrow_mut();
        if traps.len() == MOST_TRAPS {
            traps.pop_front();
        }
        traps.push_back(TrapReport {
            time: self.outside.time(),
            kind: failure.kind,
            phase,
            message: failure.message.clone(),
            backtrace: autopsy.backtrace,
            last_call,
            request_id,
        });
        drop(traps);
        self.mourn(&failure, phase);
        self.accuse(state);
        self.count_refusals(state);
        let contexts = state.contexts.take();
        if self.exports.tick.is_some()
            && let Some(inbox) = state.inbox.take()
        {
            self.outside.set_tick(TickTarget::new(inbox, state.key), None);
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
    fn mourn(&self, failure: &Failure, phase: &str) {
        self.record.deaths.set(self.record.deaths.get() + 1);
        *self.record.last_failure.borrow_mut() = Some(failure.message.clone());
        self.outside.failed(&self.plugin, failure, phase);
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
        on_error: plugin.spec().on_error,
        message,
    }
}

impl Drop for Instance {
    /// Nobody holds it any more: what is left of its contexts ends now.
    fn drop(&mut self) {
        self.end_all();
        if let Some(calls) = self.with_state(|state| state.host_calls) {
            self.record.host_calls.set(self.record.host_calls.get().add(calls));
        }
    }
}
