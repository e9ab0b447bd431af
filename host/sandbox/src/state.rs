//! The state of a running VM: contexts, what the guest may call, what it has asked for.
//!
//! It is the data of a wasmtime store. Host calls read and change it; nothing here runs a guest.

mod body_shares;
mod callouts;
mod charging;
mod declared;
mod descriptors;
mod faults;
mod id_map;
mod log;
mod log_limiter;
mod memory;
mod phase;
mod started;
mod trace;

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lockgate_abi::{MapType, Status};
use lockgate_exchange::{MemoryAccount, PendingActions, Reservation, SharedExchange};
use rustc_hash::FxHashMap;
use wasmtime::{Memory, TypedFunc};

use self::faults::RefusedWrite;
use self::id_map::IdMap;
use self::log_limiter::LogLimiter;
use crate::budget::CpuBudget;
use crate::calls::CallSet;
use crate::calls::trace::{ActiveTrace, CallTrace};
use crate::host::{Callbacks, CalloutResult, GrpcEvent, Guard, GuestIds, Host, Recorder};
use crate::plugin::{Fingerprint, Plugin};
use crate::report::{HostCallStats, Refusal, RequestFault};
use crate::view::headers::HeaderFilter;

pub(crate) use callouts::{OpenCallout, OpenGrpcCall};
pub(crate) use declared::{Declaration, Declared, PropertyScope};
pub(crate) use descriptors::{Descriptors, StandardStream};
pub(crate) use faults::Written;
pub(crate) use log::text;
pub(crate) use memory::{MemoryLimit, account};
pub use phase::Phase;
pub(crate) use started::StartedState;

/// The id of the root context. Stream contexts have higher ids.
pub(crate) const ROOT: u32 = 1;

/// The state of one instance.
pub(crate) struct State {
    pub(crate) plugin: Plugin,
    pub(crate) host: Rc<dyn Host>,
    /// The instance, for callbacks that come later.
    pub(crate) callbacks: Option<Weak<dyn Callbacks>>,
    pub(crate) memory_limit: MemoryLimit,
    /// The memory of the VM: that of its instances, and what the host holds for the plugin.
    pub(crate) account: Arc<MemoryAccount>,
    pub(crate) budget: CpuBudget,
    pub(crate) memory: Option<Memory>,
    /// In an `Rc`, because it is cloned for each call, and wasmtime's own clones count across threads.
    pub(crate) allocate: Option<Rc<TypedFunc<u32, u32>>>,
    /// Where results of at most [`memory::SCRATCH`](crate::memory::SCRATCH) bytes go, if the guest provides scratch memory.
    pub(crate) scratch: Option<NonZeroU32>,
    pub(crate) contexts: IdMap<Context>,
    pub(crate) phase: Phase,
    /// The running body callback sees the end of a message without trailers.
    pub(crate) is_last: bool,
    /// The context whose callback is running.
    pub(crate) running: u32,
    pub(crate) effective: EffectiveContext,
    /// The calls that the capabilities allow.
    pub(crate) permitted: CallSet,
    /// The calls that can be made now: fewer than `permitted` while the guest initialises itself or allocates.
    ///
    /// Empty while the guest works for a traced request, so that every call takes the slow path.
    pub(crate) callable: CallSet,
    /// The active trace.
    traced: Option<ActiveTrace>,
    /// Open streams with a trace.
    pub(crate) traces: usize,
    /// Refused calls that were logged. Each is logged once.
    pub(crate) logged_refusals: CallSet,
    pub(crate) filter: HeaderFilter,
    pub(crate) last_call: &'static str,
    /// Statistics of host calls.
    pub(crate) host_calls: HostCallStats,
    /// HTTP callouts in progress.
    pub(crate) callouts: FxHashMap<u32, OpenCallout>,
    /// gRPC calls and streams in progress.
    pub(crate) grpc: FxHashMap<u32, OpenGrpcCall>,
    pub(crate) next_callout: u32,
    /// The guest works for its start: in `vm_start`, in `configure`, or in the response to a callout of these.
    pub(crate) works_for_start: bool,
    /// The timer.
    pub(crate) ticks: Option<Guard>,
    /// Subscriptions to queues.
    pub(crate) queues: FxHashMap<u32, Guard>,
    /// The response that the running callback can read.
    pub(crate) callout_response: Option<CalloutResult>,
    /// The stream whose callout the running callback of the root context is about.
    pub(crate) callout_owner: u32,
    /// Streams in which the plugin has failed, while the instance stays usable.
    pub(crate) faults: Vec<(u32, RequestFault)>,
    /// Writes to headers that were refused in the running callback.
    pub(crate) refused_writes: Vec<RefusedWrite>,
    /// Refusals that were not counted yet.
    pub(crate) refusals: Vec<(Refusal, u64)>,
    /// The gRPC event that the running callback can read.
    pub(crate) grpc_event: Option<GrpcEvent>,
    /// The gRPC call or stream whose last callback is running. It has ended, and the guest may end it once more.
    pub(crate) ended_grpc: Option<u32>,
    /// The root context's `done` returned false.
    pub(crate) is_root_waiting: bool,
    /// `proxy_done` was called before the root context's `done` had returned.
    pub(crate) is_root_done_early: bool,
    /// Declarations of properties.
    pub(crate) declared: Declared,
    /// Contexts that were waiting for `proxy_done`, and are done now.
    pub(crate) completed: Vec<u32>,
    /// When its monotonic clock was 0.
    pub(crate) started_at: Instant,
    /// The host's numbers of what the guest's image has defined.
    pub(crate) ids: Rc<GuestIds>,
    /// The recorder of a start that becomes an image. It is the host, too.
    pub(crate) recorder: Option<Rc<Recorder>>,
    /// The file descriptors of WASI.
    pub(crate) descriptors: Descriptors,
    log_limiter: LogLimiter,
    tail: Option<VecDeque<String>>,
}

/// A stream context.
pub(crate) struct Context {
    pub(crate) exchange: SharedExchange,
    pub(crate) position: usize,
    pub(crate) done: DoneState,
    /// CPU time of its callbacks, as charged at the ends of epochs.
    pub(crate) spent: Duration,
    /// The fingerprint of its request, while requests are fingerprinted.
    pub(crate) fingerprint: Option<Fingerprint>,
    /// What has been written to its headers, in the account, if it is much.
    pub(crate) written: Option<Reservation>,
    /// The trace of its host calls, if its request is traced.
    pub(crate) trace: Option<Rc<CallTrace>>,
}

/// The progress of a context's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DoneState {
    /// The stream is open, or its `done` is running.
    Open,
    /// `proxy_done` was called before `done` had returned.
    DoneEarly,
    /// `done` returned false: the context waits for `proxy_done`.
    Waiting,
}

/// The effective context: whose exchange host calls work on.
#[derive(Default)]
pub(crate) struct EffectiveContext {
    pub(crate) id: u32,
    pub(crate) exchange: Option<SharedExchange>,
    pub(crate) position: usize,
}

impl State {
    pub(crate) fn new(plugin: Plugin, host: Rc<dyn Host>, permitted: CallSet, account: Arc<MemoryAccount>) -> Self {
        let settings = plugin.settings();
        let (limits, capabilities) = (&settings.limits, &settings.capabilities);
        Self {
            memory_limit: MemoryLimit::new(limits, &account),
            account,
            budget: CpuBudget::together(limits.start_deadline.duration()),
            log_limiter: LogLimiter::new(limits.log_lines, limits.log_bytes.bytes()),
            filter: HeaderFilter::new(capabilities.headers.as_deref(), capabilities.write_headers.as_deref()),
            logged_refusals: CallSet::NONE,
            started_at: host.now(),
            plugin,
            host,
            callbacks: None,
            memory: None,
            allocate: None,
            scratch: None,
            contexts: IdMap::after(ROOT),
            phase: Phase::Initialise,
            is_last: false,
            running: ROOT,
            effective: EffectiveContext::default(),
            permitted,
            callable: CallSet::INITIALISING.and(permitted),
            traced: None,
            traces: 0,
            last_call: "none",
            host_calls: HostCallStats::default(),
            callouts: FxHashMap::default(),
            grpc: FxHashMap::default(),
            next_callout: 0,
            works_for_start: true,
            ticks: None,
            queues: FxHashMap::default(),
            callout_response: None,
            callout_owner: ROOT,
            faults: Vec::new(),
            refused_writes: Vec::new(),
            refusals: Vec::new(),
            grpc_event: None,
            ended_grpc: None,
            is_root_waiting: false,
            is_root_done_early: false,
            declared: Declared::default(),
            completed: Vec::new(),
            ids: Rc::default(),
            recorder: None,
            descriptors: Descriptors::default(),
            tail: Some(VecDeque::new()),
        }
    }

    /// Starts a callback of the root context.
    pub(crate) fn enter_root(&mut self, phase: Phase) {
        self.enter(ROOT, phase);
        self.callout_owner = ROOT;
        self.effective = EffectiveContext {
            id: ROOT,
            exchange: None,
            position: 0,
        };
        self.update_trace();
    }

    /// The callback of the root context is about a stream's callout.
    pub(crate) fn set_callout_owner(&mut self, callout_owner: u32) {
        self.callout_owner = callout_owner;
        self.update_trace();
    }

    /// Starts a callback of a stream context.
    pub(crate) fn enter_stream(&mut self, id: u32, exchange: &SharedExchange, position: usize, phase: Phase) {
        self.enter(id, phase);
        self.effective.position = position;
        if self.effective.id != id {
            self.effective.id = id;
            self.effective.exchange = Some(Rc::clone(exchange));
        }
        self.update_trace();
    }

    fn enter(&mut self, id: u32, phase: Phase) {
        self.running = id;
        self.phase = phase;
        self.is_last = false;
        self.last_call = "none";
        self.memory_limit.refused = false;
    }

    /// Whether the instance has to follow up on the callback that has returned.
    pub(crate) fn needs_follow_up(&self) -> bool {
        !self.completed.is_empty() | self.memory_limit.follow_up
    }

    /// Whether the running callback sees the end of the message whose trailers are this map.
    pub(crate) fn sees_end_of(&self, map: MapType) -> bool {
        let fits = matches!(
            (self.phase, map),
            (Phase::RequestBody, MapType::HttpRequestTrailers) | (Phase::ResponseBody, MapType::HttpResponseTrailers)
        );
        fits && self.is_last && self.effective.id == self.running
    }

    /// Clears the effective context if it is this one, which has ended.
    pub(crate) fn clear_effective(&mut self, id: u32) {
        if self.effective.id == id {
            self.effective = EffectiveContext::default();
        }
    }

    /// The VM has started: callbacks get their usual budget, and log lines are no longer collected.
    pub(crate) fn started(&mut self, memory: usize) {
        self.tail = None;
        self.works_for_start = false;
        self.memory_limit.started(memory);
        self.budget.set_limit(self.plugin.settings().limits.deadline.duration());
    }

    /// Requests an action on the exchange in effect. Wakes its pipeline, unless the pipeline is what called the guest.
    ///
    /// # Errors
    /// [`Status::NotFound`] without an exchange.
    pub(crate) fn request(&mut self, action: impl FnOnce(&mut PendingActions, usize)) -> Result<(), Status> {
        let exchange = self.effective.exchange.as_ref().ok_or(Status::NotFound)?;
        let mut exchange = exchange.borrow_mut();
        action(&mut exchange.pending, self.effective.position);
        if self.effective.id != self.running {
            exchange.wake();
        }
        Ok(())
    }

    /// Requests a new route. Without effect in the root context, as in Envoy.
    pub(crate) fn request_reroute(&mut self) {
        let _ = self.request(|pending, position| pending.reroute.set(position));
    }
}
