//! A plugin on one worker: the instance that runs now, and its replacement when it fails.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use crate::backoff::{Backoff, Life};
use crate::exchange::SharedExchange;
use crate::failure::{Failure, FailureKind};
use crate::instance::{Instance, Record, failure};
use crate::os;
use crate::outside::Outside;
use crate::plugin::Plugin;
use crate::settings::Isolation;
use crate::stream::Stream;

/// A plugin on one worker.
///
/// An instance that traps is never run again. The next stream starts another one, after a pause if they keep trapping;
/// meanwhile streams get [`FailureKind::Unavailable`]. With [`Isolation::Stream`] every stream has an instance of its own.
pub struct Vm {
    plugin: Plugin,
    outside: Rc<dyn Outside>,
    /// The shared instance, alive or dead; none before the start and with an instance per stream.
    current: RefCell<Option<Rc<Instance>>>,
    backoff: RefCell<Backoff>,
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
}

impl VmState {
    /// A label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Running => "running",
            Self::BackingOff => "backing_off",
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
}

impl Vm {
    /// A VM that is not started yet.
    #[must_use]
    pub fn new(plugin: Plugin, outside: Rc<dyn Outside>) -> Rc<Self> {
        Rc::new(Self {
            plugin,
            outside,
            current: RefCell::default(),
            backoff: RefCell::default(),
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
            let old = self.current.replace(Some(instance));
            // Ending an instance runs its guest, and that may come back here: nothing is borrowed any more.
            drop(old);
        }
        Ok(())
    }

    /// Opens a stream context for an exchange, whose `position` is the plugin's place in the chain.
    ///
    /// # Errors
    /// There is no VM now, or the guest failed.
    pub fn open(self: &Rc<Self>, exchange: &SharedExchange) -> Result<Stream, Failure> {
        let instance = match self.plugin.spec().isolation {
            Isolation::Shared => self.shared()?,
            Isolation::Stream => Instance::start(&self.plugin, &self.outside, &self.record)?,
        };
        Stream::open(instance, exchange)
    }

    /// How it is.
    #[must_use]
    pub fn report(&self) -> VmReport {
        let current = self.current.borrow();
        let running = current.as_ref().filter(|instance| instance.is_alive());
        let state = match running {
            Some(_) => VmState::Running,
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
        }
    }

    /// The instance that all streams share, replaced if it has died and may be.
    fn shared(&self) -> Result<Rc<Instance>, Failure> {
        match &*self.current.borrow() {
            Some(instance) if instance.is_alive() => return Ok(Rc::clone(instance)),
            _ => {}
        }
        self.replace()
    }

    #[cold]
    fn replace(&self) -> Result<Rc<Instance>, Failure> {
        if let Some(dead) = self.current.take() {
            let life = Life {
                age: dead.age(),
                streams: dead.finished(),
            };
            self.backoff.borrow_mut().died(life, self.outside.now(), chance());
        }
        if let Some(wait) = self.backoff.borrow().wait(self.outside.now()) {
            let last = self.record.last_failure.borrow().clone().unwrap_or_default();
            let message = format!(
                "not started again for another {} ms, as it failed: {last}",
                wait.as_millis()
            );
            return Err(failure(&self.plugin, FailureKind::Unavailable, message));
        }
        match Instance::start(&self.plugin, &self.outside, &self.record) {
            Ok(instance) => {
                *self.current.borrow_mut() = Some(Rc::clone(&instance));
                Ok(instance)
            }
            Err(failure) => {
                self.backoff.borrow_mut().failed(self.outside.now(), chance());
                Err(failure)
            }
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
