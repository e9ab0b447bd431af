//! [`Vm`]: a plugin on one worker. It starts instances, and replaces one that failed or has outgrown its memory.

mod backoff;
mod instance;
mod report;
mod start_cost;
mod stream;
mod trial;

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lockgate_exchange::SharedExchange;

use self::backoff::Backoff;
use self::instance::{Instance, InstanceHandle, InstanceStatus, VmCounters, failure};
pub use self::report::{VmReport, VmState};
use self::start_cost::StartCost;
pub use self::stream::Stream;
pub use self::trial::StartMode;
use crate::calls::trace::CallTrace;
use crate::host::Host;
use crate::os;
use crate::plugin::{Fingerprint, Plugin, PoisonRequests};
use crate::report::{Failure, FailureKind, HostCallStats, VmEvent};
use crate::settings::Isolation;
use crate::state::Phase;

/// Minimum age of an instance to be recycled, because a start costs milliseconds.
const MIN_RECYCLE_AGE: Duration = Duration::from_secs(1);
/// A probe passes when its stream has been open for this long without a failure.
const PROBE_TIME: Duration = Duration::from_secs(1);

/// A plugin on one worker.
///
/// An instance that has trapped never runs again. The next stream starts a new one. If instances fail repeatedly, the next start
/// is delayed, and streams get [`FailureKind::Unavailable`]. After three delays the VM is quarantined: a new instance gets one
/// stream, and the others only after that one has passed. An instance beyond `limits.soft_memory` is recycled: it keeps its
/// streams, and a new instance takes new streams. With [`Isolation::Stream`], every stream has its own instance.
pub struct Vm {
    plugin: Plugin,
    host: Rc<dyn Host>,
    /// The shared instance, usable or not. `None` before the start, and with an instance per stream.
    current: RefCell<Option<InstanceHandle>>,
    /// Takes the place of an outgrown instance when its start is done.
    successor: RefCell<Option<InstanceHandle>>,
    /// Outgrown instances that may still have streams, oldest first.
    outgrown: RefCell<Vec<Weak<Instance>>>,
    backoff: RefCell<Backoff>,
    start_cost: RefCell<StartCost>,
    /// When the probing instance got its one stream.
    probe_started: Cell<Option<Instant>>,
    /// Whether a quarantine was reported that has not ended yet.
    quarantined: Cell<bool>,
    poison_requests: Arc<PoisonRequests>,
    counters: Rc<VmCounters>,
}

impl Vm {
    /// Creates a VM, which is not started yet.
    #[must_use]
    pub fn new(plugin: Plugin, host: Rc<dyn Host>) -> Rc<Self> {
        Rc::new(Self {
            poison_requests: Arc::clone(&plugin.prepared().poison_requests),
            counters: Rc::new(VmCounters::new(&plugin.settings().limits)),
            plugin,
            host,
            current: RefCell::default(),
            successor: RefCell::default(),
            outgrown: RefCell::default(),
            backoff: RefCell::default(),
            start_cost: RefCell::default(),
            probe_started: Cell::default(),
            quarantined: Cell::default(),
        })
    }

    /// The plugin.
    #[must_use]
    pub fn plugin(&self) -> &Plugin {
        &self.plugin
    }

    /// Starts an instance. With an instance per stream this is a trial, unless the plugin had one: the instance ends at once.
    ///
    /// # Errors
    /// The guest failed, or `vm_start` or `configure` returned false. The message has its last log lines.
    pub fn start(self: &Rc<Self>) -> Result<(), Failure> {
        let is_shared = self.plugin.settings().isolation == Isolation::Shared;
        if !is_shared && self.plugin.prepared().start().is_some() {
            return Ok(());
        }
        let instance = Instance::start(&self.plugin, &self.host, &self.counters)?;
        if is_shared {
            let old = self.current.replace(Some(InstanceHandle::new(instance)));
            // Ending an instance runs its guest, which may call this VM: nothing is borrowed any more.
            drop(old);
        }
        Ok(())
    }

    /// Opens a stream context for an exchange, whose `position` is the plugin's place in the chain.
    ///
    /// # Errors
    /// No instance is usable, the guest failed, or the request is blocked.
    pub fn open(self: &Rc<Self>, exchange: &SharedExchange) -> Result<Stream, Failure> {
        self.open_traced(exchange, None)
    }

    /// [`Vm::open`] for a request whose host calls may be traced.
    ///
    /// # Errors
    /// Those of [`Vm::open`].
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
            Isolation::Stream => {
                self.check_start_cost()?;
                self.started(InstanceHandle::new(self.start_instance()?))?
            }
        };
        Stream::open(instance, exchange, trace.cloned(), fingerprint)
    }

    /// The fingerprint of a request, after a recent trap; an error if the request is blocked.
    #[cold]
    fn check_poison(&self, exchange: &SharedExchange) -> Result<Option<Fingerprint>, Failure> {
        if exchange.borrow().tcp.is_some() {
            // Connections cannot be distinguished before their first byte.
            return Ok(None);
        }
        let fingerprint = self.poison_requests.fingerprint(&exchange.borrow().request);
        if self.poison_requests.blocks(fingerprint, self.host.now()) {
            let message = "the request is blocked: it has ended two VMs of this plugin".to_owned();
            return Err(self.refused(FailureKind::PoisonRequest, message));
        }
        Ok(Some(fingerprint))
    }

    /// The VM's report.
    #[must_use]
    pub fn report(&self) -> VmReport {
        let current = self.current.borrow();
        let running = current.as_ref().filter(|instance| instance.is_usable());
        let state = match running {
            Some(instance) if instance.status() == InstanceStatus::Probing => VmState::Quarantined,
            Some(instance) if instance.status() == InstanceStatus::Starting => VmState::Starting,
            Some(_) => VmState::Running,
            None if self.backoff.borrow().is_quarantined() => VmState::Quarantined,
            None if self.backoff.borrow().wait(self.host.now()).is_some() => VmState::BackingOff,
            None if self.start_cost.borrow().wait(self.host.now()).is_some() => VmState::BackingOff,
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

    /// The shared instance. One that has failed is replaced, unless the start is delayed.
    fn shared(&self) -> Result<InstanceHandle, Failure> {
        match &*self.current.borrow() {
            Some(instance) if instance.is_active() => return Ok(instance.clone()),
            _ => {}
        }
        self.other_instance()
    }

    /// The instance for a new stream if the current one does not simply take it.
    #[cold]
    fn other_instance(&self) -> Result<InstanceHandle, Failure> {
        let current = self.current.borrow().clone();
        match current {
            Some(instance) if instance.status() == InstanceStatus::Outgrown => Ok(self.recycle(instance)),
            Some(instance) if instance.status() == InstanceStatus::Probing => self.probe(instance),
            Some(instance) if instance.status() == InstanceStatus::Starting => self.started(instance),
            _ => self.replace(),
        }
    }

    /// The instance, unless its start is not done: what it would check with is not there yet.
    fn started(&self, instance: InstanceHandle) -> Result<InstanceHandle, Failure> {
        if instance.status() != InstanceStatus::Starting {
            return Ok(instance);
        }
        let waits_for = instance.callouts_of_start();
        let message = match self.plugin.settings().isolation {
            Isolation::Shared => format!("the plugin's start is not done: it waits for {waits_for} callouts"),
            Isolation::Stream => format!(
                "the plugin's start waits for {waits_for} callouts, which no VM of a single stream can: \"isolation\" must be \"shared\""
            ),
        };
        Err(self.refused(FailureKind::Unavailable, message))
    }

    /// A new instance for new streams. The old one ends with its last stream. If the old one is young, or the new one cannot be
    /// started, the old one goes on: it may grow up to its hard limit.
    fn recycle(&self, old: InstanceHandle) -> InstanceHandle {
        if old.age() < MIN_RECYCLE_AGE || self.start_cost.borrow().wait(self.host.now()).is_some() {
            return old;
        }
        if self.successor.borrow().is_none() {
            self.make_room();
        }
        match self.successor() {
            Some(fresh) if fresh.status() == InstanceStatus::Starting => {
                // The old one goes on until then.
                self.successor.replace(Some(fresh));
                old
            }
            Some(fresh) => {
                self.outgrown.borrow_mut().push(old.downgrade());
                let (streams, memory) = (self.counters.streams.get(), old.memory_bytes());
                tracing::info!(plugin = %self.plugin.name(), memory, streams, "VM above limits.soft_memory; new requests get a new VM");
                self.host.vm_event(&self.plugin, VmEvent::Recycled);
                // Ending an instance runs its guest, which may call this VM: nothing is borrowed any more.
                let before = self.current.replace(Some(fresh.clone()));
                drop(before);
                fresh
            }
            None => {
                old.set_status(InstanceStatus::Active);
                old
            }
        }
    }

    /// The instance that was started to take the place of an outgrown one, or a new one. None if it has failed.
    fn successor(&self) -> Option<InstanceHandle> {
        match self.successor.take() {
            Some(started) => started.is_usable().then_some(started),
            None => self.start_instance().ok().map(InstanceHandle::new),
        }
    }

    /// Ends outgrown instances, the oldest first, until there is room for a new one up to its soft limit. They live as long as
    /// their streams, which clients can keep open.
    fn make_room(&self) {
        let mut outgrown = self.outgrown.take();
        outgrown.retain(|instance| instance.strong_count() > 0);
        let mut outgrown = outgrown.into_iter();
        while !self.counters.has_room(self.plugin.settings().limits.soft_bytes())
            && let Some(oldest) = outgrown.next()
        {
            if let Some(oldest) = oldest.upgrade() {
                oldest.evict();
            }
        }
        self.outgrown.borrow_mut().extend(outgrown);
    }

    /// The probing instance has its one stream. Other streams get it after the probe has passed.
    fn probe(&self, instance: InstanceHandle) -> Result<InstanceHandle, Failure> {
        let Some(begun) = self.probe_started.get() else {
            self.probe_started.set(Some(self.host.now()));
            return Ok(instance);
        };
        let passed = instance.finished() > 0 || self.host.now().saturating_duration_since(begun) >= PROBE_TIME;
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
        if let Some(failed) = self.current.take() {
            let run = backoff::Run {
                age: failed.age(),
                streams: failed.finished(),
            };
            self.backoff.borrow_mut().failed(run, self.host.now(), jitter());
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
        self.check_start_cost()?;
        match self.start_instance() {
            Ok(instance) => {
                if quarantined {
                    instance.set_after_start(InstanceStatus::Probing);
                    if instance.is_active() {
                        instance.set_status(InstanceStatus::Probing);
                    }
                    self.probe_started.set(None);
                } else if self.quarantined.replace(false) {
                    self.host.vm_event(&self.plugin, VmEvent::Released);
                }
                let instance = InstanceHandle::new(instance);
                *self.current.borrow_mut() = Some(instance.clone());
                match instance.status() {
                    InstanceStatus::Probing => self.probe(instance),
                    _ => self.started(instance),
                }
            }
            Err(failure) => {
                self.backoff.borrow_mut().delay(self.host.now(), jitter());
                Err(failure)
            }
        }
    }

    /// The failure of a stream that gets no instance. It is counted as a failure of the plugin.
    fn refused(&self, kind: FailureKind, message: String) -> Failure {
        let failure = failure(&self.plugin, kind, message);
        self.host.failed(&self.plugin, &failure, Phase::ContextCreate.as_str());
        failure
    }
}

impl Drop for Vm {
    /// A quarantine ends with the VM.
    fn drop(&mut self) {
        if self.quarantined.get() {
            self.host.vm_event(&self.plugin, VmEvent::Released);
        }
    }
}

/// A number from 0 to 1, so that workers do not start instances at the same time.
fn jitter() -> f64 {
    let mut byte = [0];
    // Without randomness there is no jitter, which is no harm.
    let _ = os::random(&mut byte);
    f64::from(byte[0]) / 255.0
}
