//! The start of an instance: instantiation, initialisation, root context, `vm_start`, `configure`.

use std::cell::{Cell, RefCell};
use std::num::NonZeroU32;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use wasmtime::{PoolConcurrencyLimitError, Store, StoreContextMut, UpdateDeadline};

use super::deferred::DeferredCalls;
use super::spares::{Guest, Origin};
use super::{Instance, InstanceStatus, RootState, VmCounters, failure};
use crate::diagnostics::trap;
use crate::engine::pool::{PoolShare, PoolSlot};
use crate::guest::exports::Initialise;
use crate::host::{Callbacks, Host, Recorder};
use crate::hostcalls::Exit;
use crate::link::LinkedCode;
use crate::os;
use crate::plugin::Plugin;
use crate::report::{Failure, FailureKind};
use crate::settings::Isolation;
use crate::state::{Phase, ROOT, State};

impl Instance {
    /// Creates an instance that has started: from the plugin's image, if there is one.
    ///
    /// # Errors
    /// The guest failed, or `vm_start` or `configure` returned false. The instance is gone already.
    pub(crate) fn start(plugin: &Plugin, host: &Rc<dyn Host>, counters: &Rc<VmCounters>) -> Result<Rc<Self>, Failure> {
        let prepared = plugin.prepared();
        if let Some(image) = prepared.image() {
            return Self::begin_from(image, plugin, host, counters);
        }
        let code = match plugin.settings().isolation {
            Isolation::Shared => &prepared.code,
            Isolation::Stream => prepared
                .pooled(&plugin.spec().module)
                .map_err(|error| failure(plugin, FailureKind::Start, error.to_string()))?,
        };
        Self::run_start(code, plugin, host, counters, None)
    }

    /// Creates an instance and runs its guest's start, whose calls a recorder notes.
    ///
    /// # Errors
    /// Those of [`Instance::start`].
    pub(crate) fn start_recorded(
        plugin: &Plugin,
        recorder: &Rc<Recorder>,
        counters: &Rc<VmCounters>,
    ) -> Result<Rc<Self>, Failure> {
        let host: Rc<dyn Host> = Rc::clone(recorder) as Rc<dyn Host>;
        Self::run_start(&plugin.prepared().code, plugin, &host, counters, Some(recorder))
    }

    fn run_start(
        code: &LinkedCode,
        plugin: &Plugin,
        host: &Rc<dyn Host>,
        counters: &Rc<VmCounters>,
        recorder: Option<&Rc<Recorder>>,
    ) -> Result<Rc<Self>, Failure> {
        let slot = match recorder {
            // A trial takes nothing from the pool.
            Some(_) => None,
            None => take_slot(plugin, host, counters)?,
        };
        let mut store = new_store(code, plugin, host, counters);
        store.data_mut().recorder = recorder.cloned();
        let guest = match instantiate(code, &mut store) {
            Ok(guest) => guest,
            Err(error) => return Err(instantiation_failed(plugin, host, counters, &error, store.data())),
        };
        let exports = code.exports.exports(&guest, &mut store);
        let origin = recorder.map(|_| Origin {
            globals: code.reserved.globals(&guest, &mut store),
        });
        let guest = Guest {
            store,
            exports,
            origin,
            slot,
        };
        let instance = Self::assemble(plugin, host, counters, guest);
        match instance.run_start_callbacks() {
            Ok(()) => Ok(instance),
            Err(failure) => {
                // The root context may not exist, so nothing of it ends.
                instance.status.set(InstanceStatus::Failed);
                Err(failure)
            }
        }
    }

    /// The instance around a guest.
    pub(super) fn assemble(plugin: &Plugin, host: &Rc<dyn Host>, counters: &Rc<VmCounters>, guest: Guest) -> Rc<Self> {
        let Guest {
            mut store,
            exports,
            origin,
            slot,
        } = guest;
        let state = store.data_mut();
        state.memory = exports.memory;
        state.allocate.clone_from(&exports.allocate);
        let (account, filter) = (Arc::clone(&state.account), state.filter.clone());
        let instance = Rc::new(Self {
            plugin: plugin.clone(),
            host: Rc::clone(host),
            store: RefCell::new(Some(store)),
            exports,
            origin,
            is_stateless: plugin
                .spec()
                .module
                .manifest()
                .is_some_and(|manifest| manifest.stateless),
            status: Cell::new(InstanceStatus::Active),
            filter,
            account,
            faults: RefCell::default(),
            any_fault: Cell::new(false),
            deferred: DeferredCalls::default(),
            counters: Rc::clone(counters),
            poison_requests: (plugin.settings().isolation == Isolation::Shared)
                .then(|| Arc::clone(&plugin.prepared().poison_requests)),
            started_at: host.now(),
            after_start: Cell::new(InstanceStatus::Active),
            failed_after: Cell::new(None),
            finished: Cell::new(0),
            waiting: Cell::new(0),
            root: Cell::new(RootState::Open),
            slot,
        });
        let callbacks: Weak<dyn Callbacks> = Rc::downgrade(&instance) as Weak<dyn Callbacks>;
        instance.with_state(|state| state.callbacks = Some(callbacks));
        instance
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
        if !self.host.is_trial() {
            tracing::error!(plugin = %self.plugin.name(), phase = phase.as_str(), "{}", failure.message);
        }
        self.record_failure(&failure, phase.as_str());
        Err(failure)
    }
}

/// A place for one more instance, if the plugin has a VM per stream.
pub(super) fn take_slot(
    plugin: &Plugin,
    host: &Rc<dyn Host>,
    counters: &Rc<VmCounters>,
) -> Result<Option<PoolSlot>, Failure> {
    let slot = plugin.prepared().pool_share.as_ref().map(PoolShare::take);
    slot.transpose().map_err(|held| {
        let message =
            format!("no VM is free: the streams of this plugin hold {held} instances, their share of the pool");
        let failure = failure(plugin, FailureKind::Unavailable, message);
        not_instantiated(plugin, host, counters, failure)
    })
}

/// An empty store for a guest, with its limits.
pub(super) fn new_store(
    code: &LinkedCode,
    plugin: &Plugin,
    host: &Rc<dyn Host>,
    counters: &VmCounters,
) -> Store<State> {
    let permitted = plugin.prepared().permitted;
    let state = State::new(plugin.clone(), Rc::clone(host), permitted, counters.account(plugin));
    let mut store = Store::new(code.instance.module().engine(), state);
    store.limiter(|state| &mut state.memory_limit);
    store.epoch_deadline_callback(on_epoch_deadline);
    store.set_epoch_deadline(1);
    store
}

/// Instantiates the code and runs its start function.
fn instantiate(code: &LinkedCode, store: &mut Store<State>) -> wasmtime::Result<wasmtime::Instance> {
    let guest = code.instance.instantiate(&mut *store)?;
    if let Some(start) = code.reserved.start(&guest, store) {
        start.call(&mut *store, ())?;
    }
    Ok(guest)
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
pub(super) fn instantiation_failed(
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
    if !host.is_trial() {
        tracing::error!(plugin = %plugin.name(), kind = failure.kind.as_str(), "{}", failure.message);
    }
    counters.failures.set(counters.failures.get() + 1);
    *counters.last_failure.borrow_mut() = Some(failure.message.clone());
    host.failed(plugin, &failure, Phase::Initialise.as_str());
    failure
}

/// A configuration's size for the guest. Nothing of 4 GiB is ever loaded.
fn size(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}
