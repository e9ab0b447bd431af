//! A plugin on one worker: the instance that runs now, and its replacement when it fails.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lockgate_exchange::SharedExchange;

use crate::backoff::{self, Backoff};
use crate::failure::{Failure, FailureKind};
use crate::incident::VmEvent;
use crate::instance::{Hold, Instance, Life, Record, failure};
use crate::os;
use crate::outside::Host;
use crate::plugin::Plugin;
use crate::report::{HostCallStats, TrapReport};
use crate::settings::Isolation;
use crate::state::Phase;
use crate::stream::Stream;
use crate::suspects::{Fingerprint, Suspects};
use crate::trace::CallTrace;

/// An instance younger than this is not relieved, however fast it grows: starting one costs milliseconds.
const SHORTEST_LIFE: Duration = Duration::from_secs(1);
/// A stream that is open for so long without a failure has come through its probation.
const LONGEST_PROBE: Duration = Duration::from_secs(1);

/// A plugin on one worker.
///
/// An instance that traps is never run again. The next stream starts another one, after a pause if they keep trapping;
/// meanwhile streams get [`FailureKind::Unavailable`]. After three such pauses the VM is in quarantine: the next instance gets one
/// stream, and all others only when that one has come through. An instance that has outgrown `limits.soft_memory` keeps the
/// streams that it has, and a fresh one takes those that come. With [`Isolation::Stream`] every stream has an instance of its own.
pub struct Vm {
    plugin: Plugin,
    outside: Rc<dyn Host>,
    /// The shared instance, alive or dead; none before the start and with an instance per stream.
    current: RefCell<Option<Hold>>,
    backoff: RefCell<Backoff>,
    /// When the one stream of an instance on probation was let in.
    probed: Cell<Option<Instant>>,
    /// Whether the operator was told of a quarantine that has not ended yet.
    quarantined: Cell<bool>,
    suspects: Arc<Suspects>,
    record: Rc<Record>,
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
    pub fn new(plugin: Plugin, outside: Rc<dyn Host>) -> Rc<Self> {
        Rc::new(Self {
            suspects: Arc::clone(&plugin.prepared().suspects),
            plugin,
            outside,
            current: RefCell::default(),
            backoff: RefCell::default(),
            probed: Cell::default(),
            quarantined: Cell::default(),
            record: Rc::default(),
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
        let instance = Instance::start(&self.plugin, &self.outside, &self.record)?;
        if self.plugin.spec().isolation == Isolation::Shared {
            let old = self.current.replace(Some(Hold::new(instance)));
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
        let print = if self.suspects.is_watching() {
            self.vet(exchange)?
        } else {
            None
        };
        let instance = match self.plugin.spec().isolation {
            Isolation::Shared => self.shared()?,
            Isolation::Stream => Hold::new(Instance::start(&self.plugin, &self.outside, &self.record)?),
        };
        Stream::open(instance, exchange, trace.cloned(), print)
    }

    /// There was a trap of late: takes down what the request is known by, and keeps it away if it has ended too many VMs.
    #[cold]
    fn vet(&self, exchange: &SharedExchange) -> Result<Option<Fingerprint>, Failure> {
        if exchange.borrow().tcp.is_some() {
            // Connections have nothing to be told apart by before their first byte.
            return Ok(None);
        }
        let print = self.suspects.fingerprint(&exchange.borrow().request);
        if self.suspects.shuns(print, self.outside.now()) {
            let message = "the request is blocked: it has ended two VMs of this plugin".to_owned();
            return Err(self.refused(FailureKind::PoisonRequest, message));
        }
        Ok(Some(print))
    }

    /// How it is.
    #[must_use]
    pub fn report(&self) -> VmReport {
        let current = self.current.borrow();
        let running = current.as_ref().filter(|instance| instance.is_alive());
        let state = match running {
            Some(instance) if instance.life() == Life::Probing => VmState::Quarantined,
            Some(_) => VmState::Running,
            None if self.backoff.borrow().is_quarantined() => VmState::Quarantined,
            None if self.backoff.borrow().wait(self.outside.now()).is_some() => VmState::BackingOff,
            None => VmState::Idle,
        };
        VmReport {
            state,
            age: running.map_or(Duration::ZERO, |instance| instance.age()),
            memory: running.map_or(0, |instance| instance.memory_bytes()),
            streams: self.record.streams.get(),
            traps: self.record.deaths.get(),
            last_failure: self.record.last_failure.borrow().clone(),
            host_calls: running
                .map_or(HostCallStats::default(), |instance| instance.host_calls())
                .add(self.record.host_calls.get()),
            last_traps: self.record.traps.borrow().iter().cloned().collect(),
        }
    }

    /// The instance that all streams share, replaced if it has died and may be.
    fn shared(&self) -> Result<Hold, Failure> {
        match &*self.current.borrow() {
            Some(instance) if instance.is_serving() => return Ok(instance.clone()),
            _ => {}
        }
        self.another()
    }

    /// The instance does not simply serve.
    #[cold]
    fn another(&self) -> Result<Hold, Failure> {
        let current = self.current.borrow().clone();
        match current {
            Some(instance) if instance.life() == Life::Outgrown => Ok(self.relieve(instance)),
            Some(instance) if instance.life() == Life::Probing => self.probe(instance),
            _ => self.replace(),
        }
    }

    /// A fresh instance for new streams; the old one ends with its last stream. If none can be had, or the last one was had only
    /// just now, the old one goes on: it still has room up to its hard limit.
    fn relieve(&self, old: Hold) -> Hold {
        if old.age() < SHORTEST_LIFE {
            return old;
        }
        match Instance::start(&self.plugin, &self.outside, &self.record) {
            Ok(fresh) => {
                let fresh = Hold::new(fresh);
                let (streams, memory) = (self.record.streams.get(), old.memory_bytes());
                tracing::info!(plugin = %self.plugin.name(), memory, streams, "VM above limits.soft_memory; new requests get a new VM");
                self.outside.vm_event(&self.plugin, VmEvent::Recycled);
                // Ending an instance runs its guest, and that may come back here: nothing is borrowed any more.
                let before = self.current.replace(Some(fresh.clone()));
                drop(before);
                fresh
            }
            Err(_) => {
                old.set_life(Life::Serving);
                old
            }
        }
    }

    /// One stream has been let into an instance on probation; the next one waits for how it fared.
    fn probe(&self, instance: Hold) -> Result<Hold, Failure> {
        let begun = self.probed.get();
        let passed = instance.finished() > 0
            || begun.is_some_and(|begun| self.outside.now().saturating_duration_since(begun) >= LONGEST_PROBE);
        if passed {
            instance.set_life(Life::Serving);
            if self.quarantined.replace(false) {
                tracing::warn!(plugin = %self.plugin.name(), "plugin released from quarantine");
                self.outside.vm_event(&self.plugin, VmEvent::Released);
            }
            return Ok(instance);
        }
        let message = "the plugin is in quarantine, and another request is trying it".to_owned();
        Err(self.refused(FailureKind::Unavailable, message))
    }

    fn replace(&self) -> Result<Hold, Failure> {
        if let Some(dead) = self.current.take() {
            let life = backoff::Life {
                age: dead.age(),
                streams: dead.finished(),
            };
            self.backoff.borrow_mut().died(life, self.outside.now(), chance());
        }
        let quarantined = self.backoff.borrow().is_quarantined();
        if quarantined && !self.quarantined.replace(true) {
            tracing::error!(plugin = %self.plugin.name(), "plugin quarantined after repeated failures: one request at a time tries it");
            self.outside.vm_event(&self.plugin, VmEvent::Quarantined);
        }
        if let Some(wait) = self.backoff.borrow().wait(self.outside.now()) {
            let last = self.record.last_failure.borrow().clone().unwrap_or_default();
            let message = format!(
                "no new VM for another {} ms after repeated failures: {last}",
                wait.as_millis()
            );
            return Err(self.refused(FailureKind::Unavailable, message));
        }
        match Instance::start(&self.plugin, &self.outside, &self.record) {
            Ok(instance) => {
                if quarantined {
                    instance.set_life(Life::Probing);
                    self.probed.set(Some(self.outside.now()));
                } else if self.quarantined.replace(false) {
                    self.outside.vm_event(&self.plugin, VmEvent::Released);
                }
                let instance = Hold::new(instance);
                *self.current.borrow_mut() = Some(instance.clone());
                Ok(instance)
            }
            Err(failure) => {
                self.backoff.borrow_mut().failed(self.outside.now(), chance());
                Err(failure)
            }
        }
    }

    /// A stream that is not let in. Counted, as the operator should see what a plugin's failures cost.
    fn refused(&self, kind: FailureKind, message: String) -> Failure {
        let failure = failure(&self.plugin, kind, message);
        self.outside
            .failed(&self.plugin, &failure, Phase::ContextCreate.as_str());
        failure
    }
}

impl Drop for Vm {
    /// A quarantine ends with the plugin.
    fn drop(&mut self) {
        if self.quarantined.get() {
            self.outside.vm_event(&self.plugin, VmEvent::Released);
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
