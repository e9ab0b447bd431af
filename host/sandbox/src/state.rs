//! What a running VM carries with it: whose context is in effect, what it may call, what it has asked for.
//!
//! This is the data of a wasmtime store; host calls read and change it, and nothing here runs a guest.

mod limits;
mod phase;

use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use lockgate_abi::{LogLevel, Status};
use rustc_hash::FxHashMap;
use wasmtime::{Memory, TypedFunc};

pub(crate) use limits::{Budget, MemoryCap};
pub(crate) use phase::Phase;

use self::limits::{LineGate, Verdict};
use crate::calls::CallSet;
use crate::exchange::{Asked, SharedExchange};
use crate::headers::HeaderFilter;
use crate::incident::{Expulsion, Refusal};
use crate::outside::{CalloutResult, Inbox, Outside};
use crate::plugin::Plugin;
use crate::suspects::Fingerprint;

/// The id of the one root context of a VM. Streams count up from here.
pub(crate) const ROOT: u32 = 1;

/// Log lines kept while a VM starts, to be told if it fails to.
const TAIL: usize = 5;

/// The state of one VM instance.
pub(crate) struct State {
    pub(crate) plugin: Plugin,
    pub(crate) outside: Rc<dyn Outside>,
    /// The instance itself, for answers that come later.
    pub(crate) inbox: Option<Weak<dyn Inbox>>,
    /// Names this instance among all of the process.
    pub(crate) key: u64,
    pub(crate) cap: MemoryCap,
    pub(crate) budget: Budget,
    pub(crate) memory: Option<Memory>,
    pub(crate) allocate: Option<TypedFunc<u32, u32>>,
    pub(crate) contexts: FxHashMap<u32, Context>,
    pub(crate) phase: Phase,
    /// The context whose callback is running.
    pub(crate) running: u32,
    pub(crate) effective: Effective,
    /// What the operator allows.
    pub(crate) permitted: CallSet,
    /// What is callable now: less than `permitted` while the guest initialises itself or allocates.
    pub(crate) callable: CallSet,
    /// Refused calls that the log has been told of.
    pub(crate) told: CallSet,
    pub(crate) filter: Option<HeaderFilter>,
    pub(crate) last_call: &'static str,
    /// Callouts under way, and the context that each belongs to.
    pub(crate) callouts: FxHashMap<u32, u32>,
    pub(crate) next_callout: u32,
    /// What the running callback may read: the answer to its callout.
    pub(crate) answer: Option<CalloutResult>,
    /// The stream that an answer belongs to while the root context's callback runs for it.
    pub(crate) payer: u32,
    /// Streams that the guest is through with, as it went past a limit in them.
    pub(crate) expelled: Vec<(u32, Expulsion)>,
    /// What the guest was refused since that was last counted.
    pub(crate) refusals: Vec<(Refusal, u64)>,
    /// Contexts that had said "not done yet" and now are.
    pub(crate) completed: Vec<u32>,
    pub(crate) born: Instant,
    gate: LineGate,
    tail: Option<VecDeque<String>>,
}

/// A stream context.
pub(crate) struct Context {
    pub(crate) exchange: SharedExchange,
    pub(crate) position: usize,
    pub(crate) life: ContextLife,
    /// CPU time that its callbacks have taken, as far as it was noticed.
    pub(crate) spent: Duration,
    /// What its request is known by, if anybody has to know.
    pub(crate) print: Option<Fingerprint>,
}

/// How far the end of a context has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ContextLife {
    /// The stream is under way, or its `done` is running.
    Open,
    /// `proxy_done` was called before `done` had returned.
    DoneEarly,
    /// `done` answered "not yet".
    Waiting,
}

/// On whose behalf the guest runs.
#[derive(Default)]
pub(crate) struct Effective {
    pub(crate) id: u32,
    pub(crate) exchange: Option<SharedExchange>,
    pub(crate) position: usize,
}

impl State {
    pub(crate) fn new(plugin: Plugin, outside: Rc<dyn Outside>, key: u64, permitted: CallSet) -> Self {
        let spec = plugin.spec();
        let (limits, capabilities) = (&spec.limits, &spec.capabilities);
        Self {
            cap: MemoryCap::new(limits.memory.as_usize(), limits.soft_bytes()),
            budget: Budget::new(limits.start_deadline.duration()),
            gate: LineGate::new(limits.log_lines, limits.log_bytes.bytes()),
            filter: HeaderFilter::new(capabilities.headers.as_deref(), capabilities.write_headers.as_deref()),
            told: CallSet::NONE,
            born: outside.now(),
            plugin,
            outside,
            inbox: None,
            key,
            memory: None,
            allocate: None,
            contexts: FxHashMap::default(),
            phase: Phase::Initialise,
            running: ROOT,
            effective: Effective::default(),
            permitted,
            callable: CallSet::INITIALISING.and(permitted),
            last_call: "none",
            callouts: FxHashMap::default(),
            next_callout: 0,
            answer: None,
            payer: ROOT,
            expelled: Vec::new(),
            refusals: Vec::new(),
            completed: Vec::new(),
            tail: Some(VecDeque::new()),
        }
    }

    /// A callback of the root context begins.
    pub(crate) fn enter_root(&mut self, phase: Phase) {
        self.enter(ROOT, phase);
        self.payer = ROOT;
        self.effective = Effective {
            id: ROOT,
            exchange: None,
            position: 0,
        };
    }

    /// A callback of a stream begins.
    pub(crate) fn enter_stream(&mut self, id: u32, exchange: &SharedExchange, position: usize, phase: Phase) {
        self.enter(id, phase);
        self.effective.position = position;
        if self.effective.id != id {
            self.effective.id = id;
            self.effective.exchange = Some(Rc::clone(exchange));
        }
    }

    fn enter(&mut self, id: u32, phase: Phase) {
        self.running = id;
        self.phase = phase;
        self.last_call = "none";
        self.cap.refused = false;
    }

    /// An epoch has ended while the guest was running; says whether it may go on.
    pub(crate) fn epoch_ended(&mut self, cpu_time: Duration) -> bool {
        let used = self.budget.charge(cpu_time);
        let (limit, id) = (
            self.plugin.spec().limits.request_deadline.duration(),
            self.on_account_of(),
        );
        if let Some(context) = self.contexts.get_mut(&id) {
            let before = context.spent;
            context.spent += used;
            // A TCP connection may last for months.
            let counts = context.exchange.borrow().tcp.is_none();
            if counts && before < limit && context.spent >= limit {
                self.expelled.push((id, Expulsion::CpuTime));
                self.cap.attention = true;
            }
        }
        self.budget.allows(cpu_time)
    }

    /// Whose request the guest is working for: the running context, or the one that a callback of the root context is about.
    pub(crate) fn on_account_of(&self) -> u32 {
        let candidates = [self.running, self.effective.id, self.payer];
        candidates.into_iter().find(|id| *id > ROOT).unwrap_or(ROOT)
    }

    /// The guest does not get what it asked for, which is to be counted.
    pub(crate) fn refuse(&mut self, what: Refusal) {
        match self.refusals.iter_mut().find(|(known, _)| *known == what) {
            Some((_, times)) => *times += 1,
            None => self.refusals.push((what, 1)),
        }
        self.cap.attention = true;
    }

    /// The guest went past a limit in the stream in effect: it may finish its callback, and is then through with that request.
    /// It is told OK, the one status that every SDK survives; what it wanted is not done, and what comes of it goes nowhere.
    pub(crate) fn expel(&mut self, why: Expulsion, what: Refusal) {
        self.refuse(what);
        let id = self.effective.id;
        if id > ROOT && !self.expelled.iter().any(|(known, _)| *known == id) {
            self.expelled.push((id, why));
        }
    }

    /// Whether there is something to look after when the guest has returned.
    pub(crate) fn needs_attention(&self) -> bool {
        !self.completed.is_empty() | self.cap.attention
    }

    /// Nothing runs on behalf of a context that is over.
    pub(crate) fn leave(&mut self, id: u32) {
        if self.effective.id == id {
            self.effective = Effective::default();
        }
    }

    /// The VM has started: from now on it is told less, and callbacks have their usual budget.
    pub(crate) fn started(&mut self, memory: usize) {
        self.tail = None;
        self.cap.started(memory);
        self.budget.set_limit(self.plugin.spec().limits.deadline.duration());
    }

    /// Notes a wish on the exchange in effect, and wakes its pipeline if that is not what is calling right now.
    ///
    /// # Errors
    /// [`Status::NotFound`] without an exchange.
    pub(crate) fn ask(&mut self, wish: impl FnOnce(&mut Asked, usize)) -> Result<(), Status> {
        let exchange = self.effective.exchange.as_ref().ok_or(Status::NotFound)?;
        let mut exchange = exchange.borrow_mut();
        wish(&mut exchange.asked, self.effective.position);
        if self.effective.id != self.running {
            exchange.wake();
        }
        Ok(())
    }

    /// A line that the guest writes.
    pub(crate) fn guest_line(&mut self, level: LogLevel, message: &str) {
        /// Longer lines are cut.
        const LONGEST: usize = 8 * 1024;
        let message = &message[..message.floor_char_boundary(LONGEST)];
        match self.gate.line(self.outside.now(), message.len()) {
            Verdict::Drop => return self.refuse(Refusal::Log),
            Verdict::Pass { dropped: 0 } => {}
            Verdict::Pass { dropped } => {
                let told = format!(
                    "{dropped} log lines were dropped: more than limits.log_lines or limits.log_bytes per second"
                );
                self.outside.log(&self.plugin, LogLevel::Warn, &told);
            }
        }
        if let Some(tail) = &mut self.tail {
            if tail.len() == TAIL {
                tail.pop_front();
            }
            tail.push_back(message.to_owned());
        }
        self.outside.log(&self.plugin, level, message);
    }

    /// A line that the host writes about what the guest tried; it counts as one of the guest's, so that it cannot flood.
    pub(crate) fn note(&mut self, what: std::fmt::Arguments<'_>) {
        if self.gate.line(self.outside.now(), 0) != Verdict::Drop {
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
