//! A plugin on one worker: the instance that runs now, and its replacement when it fails.

mod backoff;
mod instance;
mod stream;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lockgate_exchange::SharedExchange;

use self::backoff::Backoff;
use self::instance::{Instance, InstanceHandle, InstanceStatus, VmCounters, failure};
pub use self::stream::Stream;
use crate::calls::trace::CallTrace;
use crate::host::Host;
use crate::os;
use crate::plugin::{Fingerprint, Plugin, PoisonRequests};
use crate::report::{Failure, FailureKind, HostCallStats, TrapReport, VmEvent};
use crate::settings::Isolation;
use crate::state::Phase;

/// An instance younger than this is not relieved, however fast it grows: starting one costs milliseconds.
const MIN_RECYCLE_AGE: Duration = Duration::from_secs(1);
/// A stream that is open for so long without a failure has come through its probation.
const PROBE_TIME: Duration = Duration::from_secs(1);

/// A plugin on one worker.
///
/// An instance that traps is never run again. The next stream starts another one, after a pause if they keep trapping;
/// meanwhile streams get [`FailureKind::Unavailable`]. After three such pauses the VM is in quarantine: the next instance gets one
/// stream, and all others only when that one has come through. An instance that has outgrown `limits.soft_memory` keeps the
/// streams that it has, and a fresh one takes those that come. With [`Isolation::Stream`] every stream has an instance of its own.
pub struct Vm {
    plugin: Plugin,
    host: Rc<dyn Host>,
    /// The shared instance, alive or dead; none before the start and with an instance per stream.
    current: RefCell<Option<InstanceHandle>>,
    backoff: RefCell<Backoff>,
    /// When the one stream of an instance on probation was let in.
    probe_started: Cell<Option<Instant>>,
    /// Whether the operator was told of a quarantine that has not ended yet.
    quarantined: Cell<bool>,
    poison_requests: Arc<PoisonRequests>,
    counters: Rc<VmCounters>,
}

/// What a VM is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VmState {
    /// Not started yet, or waiting for a stream to start it.
    Idle,
    /// Serving.
    Running,
    /// It keeps failing, and is not tried again before some time has gone by.
    BackingOff,
    /// It has failed so often that one request at a time tries it.
    Quarantined,
}

impl VmState {
    /// A label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Running => "running",
            Self::BackingOff => "backing_off",
            Self::Quarantined => "quarantined",
        }
    }
}

/// How a VM is, for an operator.
#[derive(Clone, Debug)]
pub struct VmReport {
    /// What it is doing.
    pub state: VmState,
    /// How long the current instance has been running.
    pub age: Duration,
    /// The current instance's linear memory, in bytes.
    pub memory: u64,
    /// Open stream contexts.
    pub streams: usize,
    /// Failures that ended an instance, or kept one from starting, since the VM was made.
    pub traps: u64,
    /// The last of them.
    pub last_failure: Option<String>,
    /// What its instances had the host do, those that are gone included.
    pub host_calls: HostCallStats,
    /// The latest traps, oldest first; at most 16.
    pub last_traps: Vec<TrapReport>,
}

impl Vm {
    /// A VM that is not started yet.
    #[must_use]
    pub fn new(plugin: Plugin, host: Rc<dyn Host>) -> Rc<Self> {
        Rc::new(Self {
            poison_requests: Arc::clone(&plugin.prepared().poison_requests),
            plugin,
            host,
            current: RefCell::default(),
            backoff: RefCell::default(),
            probe_started: Cell::default(),
            quarantined: Cell::default(),
            counters: Rc::default(),
        })
    }

    /// The plugin.
    #[must_use]
    pub fn plugin(&self) -> &Plugin {
        &self.plugin
    }

    /// Starts it, whatever had happened before. With an instance per stream this is a trial, whose instance is gone afterwards.
    ///
    /// # Errors
    /// The guest failed, or its `vm_start` or `configure` said no; then its last log lines are in the message.
    pub fn start(self: &Rc<Self>) -> Result<(), Failure> {
        let instance = Instance::start(&self.plugin, &self.host, &self.counters)?;
        if self.plugin.settings().isolation == Isolation::Shared {
            let old = self.current.replace(Some(InstanceHandle::new(instance)));
            // Ending an instance runs its guest, and that may come back here: nothing is borrowed any more.
            drop(old);
        }
        Ok(())
    }

    /// Opens a stream context for an exchange, whose `position` is the plugin's place in the chain.
    ///
    /// # Errors
    /// There is no VM now, or the guest failed, or this request has ended too many VMs.
    pub fn open(self: &Rc<Self>, exchange: &SharedExchange) -> Result<Stream, Failure> {
        self.open_traced(exchange, None)
    }

    /// The same for a request whose host calls may be logged.
    ///
    /// # Errors
    /// As [`Vm::open`].
    pub fn open_traced(
        self: &Rc<Self>,
        exchange: &SharedExchange,
        trace: Option<&Rc<CallTrace>>,
    ) -> Result<Stream, Failure> {
        let fingerprint = if self.poison_requests.is_watching() {
            self.check_poison(exchange)?
        } else {
            None
        };
        let instance = match self.plugin.settings().isolation {
            Isolation::Shared => self.shared()?,
            Isolation::Stream => InstanceHandle::new(Instance::start(&self.plugin, &self.host, &self.counters)?),
        };
        Stream::open(instance, exchange, trace.cloned(), fingerprint)
    }

    /// There was a trap of late: takes down what the request is known by, and keeps it away if it has ended too many VMs.
    #[cold]
    fn check_poison(&self, exchange: &SharedExchange) -> Result<Option<Fingerprint>, Failure> {
        if exchange.borrow().tcp.is_some() {
            // Connections have nothing to be told apart by before their first byte.
            return Ok(None);
        }
        let fingerprint = self.poison_requests.fingerprint(&exchange.borrow().request);
        if self.poison_requests.blocks(fingerprint, self.host.now()) {
            let message = "the request is blocked: it has ended two VMs of this plugin".to_owned();
            return Err(self.refused(FailureKind::PoisonRequest, message));
        }
        Ok(Some(fingerprint))
    }

    /// How it is.
    #[must_use]
    pub fn report(&self) -> VmReport {
        let current = self.current.borrow();
        let running = current.as_ref().filter(|instance| instance.is_usable());
        let state = match running {
            Some(instance) if instance.status() == InstanceStatus::Probing => VmState::Quarantined,
            Some(_) => VmState::Running,
            None if self.backoff.borrow().is_quarantined() => VmState::Quarantined,
            None if self.backoff.borrow().wait(self.host.now()).is_some() => VmState::BackingOff,
            None => VmState::Idle,
        };
        VmReport {
            state,
            age: running.map_or(Duration::ZERO, |instance| instance.age()),
            memory: running.map_or(0, |instance| instance.memory_bytes()),
            streams: self.counters.streams.get(),
            traps: self.counters.failures.get(),
            last_failure: self.counters.last_failure.borrow().clone(),
            host_calls: running
                .map_or(HostCallStats::default(), |instance| instance.host_calls())
                .add(self.counters.host_calls.get()),
            last_traps: self.counters.traps.borrow().iter().cloned().collect(),
        }
    }

    /// The instance that all streams share, replaced if it has died and may be.
    fn shared(&self) -> Result<InstanceHandle, Failure> {
        match &*self.current.borrow() {
            Some(instance) if instance.is_active() => return Ok(instance.clone()),
            _ => {}
        }
        self.other_instance()
    }

    /// The instance does not simply serve.
    #[cold]
    fn other_instance(&self) -> Result<InstanceHandle, Failure> {
        let current = self.current.borrow().clone();
        match current {
            Some(instance) if instance.status() == InstanceStatus::Outgrown => Ok(self.recycle(instance)),
            Some(instance) if instance.status() == InstanceStatus::Probing => self.probe(instance),
            _ => self.replace(),
        }
    }

    /// A fresh instance for new streams; the old one ends with its last stream. If none can be had, or the last one was had only
    /// just now, the old one goes on: it still has room up to its hard limit.
    fn recycle(&self, old: InstanceHandle) -> InstanceHandle {
        if old.age() < MIN_RECYCLE_AGE {
            return old;
        }
        match Instance::start(&self.plugin, &self.host, &self.counters) {
            Ok(fresh) => {
                let fresh = InstanceHandle::new(fresh);
                let (streams, memory) = (self.counters.streams.get(), old.memory_bytes());
                tracing::info!(plugin = %self.plugin.name(), memory, streams, "VM above limits.soft_memory; new requests get a new VM");
                self.host.vm_event(&self.plugin, VmEvent::Recycled);
                // Ending an instance runs its guest, and that may come back here: nothing is borrowed any more.
                let before = self.current.replace(Some(fresh.clone()));
                drop(before);
                fresh
            }
            Err(_) => {
                old.set_status(InstanceStatus::Active);
                old
            }
        }
    }

    /// One stream has been let into an instance on probation; the next one waits for how it fared.
    fn probe(&self, instance: InstanceHandle) -> Result<InstanceHandle, Failure> {
        let begun = self.probe_started.get();
        let passed = instance.finished() > 0
            || begun.is_some_and(|begun| self.host.now().saturating_duration_since(begun) >= PROBE_TIME);
        if passed {
            instance.set_status(InstanceStatus::Active);
            if self.quarantined.replace(false) {
                tracing::warn!(plugin = %self.plugin.name(), "plugin released from quarantine");
                self.host.vm_event(&self.plugin, VmEvent::Released);
            }
            return Ok(instance);
        }
        let message = "the plugin is in quarantine, and another request is trying it".to_owned();
        Err(self.refused(FailureKind::Unavailable, message))
    }

    fn replace(&self) -> Result<InstanceHandle, Failure> {
        if let Some(dead) = self.current.take() {
            let life = backoff::Life {
                age: dead.age(),
                streams: dead.finished(),
            };
            self.backoff.borrow_mut().died(life, self.host.now(), chance());
        }
        let quarantined = self.backoff.borrow().is_quarantined();
        if quarantined && !self.quarantined.replace(true) {
            tracing::error!(plugin = %self.plugin.name(), "plugin quarantined after repeated failures: one request at a time tries it");
            self.host.vm_event(&self.plugin, VmEvent::Quarantined);
        }
        if let Some(wait) = self.backoff.borrow().wait(self.host.now()) {
            let last = self.counters.last_failure.borrow().clone().unwrap_or_default();
            let message = format!(
                "no new VM for another {} ms after repeated failures: {last}",
                wait.as_millis()
            );
            return Err(self.refused(FailureKind::Unavailable, message));
        }
        match Instance::start(&self.plugin, &self.host, &self.counters) {
            Ok(instance) => {
                if quarantined {
                    instance.set_status(InstanceStatus::Probing);
                    self.probe_started.set(Some(self.host.now()));
                } else if self.quarantined.replace(false) {
                    self.host.vm_event(&self.plugin, VmEvent::Released);
                }
                let instance = InstanceHandle::new(instance);
                *self.current.borrow_mut() = Some(instance.clone());
                Ok(instance)
            }
            Err(failure) => {
                self.backoff.borrow_mut().failed(self.host.now(), chance());
                Err(failure)
            }
        }
    }

    /// A stream that is not let in. Counted, as the operator should see what a plugin's failures cost.
    fn refused(&self, kind: FailureKind, message: String) -> Failure {
        let failure = failure(&self.plugin, kind, message);
        self.host.failed(&self.plugin, &failure, Phase::ContextCreate.as_str());
        failure
    }
}

impl Drop for Vm {
    /// A quarantine ends with the plugin.
    fn drop(&mut self) {
        if self.quarantined.get() {
            self.host.vm_event(&self.plugin, VmEvent::Released);
        }
    }
}

/// A number from 0 to 1, so that workers do not start VMs in step.
fn chance() -> f64 {
    let mut byte = [0];
    // Without randomness there is no jitter, which is no harm.
    let _ = os::random(&mut byte);
    f64::from(byte[0]) / 255.0
}
