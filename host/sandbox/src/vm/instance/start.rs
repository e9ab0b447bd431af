//! The start of an instance: instantiation, initialisation, root context, `vm_start`, `configure`.

use std::cell::{Cell, RefCell};
use std::num::NonZeroU32;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use wasmtime::{PoolConcurrencyLimitError, Store, StoreContextMut, UpdateDeadline};

use super::deferred::DeferredCalls;
use super::{Instance, InstanceStatus, RootState, VmCounters, failure};
use crate::diagnostics::trap;
use crate::engine::pool::PoolShare;
use crate::guest::exports::Initialise;
use crate::host::{Callbacks, Host};
use crate::hostcalls::Exit;
use crate::os;
use crate::plugin::Plugin;
use crate::report::{Failure, FailureKind};
use crate::settings::Isolation;
use crate::state::{Phase, ROOT, State};

impl Instance {
    /// Creates and starts an instance.
    ///
    /// # Errors
    /// The guest failed, or `vm_start` or `configure` returned false. The instance is gone already.
    pub(crate) fn start(plugin: &Plugin, host: &Rc<dyn Host>, counters: &Rc<VmCounters>) -> Result<Rc<Self>, Failure> {
        let instance = Self::instantiate(plugin, host, counters)?;
        match instance.run_start_callbacks() {
            Ok(()) => Ok(instance),
            Err(failure) => {
                // The root context may not exist, so nothing of it ends.
                instance.status.set(InstanceStatus::Failed);
                Err(failure)
            }
        }
    }

    fn instantiate(plugin: &Plugin, host: &Rc<dyn Host>, counters: &Rc<VmCounters>) -> Result<Rc<Self>, Failure> {
        let prepared = plugin.prepared();
        let slot = prepared.pool_share.as_ref().map(PoolShare::take).transpose();
        let slot = slot.map_err(|held| {
            let message =
                format!("no VM is free: the streams of this plugin hold {held} instances, their share of the pool");
            not_instantiated(
                plugin,
                host,
                counters,
                failure(plugin, FailureKind::Unavailable, message),
            )
        })?;
        let state = State::new(plugin.clone(), Rc::clone(host), prepared.permitted);
        let mut store = Store::new(prepared.instance.module().engine(), state);
        store.limiter(|state| &mut state.memory_limit);
        store.epoch_deadline_callback(on_epoch_deadline);
        store.set_epoch_deadline(1);
        let guest = match prepared.instance.instantiate(&mut store) {
            Ok(guest) => guest,
            Err(error) => return Err(instantiation_failed(plugin, host, counters, &error, store.data())),
        };
        let exports = prepared.exports.exports(&guest, &mut store);
        store.data_mut().memory = exports.memory;
        store.data_mut().allocate.clone_from(&exports.allocate);
        let instance = Rc::new(Self {
            plugin: plugin.clone(),
            host: Rc::clone(host),
            store: RefCell::new(Some(store)),
            exports,
            is_stateless: plugin
                .spec()
                .module
                .manifest()
                .is_some_and(|manifest| manifest.stateless),
            status: Cell::new(InstanceStatus::Active),
            over_limit: RefCell::default(),
            any_over_limit: Cell::new(false),
            deferred: DeferredCalls::default(),
            counters: Rc::clone(counters),
            poison_requests: (plugin.settings().isolation == Isolation::Shared)
                .then(|| Arc::clone(&prepared.poison_requests)),
            started_at: host.now(),
            after_start: Cell::new(InstanceStatus::Active),
            failed_after: Cell::new(None),
            finished: Cell::new(0),
            waiting: Cell::new(0),
            root: Cell::new(RootState::Open),
            _slot: slot,
        });
        let callbacks: Weak<dyn Callbacks> = Rc::downgrade(&instance) as Weak<dyn Callbacks>;
        instance.with_state(|state| state.callbacks = Some(callbacks));
        Ok(instance)
    }

    fn run_start_callbacks(&self) -> Result<(), Failure> {
        let root = |phase| move |state: &mut State| state.enter_root(phase);
        self.initialise()?;
        if let Some(scratch) = &self.exports.scratch {
            let at = self.run(root(Phase::Initialise), scratch, ())?;
            self.with_state(|state| state.scratch = NonZeroU32::new(at));
        }
        self.with_state(|state| state.callable = state.permitted);
        if let Some(create) = &self.exports.context_create {
            self.run(root(Phase::ContextCreate), create, (ROOT, 0))?;
        }
        let settings = self.plugin.settings();
        if let Some(start) = &self.exports.vm_start {
            let accepted = self.run(root(Phase::VmStart), start, (ROOT, size(&settings.vm_config)))?;
            self.accept(accepted, Phase::VmStart)?;
        }
        if let Some(configure) = &self.exports.configure {
            let accepted = self.run(root(Phase::Configure), configure, (ROOT, size(&settings.config)))?;
            self.accept(accepted, Phase::Configure)?;
        }
        let memory = usize::try_from(self.memory_bytes()).unwrap_or(usize::MAX);
        self.with_state(|state| state.started(memory));
        self.run_deferred();
        if !self.is_usable() {
            return Err(self.lost());
        }
        if self.callouts_of_start() > 0 {
            self.status.set(InstanceStatus::Starting);
        }
        Ok(())
    }

    /// Sets what it becomes when its start is done, if it is not yet.
    pub(crate) fn set_after_start(&self, status: InstanceStatus) {
        self.after_start.set(status);
    }

    /// The number of callouts that its start waits for.
    pub(crate) fn callouts_of_start(&self) -> usize {
        self.with_state(|state| state.callouts_of_start()).unwrap_or_default()
    }

    /// Takes streams from now on, if its start waits for nothing any more.
    pub(super) fn check_start(&self) {
        if self.status.get() == InstanceStatus::Starting && self.callouts_of_start() == 0 {
            self.status.set(self.after_start.get());
            tracing::info!(plugin = %self.plugin.name(), "the plugin's start is done");
        }
    }

    fn initialise(&self) -> Result<(), Failure> {
        let enter = |state: &mut State| state.enter_root(Phase::Initialise);
        match &self.exports.initialise {
            Initialise::Reactor(initialise, main) => {
                self.run(enter, initialise, ())?;
                main.as_ref()
                    .map_or(Ok(()), |main| self.run(enter, main, (0, 0)).map(drop))
            }
            Initialise::Command(start) => self.run_command(start),
            Initialise::Nothing => Ok(()),
        }
    }

    /// A command may call `proc_exit(0)`, and its callbacks are called all the same.
    fn run_command(&self, start: &wasmtime::TypedFunc<(), ()>) -> Result<(), Failure> {
        let ended = {
            let mut slot = self.store.borrow_mut();
            let store = slot.as_mut().ok_or_else(|| self.lost())?;
            store.set_epoch_deadline(1);
            store.data_mut().enter_root(Phase::Initialise);
            match start.call(&mut *store, ()) {
                Ok(()) => return Ok(()),
                Err(error) if matches!(error.downcast_ref::<Exit>(), Some(Exit(0))) => return Ok(()),
                Err(error) => (slot.take(), error),
            }
        };
        Err(self.fail(ended.0, &ended.1))
    }

    /// Checks the result of `vm_start` or `configure`. The reason for false is in the guest's log lines.
    fn accept(&self, accepted: u32, phase: Phase) -> Result<(), Failure> {
        if accepted != 0 {
            return Ok(());
        }
        let tail = self.with_state(|state| state.tail()).unwrap_or_default();
        let said = if tail.is_empty() {
            "the plugin logged nothing".to_owned()
        } else {
            format!("the plugin logged: {tail}")
        };
        let failure = self.failure(
            FailureKind::Start,
            format!("proxy_on_{} returned false; {said}", phase.as_str()),
        );
        tracing::error!(plugin = %self.plugin.name(), phase = phase.as_str(), "{}", failure.message);
        self.record_failure(&failure, phase.as_str());
        Err(failure)
    }
}

/// An epoch has ended while the guest was running: whether it may continue.
fn on_epoch_deadline(mut context: StoreContextMut<'_, State>) -> wasmtime::Result<UpdateDeadline> {
    let plugin = context.data().plugin.clone();
    plugin.prepared().profile.sample(&context);
    let allowed = context.data_mut().epoch_ended(os::thread_cpu_time());
    Ok(if allowed {
        UpdateDeadline::Continue(1)
    } else {
        UpdateDeadline::Interrupt
    })
}

/// The failure of an instantiation.
fn instantiation_failed(
    plugin: &Plugin,
    host: &Rc<dyn Host>,
    counters: &Rc<VmCounters>,
    error: &wasmtime::Error,
    state: &State,
) -> Failure {
    let failure = if error.is::<PoolConcurrencyLimitError>() {
        failure(
            plugin,
            FailureKind::Unavailable,
            "no VM is free: all instances of the pool are in use".to_owned(),
        )
    } else {
        let trap = trap::describe(error, state);
        let kind = if trap.kind == FailureKind::Trap {
            FailureKind::Start
        } else {
            trap.kind
        };
        failure(plugin, kind, format!("instantiation failed: {}", trap.message))
    };
    not_instantiated(plugin, host, counters, failure)
}

/// Logs and counts why there is no instance.
fn not_instantiated(plugin: &Plugin, host: &Rc<dyn Host>, counters: &Rc<VmCounters>, failure: Failure) -> Failure {
    tracing::error!(plugin = %plugin.name(), kind = failure.kind.as_str(), "{}", failure.message);
    counters.failures.set(counters.failures.get() + 1);
    *counters.last_failure.borrow_mut() = Some(failure.message.clone());
    host.failed(plugin, &failure, Phase::Initialise.as_str());
    failure
}

/// A configuration's size for the guest. Nothing of 4 GiB is ever loaded.
fn size(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}
