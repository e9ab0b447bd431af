//! What the sandbox needs from outside, as one trait: logs, callouts, timers, shared data, queues, metrics, foreign
//! functions. The gateway implements it once per worker; this crate has no sockets and no clocks that fire.
//! Clocks and random bytes are the system's unless the outside has others, as where plugins are rehearsed.
//!
//! Also the handles by which the outside answers: [`CalloutReply`], [`TickTarget`], [`QueueTarget`]. They hold a VM
//! weakly: a VM that is gone answers nothing. Only [`DrainingVm`] keeps one alive.

mod grpc;
mod no_effect;

use std::rc::{Rc, Weak};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use lockgate_abi::{LogLevel, MetricKind, Status};
use lockgate_exchange::{RequestHead, SharedExchange};

use crate::os;
use crate::plugin::Plugin;
use crate::report::{Failure, Refusal, VmEvent};

pub use grpc::{GrpcCall, GrpcEvent, GrpcKind, GrpcReply, GrpcStream};
pub use no_effect::NoEffectHost;

/// The world around the VMs of one worker.
///
/// Every method is called from inside of a host call or callback, so none may block. None needs to be reentrant: a VM that
/// is called while it runs puts the call off.
pub trait Host {
    /// The time of day that guests are told.
    fn time(&self) -> SystemTime {
        SystemTime::now()
    }

    /// The clock that durations are measured by, but for CPU time.
    fn now(&self) -> Instant {
        Instant::now()
    }

    /// Fills a buffer with the random bytes that guests get; false if there are none to be had.
    fn random(&self, buffer: &mut [u8]) -> bool {
        os::random(buffer)
    }

    /// A line that a guest wrote, already cut to a bounded length and rate.
    fn log(&self, plugin: &Plugin, level: LogLevel, message: &str);

    /// The least level that [`Host::log`] wants; guests ask for it.
    fn log_level(&self) -> LogLevel;

    /// Starts an HTTP callout and returns at once. `reply` is delivered later, or dropped when nobody wants it any more.
    ///
    /// # Errors
    /// [`Status::BadArgument`] for an unknown upstream; [`Status::InternalFailure`] if it cannot be started.
    fn callout(&self, plugin: &Plugin, callout: Callout, reply: CalloutReply) -> Result<(), Status>;

    /// Opens a gRPC call or stream and returns at once. Its events go to `reply`, never from within this call.
    ///
    /// # Errors
    /// [`Status::ParseFailure`] for an unknown upstream; [`Status::InternalFailure`] if it cannot be opened, as where there is no
    /// network at all.
    fn grpc(&self, plugin: &Plugin, call: GrpcCall, reply: GrpcReply) -> Result<Box<dyn GrpcStream>, Status> {
        let _ = (plugin, call, reply);
        Err(Status::InternalFailure)
    }

    /// Calls `target.tick()` each `period`, until it answers false or another period is set for the same target.
    /// `None` stops it.
    fn set_tick(&self, target: TickTarget, period: Option<Duration>);

    /// A value and its version, from the space that plugins of one `vm_id` share.
    fn shared_data(&self, vm_id: &str, key: &str) -> Option<(Bytes, u32)>;

    /// Writes a value; `cas` 0 writes always, another one only over that version.
    ///
    /// # Errors
    /// [`Status::CasMismatch`] when the version is another; [`Status::InternalFailure`] when a bound is reached.
    fn set_shared_data(&self, vm_id: &str, key: &str, value: &[u8], cas: u32) -> Result<(), Status>;

    /// Makes a queue, or finds it, and has `ready` told when something was put in.
    ///
    /// # Errors
    /// [`Status::InternalFailure`] when a bound is reached.
    fn register_queue(&self, vm_id: &str, name: &str, ready: QueueTarget) -> Result<u32, Status>;

    /// The id of a queue that somebody has registered.
    fn resolve_queue(&self, vm_id: &str, name: &str) -> Option<u32>;

    /// Puts bytes at the end of a queue.
    ///
    /// # Errors
    /// [`Status::NotFound`] for an unknown queue; [`Status::InternalFailure`] when it is full.
    fn enqueue(&self, queue: u32, value: &[u8]) -> Result<(), Status>;

    /// Takes bytes from the front of a queue.
    ///
    /// # Errors
    /// [`Status::NotFound`] for an unknown queue, [`Status::Empty`] for an empty one.
    fn dequeue(&self, queue: u32) -> Result<Bytes, Status>;

    /// Makes a metric, or finds it.
    ///
    /// # Errors
    /// [`Status::BadArgument`] for another kind than it has or a name it cannot have; [`Status::InternalFailure`] when
    /// there are too many.
    fn define_metric(&self, plugin: &Plugin, kind: MetricKind, name: &str) -> Result<u32, Status>;

    /// Adds to a counter or a gauge.
    ///
    /// # Errors
    /// [`Status::NotFound`] for an unknown metric, [`Status::BadArgument`] for a falling counter or a histogram.
    fn increment_metric(&self, metric: u32, offset: i64) -> Result<(), Status>;

    /// Adds to a counter, sets a gauge, records in a histogram.
    ///
    /// # Errors
    /// [`Status::NotFound`] for an unknown metric.
    fn record_metric(&self, metric: u32, value: u64) -> Result<(), Status>;

    /// Reads a counter or a gauge.
    ///
    /// # Errors
    /// [`Status::NotFound`] for an unknown metric, [`Status::BadArgument`] for a histogram.
    fn metric(&self, metric: u32) -> Result<u64, Status>;

    /// Calls one of the host's own functions. `exchange` is that of the stream on whose behalf the guest runs.
    ///
    /// # Errors
    /// [`Status::NotFound`] for an unknown function, else what the function says.
    fn foreign(
        &self,
        plugin: &Plugin,
        name: &str,
        argument: &[u8],
        exchange: Option<&SharedExchange>,
    ) -> Result<Vec<u8>, Status>;

    /// Whether a property whose name starts with `lockgate.` may get this value.
    ///
    /// # Errors
    /// [`Status::BadArgument`] if not.
    fn check_property(&self, plugin: &Plugin, name: &str, value: &[u8]) -> Result<(), Status>;

    /// A VM that nobody needs any more has a context that is not done yet: it is to be kept for a while. Here it ends at once.
    fn drain(&self, vm: DrainingVm) {
        drop(vm);
    }

    /// A plugin has failed. For counting: the sandbox has already logged where and why.
    fn failed(&self, plugin: &Plugin, failure: &Failure, phase: &str);

    /// A plugin was refused something so many times. For counting: the sandbox has already logged what, at a bounded rate.
    fn refused(&self, _plugin: &Plugin, _what: Refusal, _times: u64) {}

    /// A plugin's VM has come to a turn. For counting.
    fn vm_event(&self, _plugin: &Plugin, _event: VmEvent) {}
}

/// An HTTP request that a plugin wants to be made.
#[derive(Clone, Debug)]
pub struct Callout {
    /// The upstream's name.
    pub upstream: String,
    /// What the plugin gave, pseudo-headers split off and everything checked as header writes are.
    pub head: RequestHead,
    /// The whole body.
    pub body: Bytes,
    /// Trailers, if it gave any.
    pub trailers: Option<HeaderMap>,
    /// From the start to the last byte of the answer.
    pub timeout: Duration,
}

/// What came of a callout.
pub type CalloutResult = Result<CalloutResponse, CalloutFailure>;

/// The answer to a callout, whole.
#[derive(Clone, Debug)]
pub struct CalloutResponse {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body. Its bound is the caller's.
    pub body: Bytes,
    /// Trailers, if any came.
    pub trailers: Option<HeaderMap>,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CalloutFailure {
    /// It took too long.
    Timeout,
    /// The upstream could not be reached, or broke off.
    Failed,
}

/// Where a callout's answer goes: to one callback, once. Dropped without an answer, it tells that the callout failed.
pub struct CalloutReply {
    /// Taken by the answer.
    callbacks: Option<Weak<dyn Callbacks>>,
    id: u32,
}

impl CalloutReply {
    pub(crate) fn new(callbacks: Weak<dyn Callbacks>, id: u32) -> Self {
        Self {
            callbacks: Some(callbacks),
            id,
        }
    }

    /// Runs the guest's callback, now or when its VM is free. Nothing happens if nobody wants it any more.
    pub fn deliver(mut self, result: CalloutResult) {
        self.answer(result);
    }

    /// False once the stream that asked, or its VM, is gone.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.callbacks
            .as_ref()
            .and_then(Weak::upgrade)
            .is_some_and(|callbacks| callbacks.waits_for(self.id))
    }

    fn answer(&mut self, result: CalloutResult) {
        if let Some(callbacks) = self.callbacks.take().and_then(|callbacks| callbacks.upgrade()) {
            callbacks.callout(self.id, result);
        }
    }
}

impl Drop for CalloutReply {
    fn drop(&mut self) {
        self.answer(Err(CalloutFailure::Failed));
    }
}

/// Whose `proxy_on_tick` to call: the one root context of a VM.
#[derive(Clone)]
pub struct TickTarget {
    callbacks: Weak<dyn Callbacks>,
    key: u64,
}

impl TickTarget {
    pub(crate) fn new(callbacks: Weak<dyn Callbacks>, key: u64) -> Self {
        Self { callbacks, key }
    }

    /// Names the target: a target with the same key replaces this one's timer. Unique in the process.
    #[must_use]
    pub fn key(&self) -> u64 {
        self.key
    }

    /// Runs the guest's callback, now or when its VM is free. False when the VM is gone: stop the timer.
    #[must_use]
    pub fn tick(&self) -> bool {
        self.callbacks.upgrade().is_some_and(|callbacks| callbacks.tick())
    }
}

/// Whose `proxy_on_queue_ready` to call.
#[derive(Clone)]
pub struct QueueTarget {
    callbacks: Weak<dyn Callbacks>,
}

impl QueueTarget {
    pub(crate) fn new(callbacks: Weak<dyn Callbacks>) -> Self {
        Self { callbacks }
    }

    /// Runs the guest's callback, now or when its VM is free. False when the VM is gone: forget the target.
    #[must_use]
    pub fn ready(&self, queue: u32) -> bool {
        self.callbacks
            .upgrade()
            .is_some_and(|callbacks| callbacks.queue_ready(queue))
    }
}

/// A VM that serves nothing any more, but has a context whose `done` said "not yet". Its ticks and callouts go on. Dropped, it ends
/// at once, whatever it waits for.
pub struct DrainingVm(Rc<dyn Draining>);

impl DrainingVm {
    pub(crate) fn new(vm: Rc<dyn Draining>) -> Self {
        Self(vm)
    }

    /// Whether it has said meanwhile that it is done, or has died.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.0.is_over()
    }

    /// The plugin's name.
    #[must_use]
    pub fn plugin(&self) -> &str {
        self.0.plugin()
    }
}

/// The side of a VM that [`DrainingVm`] looks at.
pub(crate) trait Draining {
    fn is_over(&self) -> bool;
    fn plugin(&self) -> &str;
}

/// The side of a VM that the handles above talk to.
pub(crate) trait Callbacks {
    fn callout(&self, id: u32, result: CalloutResult);
    fn grpc(&self, id: u32, event: GrpcEvent);
    fn waits_for(&self, id: u32) -> bool;
    fn tick(&self) -> bool;
    fn queue_ready(&self, queue: u32) -> bool;
}
