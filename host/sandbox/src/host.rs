//! [`Host`]: what the sandbox needs from its embedder. Logs, callouts, timers, shared data, queues, metrics, foreign functions.
//!
//! The gateway implements it once per worker. This crate has no sockets and no timers. Clock and random bytes are the system's by
//! default.
//!
//! Handles lead back into a VM: [`CalloutReply`], [`GrpcReply`], [`TickTarget`], [`QueueTarget`], [`ForeignTarget`]. They hold it weakly, so that
//! none of them keeps a VM in memory. Only [`DrainingVm`] does.

mod grpc;
mod guest_ids;
mod no_effect;
mod recorder;

use std::any::Any;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use lockgate_abi::{LogLevel, MetricKind, Status};
use lockgate_exchange::{MemoryAccount, RequestHead, Reservation, SharedExchange, clock};

use crate::budget::CpuBudget;
use crate::os;
use crate::plugin::Plugin;
use crate::report::{Failure, Refusal, VmEvent};

pub use grpc::{GrpcCall, GrpcEvent, GrpcKind, GrpcReply, GrpcStream};
pub(crate) use guest_ids::GuestIds;
pub use no_effect::NoEffectHost;
pub(crate) use recorder::{Effects, Recorder, Update};

/// The embedder of the VMs of one worker.
///
/// Methods are called from within host calls and callbacks, so they must not block. They need not be reentrant: a callback into a
/// VM that is running is deferred.
pub trait Host {
    /// The time of day for guests.
    fn time(&self) -> SystemTime {
        SystemTime::now()
    }

    /// The clock for durations, except CPU time.
    fn now(&self) -> Instant {
        clock::now()
    }

    /// Fills a buffer with random bytes for guests. False if none are available.
    fn random(&self, buffer: &mut [u8]) -> bool {
        os::random(buffer)
    }

    /// Writes a guest's log line. Its length and the rate of lines are limited already. `request_id` is that of the request that the
    /// guest works for.
    fn log(&self, plugin: &Plugin, request_id: Option<&HeaderValue>, level: LogLevel, message: &str);

    /// The minimum level that [`Host::log`] writes. Guests can read it.
    fn log_level(&self) -> LogLevel;

    /// Starts an HTTP callout and returns at once. `reply` is delivered later, never from within this method. The guard is dropped when
    /// the callout is no longer wanted.
    ///
    /// # Errors
    /// [`Status::BadArgument`] for an unknown upstream; [`Status::InternalFailure`] if it cannot be started.
    fn callout(&self, plugin: &Plugin, callout: Callout, reply: CalloutReply) -> Result<Guard, Status>;

    /// Opens a gRPC call or stream and returns at once. Its events go to `reply`, never from within this method.
    ///
    /// # Errors
    /// [`Status::ParseFailure`] for an unknown upstream; [`Status::InternalFailure`] if it cannot be opened, as in a host without
    /// network.
    fn grpc(&self, plugin: &Plugin, call: GrpcCall, reply: GrpcReply) -> Result<Box<dyn GrpcStream>, Status> {
        let _ = (plugin, call, reply);
        Err(Status::InternalFailure)
    }

    /// Calls `target.tick()` every `period`, until it returns false or the guard is dropped.
    fn start_ticks(&self, target: TickTarget, period: Duration) -> Guard;

    /// A value and its version. Plugins with the same `vm_id` share their data.
    fn shared_data(&self, vm_id: &str, key: &str) -> Option<(Bytes, u32)>;

    /// Writes a value. With a `cas` other than 0 it is written only if that is the current version.
    ///
    /// # Errors
    /// [`Status::CasMismatch`] if the version differs; [`Status::InternalFailure`] if a limit is reached.
    fn set_shared_data(&self, vm_id: &str, key: &str, value: &[u8], cas: u32) -> Result<(), Status>;

    /// Creates a queue, or finds it by name. `ready` is notified when a value is enqueued, until the guard is dropped.
    ///
    /// # Errors
    /// [`Status::InternalFailure`] if a limit is reached.
    fn register_queue(&self, vm_id: &str, name: &str, ready: QueueTarget) -> Result<(u32, Guard), Status>;

    /// The id of a registered queue.
    fn resolve_queue(&self, vm_id: &str, name: &str) -> Option<u32>;

    /// Appends a value to a queue. It counts as its sender's memory until it is dropped.
    ///
    /// # Errors
    /// [`Status::NotFound`] for an unknown queue; [`Status::InternalFailure`] if it is full.
    fn enqueue(&self, queue: u32, value: Bytes) -> Result<(), Status>;

    /// Takes the first value of a queue.
    ///
    /// # Errors
    /// [`Status::NotFound`] for an unknown queue; [`Status::Empty`] for an empty one.
    fn dequeue(&self, queue: u32) -> Result<Bytes, Status>;

    /// Creates a metric, or finds it by name.
    ///
    /// # Errors
    /// [`Status::BadArgument`] if it has another kind, or for an invalid name; [`Status::InternalFailure`] if there are too many.
    fn define_metric(&self, plugin: &Plugin, kind: MetricKind, name: &str) -> Result<u32, Status>;

    /// Adds to a counter or a gauge.
    ///
    /// # Errors
    /// [`Status::NotFound`] for an unknown metric; [`Status::BadArgument`] for a histogram, or a negative offset of a counter.
    fn increment_metric(&self, metric: u32, offset: i64) -> Result<(), Status>;

    /// Adds to a counter, sets a gauge, or records in a histogram.
    ///
    /// # Errors
    /// [`Status::NotFound`] for an unknown metric.
    fn record_metric(&self, metric: u32, value: u64) -> Result<(), Status>;

    /// The value of a counter or a gauge.
    ///
    /// # Errors
    /// [`Status::NotFound`] for an unknown metric; [`Status::BadArgument`] for a histogram.
    fn metric(&self, metric: u32) -> Result<u64, Status>;

    /// Calls a foreign function of the host. `exchange` is that of the stream that the guest works for. A function that completes later
    /// notifies `caller`, never from within this method. A function whose work follows the length of its argument charges `budget` for
    /// it, and stops when that is used up, with any status.
    ///
    /// # Errors
    /// [`Status::NotFound`] for an unknown function, otherwise the function's own status.
    fn foreign(
        &self,
        plugin: &Plugin,
        name: &str,
        argument: &[u8],
        exchange: Option<&SharedExchange>,
        caller: &ForeignTarget,
        budget: &mut CpuBudget,
    ) -> Result<Vec<u8>, Status>;

    /// Checks a value for a property whose name starts with `lockgate.`.
    ///
    /// # Errors
    /// [`Status::BadArgument`] for an invalid value.
    fn check_property(&self, plugin: &Plugin, name: &str, value: &[u8]) -> Result<(), Status>;

    /// Takes over a VM that is no longer used and has a context that is not done. By default the VM ends at once.
    fn drain(&self, vm: DrainingVm) {
        drop(vm);
    }

    /// Whether plugins start here on trial: whoever tries them tells why a start was refused, so that the sandbox does not log it.
    fn is_trial(&self) -> bool {
        false
    }

    /// Counts a failure of a plugin. The sandbox has logged it already.
    fn failed(&self, plugin: &Plugin, failure: &Failure, phase: &str);

    /// Counts refusals of a plugin. The sandbox has logged them already, at a limited rate.
    fn refused(&self, _plugin: &Plugin, _what: Refusal, _times: u64) {}

    /// Counts an event of a plugin's VM.
    fn vm_event(&self, _plugin: &Plugin, _event: VmEvent) {}
}

/// What a host does for a VM: a callout, a timer, a subscription to a queue. Dropping it ends that, at once.
///
/// The VM owns its guards, each for the stream that has asked for it. So nothing of a stream or VM outlives it.
pub type Guard = Box<dyn Any>;

/// An HTTP request of a plugin.
#[derive(Clone, Debug)]
pub struct Callout {
    /// The upstream's name.
    pub upstream: String,
    /// The request's head. It was checked as header writes are.
    pub head: RequestHead,
    /// The whole body.
    pub body: Bytes,
    /// The trailers, if the plugin gave any.
    pub trailers: Option<HeaderMap>,
    /// From the start to the last byte of the response.
    pub timeout: Duration,
    /// The id of the request that the plugin works for.
    pub request_id: Option<HeaderValue>,
}

/// The outcome of a callout.
pub type CalloutResult = Result<CalloutResponse, CalloutFailure>;

/// The complete response to a callout.
#[derive(Clone, Debug)]
pub struct CalloutResponse {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body. The host limits its size.
    pub body: Bytes,
    /// The trailers, if there were any.
    pub trailers: Option<HeaderMap>,
}

/// Why a callout has no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CalloutFailure {
    /// It exceeded its timeout.
    Timeout,
    /// The upstream could not be reached, or the connection was lost.
    Failed,
}

/// Delivers the outcome of a callout to one callback, once. Dropped without an outcome, it delivers [`CalloutFailure::Failed`].
pub struct CalloutReply {
    /// `None` after the delivery.
    callbacks: Option<Weak<dyn Callbacks>>,
    id: u32,
    account: Arc<MemoryAccount>,
}

impl CalloutReply {
    pub(crate) fn new(callbacks: Weak<dyn Callbacks>, id: u32, account: Arc<MemoryAccount>) -> Self {
        Self {
            callbacks: Some(callbacks),
            id,
            account,
        }
    }

    /// The plugin's memory, for what arrives of the response.
    #[must_use]
    pub fn memory(&self) -> Reservation {
        self.account.open()
    }

    /// Runs the guest's callback, now or as soon as its VM is free. Without effect if the outcome is no longer wanted.
    pub fn deliver(mut self, result: CalloutResult) {
        self.complete(result);
    }

    /// Whether the stream that made the callout, and its VM, still exist.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.callbacks
            .as_ref()
            .and_then(Weak::upgrade)
            .is_some_and(|callbacks| callbacks.waits_for(self.id))
    }

    fn complete(&mut self, result: CalloutResult) {
        if let Some(callbacks) = self.callbacks.take().and_then(|callbacks| callbacks.upgrade()) {
            callbacks.callout(self.id, result);
        }
    }
}

impl Drop for CalloutReply {
    fn drop(&mut self) {
        self.complete(Err(CalloutFailure::Failed));
    }
}

/// Calls `proxy_on_tick` in the root context of a VM.
#[derive(Clone)]
pub struct TickTarget {
    callbacks: Weak<dyn Callbacks>,
}

impl TickTarget {
    pub(crate) fn new(callbacks: Weak<dyn Callbacks>) -> Self {
        Self { callbacks }
    }

    /// Runs the guest's callback, now or as soon as its VM is free. Returns false if the VM is gone, so that the timer can stop.
    #[must_use]
    pub fn tick(&self) -> bool {
        self.callbacks.upgrade().is_some_and(|callbacks| callbacks.tick())
    }
}

/// Calls `proxy_on_queue_ready` in a VM.
#[derive(Clone)]
pub struct QueueTarget {
    callbacks: Weak<dyn Callbacks>,
}

impl QueueTarget {
    pub(crate) fn new(callbacks: Weak<dyn Callbacks>) -> Self {
        Self { callbacks }
    }

    /// Runs the guest's callback, now or as soon as its VM is free. Returns false if the VM is gone, so that the target can be
    /// dropped.
    #[must_use]
    pub fn ready(&self, queue: u32) -> bool {
        self.callbacks
            .upgrade()
            .is_some_and(|callbacks| callbacks.queue_ready(queue))
    }
}

/// Calls `proxy_on_foreign_function` in a VM: a foreign function that the guest has called has completed.
/// The default leads nowhere.
#[derive(Clone, Default)]
pub struct ForeignTarget {
    callbacks: Option<Weak<dyn Callbacks>>,
}

impl ForeignTarget {
    pub(crate) fn new(callbacks: Option<Weak<dyn Callbacks>>) -> Self {
        Self { callbacks }
    }

    /// Whether the VM still exists.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.callbacks
            .as_ref()
            .is_some_and(|callbacks| callbacks.strong_count() > 0)
    }

    /// Whether both lead into the same VM.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        match (&self.callbacks, &other.callbacks) {
            (Some(one), Some(other)) => Weak::ptr_eq(one, other),
            _ => false,
        }
    }

    /// Runs the guest's callback with the id that the function has returned, now or as soon as the VM is free.
    pub fn complete(&self, id: u32) {
        if let Some(callbacks) = self.callbacks.as_ref().and_then(Weak::upgrade) {
            callbacks.foreign_complete(id);
        }
    }
}

/// A VM that gets no more streams, and has a context whose `done` returned false. Its ticks and callouts continue. Dropping it
/// ends it at once.
pub struct DrainingVm(Rc<dyn Draining>);

impl DrainingVm {
    pub(crate) fn new(vm: Rc<dyn Draining>) -> Self {
        Self(vm)
    }

    /// Whether all its contexts are done by now, or the VM has failed.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.0.is_over()
    }

    /// The plugin's name.
    #[must_use]
    pub fn plugin(&self) -> &str {
        self.0.plugin()
    }

    /// Linear memory and tables, in bytes.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.0.memory()
    }
}

/// What [`DrainingVm`] needs of a VM.
pub(crate) trait Draining {
    fn is_over(&self) -> bool;
    fn plugin(&self) -> &str;
    fn memory(&self) -> usize;
}

/// What the handles above need of a VM.
pub(crate) trait Callbacks {
    fn callout(&self, id: u32, result: CalloutResult);
    fn grpc(&self, id: u32, event: GrpcEvent);
    fn waits_for(&self, id: u32) -> bool;
    fn tick(&self) -> bool;
    fn queue_ready(&self, queue: u32) -> bool;
    fn foreign_complete(&self, id: u32);
}
