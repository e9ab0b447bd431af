//! What a running VM carries with it: whose context is in effect, what it may call, what it has asked for.
//!
//! This is the data of a wasmtime store; host calls read and change it, and nothing here runs a guest.

mod declared;
mod descriptors;
mod id_map;
mod limits;
mod phase;
mod trace;

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use lockgate_abi::{LogLevel, MapType, Status};
use lockgate_exchange::{PendingActions, SharedExchange};
use rustc_hash::FxHashMap;
use wasmtime::{Memory, TypedFunc};

use self::id_map::IdMap;
use self::limits::{LogLimiter, Verdict};
use crate::calls::CallSet;
use crate::calls::trace::{ActiveTrace, CallTrace};
use crate::host::{Callbacks, CalloutResult, GrpcEvent, GrpcStream, Host};
use crate::plugin::{Fingerprint, Plugin};
use crate::report::{HostCallStats, Refusal, RequestLimit};
use crate::view::headers::HeaderFilter;

pub(crate) use declared::{Declaration, Declared, PropertyScope};
pub(crate) use descriptors::{Descriptors, StandardStream};
pub(crate) use limits::{CpuBudget, MemoryLimit};
pub use phase::Phase;

/// The id of the one root context of a VM. Streams count up from here.
pub(crate) const ROOT: u32 = 1;

/// Log lines kept while a VM starts, to be told if it fails to.
const TAIL: usize = 5;

/// The state of one VM instance.
pub(crate) struct State {
    pub(crate) plugin: Plugin,
    pub(crate) host: Rc<dyn Host>,
    /// The instance itself, for answers that come later.
    pub(crate) callbacks: Option<Weak<dyn Callbacks>>,
    /// Names this instance among all of the process.
    pub(crate) key: u64,
    pub(crate) memory_limit: MemoryLimit,
    pub(crate) budget: CpuBudget,
    pub(crate) memory: Option<Memory>,
    /// Shared, because it is taken along for each call, and wasmtime counts its clones across threads.
    pub(crate) allocate: Option<Rc<TypedFunc<u32, u32>>>,
    /// Where results of at most [`memory::SCRATCH`](crate::memory::SCRATCH) bytes go, if the guest lends room for them.
    pub(crate) scratch: Option<NonZeroU32>,
    pub(crate) contexts: IdMap<Context>,
    pub(crate) phase: Phase,
    /// The body callback that is running sees the last byte of a message without trailers.
    pub(crate) is_last: bool,
    /// The context whose callback is running.
    pub(crate) running: u32,
    pub(crate) effective: EffectiveContext,
    /// What the operator allows.
    pub(crate) permitted: CallSet,
    /// What is callable now: less than `permitted` while the guest initialises itself or allocates.
    ///
    /// Nothing while the guest works for a request whose calls are told: so calls come by the way of those that are refused.
    pub(crate) callable: CallSet,
    /// The trace in force, and what is callable then.
    traced: Option<ActiveTrace>,
    /// Open streams whose calls are told.
    pub(crate) traces: usize,
    /// Refused calls that the log has been told of.
    pub(crate) logged_refusals: CallSet,
    pub(crate) filter: Option<HeaderFilter>,
    pub(crate) last_call: &'static str,
    /// What the guest had the host do.
    pub(crate) host_calls: HostCallStats,
    /// Callouts under way, and the context that each belongs to.
    pub(crate) callouts: FxHashMap<u32, u32>,
    /// gRPC calls and streams that are open.
    pub(crate) grpc: FxHashMap<u32, OpenGrpcCall>,
    pub(crate) next_callout: u32,
    /// What the running callback may read: the answer to its callout.
    pub(crate) callout_response: Option<CalloutResult>,
    /// The stream that an answer belongs to while the root context's callback runs for it.
    pub(crate) callout_owner: u32,
    /// Streams that the guest is through with, as it went past a limit in them.
    pub(crate) over_limit: Vec<(u32, RequestLimit)>,
    /// What the guest was refused since that was last counted.
    pub(crate) refusals: Vec<(Refusal, u64)>,
    /// The same for what happened on a gRPC call or stream.
    pub(crate) grpc_event: Option<GrpcEvent>,
    /// The root context's `done` has said "not yet".
    pub(crate) is_root_waiting: bool,
    /// `proxy_done` was called before the root context's `done` had returned.
    pub(crate) is_root_done_early: bool,
    /// What was declared of properties.
    pub(crate) declared: Declared,
    /// Contexts that had said "not done yet" and now are.
    pub(crate) completed: Vec<u32>,
    pub(crate) started_at: Instant,
    /// The descriptors that WASI shows.
    pub(crate) descriptors: Descriptors,
    log_limiter: LogLimiter,
    tail: Option<VecDeque<String>>,
}

/// A stream context.
pub(crate) struct Context {
    pub(crate) exchange: SharedExchange,
    pub(crate) position: usize,
    pub(crate) done: DoneState,
    /// CPU time that its callbacks have taken, as far as it was noticed.
    pub(crate) spent: Duration,
    /// What its request is known by, if anybody has to know.
    pub(crate) fingerprint: Option<Fingerprint>,
    /// Tells its host calls, if somebody wants to see them.
    pub(crate) trace: Option<Rc<CallTrace>>,
}

/// A gRPC call or stream that is open.
pub(crate) struct OpenGrpcCall {
    /// The context that opened it, with which it goes.
    pub(crate) owner: u32,
    pub(crate) is_stream: bool,
    /// The guest sends nothing more.
    pub(crate) is_closed: bool,
    pub(crate) stream: Box<dyn GrpcStream>,
}

/// How far the end of a context has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DoneState {
    /// The stream is under way, or its `done` is running.
    Open,
    /// `proxy_done` was called before `done` had returned.
    DoneEarly,
    /// `done` answered "not yet".
    Waiting,
}

/// On whose behalf the guest runs.
#[derive(Default)]
pub(crate) struct EffectiveContext {
    pub(crate) id: u32,
    pub(crate) exchange: Option<SharedExchange>,
    pub(crate) position: usize,
}

impl State {
    pub(crate) fn new(plugin: Plugin, host: Rc<dyn Host>, key: u64, permitted: CallSet) -> Self {
        let settings = plugin.settings();
        let (limits, capabilities) = (&settings.limits, &settings.capabilities);
        Self {
            memory_limit: MemoryLimit::new(limits.memory.as_usize(), limits.soft_bytes()),
            budget: CpuBudget::new(limits.start_deadline.duration()),
            log_limiter: LogLimiter::new(limits.log_lines, limits.log_bytes.bytes()),
            filter: HeaderFilter::new(capabilities.headers.as_deref(), capabilities.write_headers.as_deref()),
            logged_refusals: CallSet::NONE,
            started_at: host.now(),
            plugin,
            host,
            callbacks: None,
            key,
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
            callout_response: None,
            callout_owner: ROOT,
            over_limit: Vec::new(),
            refusals: Vec::new(),
            grpc_event: None,
            is_root_waiting: false,
            is_root_done_early: false,
            declared: Declared::default(),
            completed: Vec::new(),
            descriptors: Descriptors::default(),
            tail: Some(VecDeque::new()),
        }
    }

    /// A callback of the root context begins.
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

    /// The root context's callback that has just begun is about a stream's callout.
    pub(crate) fn set_callout_owner(&mut self, callout_owner: u32) {
        self.callout_owner = callout_owner;
        self.update_trace();
    }

    /// A callback of a stream begins.
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

    /// An epoch has ended while the guest was running; says whether it may go on.
    pub(crate) fn epoch_ended(&mut self, cpu_time: Duration) -> bool {
        let used = self.budget.charge(cpu_time);
        let (limit, id) = (
            self.plugin.settings().limits.request_deadline.duration(),
            self.charged_context(),
        );
        if let Some(context) = self.contexts.get_mut(id) {
            let before = context.spent;
            context.spent += used;
            // A TCP connection may last for months.
            let counts = context.exchange.borrow().tcp.is_none();
            if counts && before < limit && context.spent >= limit {
                self.over_limit.push((id, RequestLimit::CpuTime));
                self.memory_limit.follow_up = true;
            }
        }
        self.budget.allows(cpu_time)
    }

    /// Whose request the guest is working for: the running context, or the one that a callback of the root context is about.
    pub(crate) fn charged_context(&self) -> u32 {
        let candidates = [self.running, self.effective.id, self.callout_owner];
        candidates.into_iter().find(|id| *id > ROOT).unwrap_or(ROOT)
    }

    /// The guest does not get what it asked for, which is to be counted.
    pub(crate) fn refuse(&mut self, what: Refusal) {
        match self.refusals.iter_mut().find(|(known, _)| *known == what) {
            Some((_, times)) => *times += 1,
            None => self.refusals.push((what, 1)),
        }
        self.memory_limit.follow_up = true;
    }

    /// The guest went past a limit in the stream in effect: it may finish its callback, and is then through with that request.
    /// It is told OK, the one status that every SDK survives; what it wanted is not done, and what comes of it goes nowhere.
    pub(crate) fn exceed_limit(&mut self, why: RequestLimit, what: Refusal) {
        self.refuse(what);
        let id = self.effective.id;
        if id > ROOT && !self.over_limit.iter().any(|(known, _)| *known == id) {
            self.over_limit.push((id, why));
        }
    }

    /// Whether there is something to look after when the guest has returned.
    pub(crate) fn needs_follow_up(&self) -> bool {
        !self.completed.is_empty() | self.memory_limit.follow_up
    }

    /// An id for a callout of whichever kind. After four thousand million the numbers start over; one that is still under way
    /// keeps its own.
    pub(crate) fn free_call_id(&mut self) -> u32 {
        loop {
            self.next_callout = self.next_callout.wrapping_add(1).max(1);
            if !self.callouts.contains_key(&self.next_callout) && !self.grpc.contains_key(&self.next_callout) {
                return self.next_callout;
            }
        }
    }

    /// How many callouts of whichever kind a context has under way.
    pub(crate) fn callouts_of(&self, id: u32) -> usize {
        let http = self.callouts.values().filter(|owner| **owner == id).count();
        http + self.grpc.values().filter(|open| open.owner == id).count()
    }

    /// Whether the guest sees, in this very callback, the end of the message whose trailers are this map.
    pub(crate) fn sees_end_of(&self, map: MapType) -> bool {
        let fits = matches!(
            (self.phase, map),
            (Phase::RequestBody, MapType::HttpRequestTrailers) | (Phase::ResponseBody, MapType::HttpResponseTrailers)
        );
        fits && self.is_last && self.effective.id == self.running
    }

    /// Nothing runs on behalf of a context that is over.
    pub(crate) fn leave(&mut self, id: u32) {
        if self.effective.id == id {
            self.effective = EffectiveContext::default();
        }
    }

    /// The VM has started: from now on it is told less, and callbacks have their usual budget.
    pub(crate) fn started(&mut self, memory: usize) {
        self.tail = None;
        self.memory_limit.started(memory);
        self.budget.set_limit(self.plugin.settings().limits.deadline.duration());
    }

    /// Notes a wish on the exchange in effect, and wakes its pipeline if that is not what is calling right now.
    ///
    /// # Errors
    /// [`Status::NotFound`] without an exchange.
    pub(crate) fn request(&mut self, wish: impl FnOnce(&mut PendingActions, usize)) -> Result<(), Status> {
        let exchange = self.effective.exchange.as_ref().ok_or(Status::NotFound)?;
        let mut exchange = exchange.borrow_mut();
        wish(&mut exchange.pending, self.effective.position);
        if self.effective.id != self.running {
            exchange.wake();
        }
        Ok(())
    }

    /// The request's route is to be looked for again. A root context has none, which is no fault, as in Envoy.
    pub(crate) fn request_reroute(&mut self) {
        let _ = self.request(|pending, _| pending.reroute = true);
    }

    /// A line that the guest writes.
    pub(crate) fn log_guest_line(&mut self, level: LogLevel, message: &str) {
        /// Longer lines are cut.
        const LONGEST: usize = 8 * 1024;
        let message = &message[..message.floor_char_boundary(LONGEST)];
        match self.log_limiter.line(self.host.now(), message.len()) {
            Verdict::Drop => return self.refuse(Refusal::Log),
            Verdict::Pass { dropped: 0 } => {}
            Verdict::Pass { dropped } => {
                let told = format!("{dropped} log lines dropped: limits.log_lines or limits.log_bytes exceeded");
                self.host.log(&self.plugin, LogLevel::Warn, &told);
            }
        }
        if let Some(tail) = &mut self.tail {
            if tail.len() == TAIL {
                tail.pop_front();
            }
            tail.push_back(message.to_owned());
        }
        self.host.log(&self.plugin, level, message);
    }

    /// A line that the host writes about what the guest tried; it counts as one of the guest's, so that it cannot flood.
    pub(crate) fn warn(&mut self, what: std::fmt::Arguments<'_>) {
        if self.log_limiter.line(self.host.now(), 0) != Verdict::Drop {
            let (plugin, phase, call) = (self.plugin.name(), self.phase.as_str(), self.last_call);
            tracing::warn!(%plugin, phase, call, "{what}");
        }
    }

    /// What the guest last wrote while it started.
    pub(crate) fn tail(&self) -> String {
        self.tail
            .iter()
            .flatten()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(" | ")
    }
}
