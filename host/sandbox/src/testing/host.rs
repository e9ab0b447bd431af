//! [`MemoryHost`]: a host without network and clock, which records what plugins do.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use lockgate_abi::{LogLevel, MetricKind, Status};
use lockgate_exchange::SharedExchange;

use super::grpc::OpenGrpc;
use super::guards::{self, Tick};
use crate::budget::CpuBudget;
use crate::host::{
    Callout, CalloutFailure, CalloutReply, DrainingVm, ForeignTarget, GrpcCall, GrpcReply, GrpcStream, Guard, Host,
    QueueTarget, TickTarget,
};
use crate::plugin::Plugin;
use crate::report::{Failure, FailureKind, Refusal, VmEvent};
use crate::vm::Stream;

/// Entries of each table, and values of each queue; more are refused.
const MAX_ENTRIES: usize = 64;
/// Bytes of a shared or queued value; the rest is cut off.
const MAX_VALUE: usize = 1024;
/// A host that keeps everything in memory and records what plugins do.
///
/// Callouts and gRPC calls to the upstream `known` are accepted and wait in [`MemoryHost::callouts`] and [`MemoryHost::grpc`]; other
/// upstreams are unknown. Foreign functions: `echo` returns its argument, `path` the request's path, `script` what [`MemoryHost::script`]
/// holds; `drop` ends the streams in [`MemoryHost::streams_to_drop`]; `work` charges a mebibyte of work per byte; `complete` completes at
/// once, with its argument's first byte as id; `lockgate.kv` is full. `lockgate.upstream` takes the value `known`, and other `lockgate.`
/// properties at most 100 bytes.
#[derive(Default)]
pub struct MemoryHost {
    /// Log lines, oldest first.
    pub lines: RefCell<Vec<(LogLevel, String)>>,
    /// HTTP callouts with their replies; a reply is taken out to deliver it.
    pub callouts: RefCell<Vec<(Callout, Option<CalloutReply>)>>,
    /// Fails every callout from within the host call.
    pub fails_callouts_at_once: Cell<bool>,
    /// gRPC calls and streams.
    pub grpc: RefCell<Vec<OpenGrpc>>,
    /// Refuses gRPC calls and streams, as a host without network does.
    pub refuses_grpc: Cell<bool>,
    /// The last timer that was set, and its period; no period stopped it.
    pub tick: Rc<RefCell<Option<Tick>>>,
    /// Callouts, timers and subscriptions that VMs have not given up.
    pub guards: Rc<Cell<usize>>,
    /// Shared data by `vm_id` and key, with versions.
    pub shared: RefCell<HashMap<(String, String), (Bytes, u32)>>,
    /// Leaves queue notifications to [`MemoryHost::notify_queues`] instead of sending them from within the host call.
    pub defers_notifications: Cell<bool>,
    /// What the foreign function `script` returns.
    pub script: RefCell<Vec<u8>>,
    /// Failures of plugins.
    pub failures: RefCell<Vec<RecordedFailure>>,
    /// What plugins were refused, and how often.
    pub refusals: RefCell<Vec<(Refusal, u64)>>,
    /// Events of VMs.
    pub events: RefCell<Vec<VmEvent>>,
    /// Lets VMs drain instead of ending them at once.
    pub drains: Cell<bool>,
    /// VMs that drain.
    pub draining: RefCell<Vec<DrainingVm>>,
    /// Streams that the foreign function `drop` ends from within a host call.
    pub streams_to_drop: RefCell<Vec<Stream>>,
    queues: RefCell<Vec<Queue>>,
    metrics: RefCell<Vec<Metric>>,
}

/// A failure that a [`MemoryHost`] has recorded.
#[derive(Clone, Debug)]
pub struct RecordedFailure {
    /// Its kind.
    pub kind: FailureKind,
    /// The callback that failed, as the label `phase`.
    pub phase: String,
    /// Its message.
    pub message: String,
}

struct Queue {
    name: String,
    values: VecDeque<Bytes>,
    target: QueueTarget,
}

struct Metric {
    kind: MetricKind,
    name: String,
    value: u64,
}

impl MemoryHost {
    /// The text of all log lines.
    #[must_use]
    pub fn text_lines(&self) -> Vec<String> {
        self.lines.borrow().iter().map(|(_, line)| line.clone()).collect()
    }

    /// Takes the reply of the callout at `index`.
    ///
    /// # Panics
    /// There is no such callout, or its reply was taken before.
    #[must_use]
    pub fn reply(&self, index: usize) -> CalloutReply {
        self.callouts.borrow_mut()[index]
            .1
            .take()
            .expect("a reply is taken once")
    }

    /// The last timer that was set, and its period.
    ///
    /// # Panics
    /// No timer was set.
    #[must_use]
    pub fn timer(&self) -> (TickTarget, Option<Duration>) {
        self.tick.borrow().clone().expect("a timer was set")
    }

    /// The kinds of failures, as labels.
    #[must_use]
    pub fn failure_kinds(&self) -> Vec<&'static str> {
        let failures = self.failures.borrow();
        failures.iter().map(|failure| failure.kind.as_str()).collect()
    }

    /// Kinds and phases of failures, as labels.
    #[must_use]
    pub fn failure_labels(&self) -> Vec<(String, String)> {
        let failures = self.failures.borrow();
        let labels = failures
            .iter()
            .map(|failure| (failure.kind.to_string(), failure.phase.clone()));
        labels.collect()
    }

    /// Notifies the VMs that have registered queues which hold something.
    pub fn notify_queues(&self) {
        let filled: Vec<_> = {
            let queues = self.queues.borrow();
            let filled = queues.iter().enumerate().filter(|(_, queue)| !queue.values.is_empty());
            filled.map(|(index, queue)| (id(index), queue.target.clone())).collect()
        };
        for (id, target) in filled {
            let _is_usable = target.ready(id);
        }
    }

    /// Drops all that was recorded and stored; callouts that were not answered fail.
    pub fn clear(&self) {
        // Dropping a reply delivers a failure, which may come back here: nothing is borrowed meanwhile.
        let replies = (self.callouts.take(), self.grpc.take());
        drop(replies);
        let streams = self.streams_to_drop.take();
        drop(streams);
        self.tick.take();
        self.shared.take();
        self.queues.take();
        self.metrics.take();
        self.lines.take();
        self.failures.take();
        self.refusals.take();
        self.events.take();
    }

    fn change_metric(&self, metric: u32, change: impl FnOnce(&mut u64) -> Option<()>) -> Result<(), Status> {
        let mut metrics = self.metrics.borrow_mut();
        let metric = entry_mut(&mut metrics, metric)?;
        change(&mut metric.value).ok_or(Status::BadArgument)
    }
}

/// Ids count from 1.
fn id(index: usize) -> u32 {
    u32::try_from(index + 1).expect("a table has few entries")
}

fn entry_mut<T>(entries: &mut [T], id: u32) -> Result<&mut T, Status> {
    let index = usize::try_from(id).ok().and_then(|id| id.checked_sub(1));
    index.and_then(|index| entries.get_mut(index)).ok_or(Status::NotFound)
}

/// The entry of a table that has a name, made if there is room.
fn find_or_add<T>(entries: &mut Vec<T>, is_same: impl Fn(&T) -> bool, make: impl FnOnce() -> T) -> Result<u32, Status> {
    if let Some(index) = entries.iter().position(is_same) {
        return Ok(id(index));
    }
    if entries.len() >= MAX_ENTRIES {
        return Err(Status::InternalFailure);
    }
    entries.push(make());
    Ok(id(entries.len() - 1))
}

fn cut(value: &[u8]) -> Bytes {
    Bytes::copy_from_slice(&value[..value.len().min(MAX_VALUE)])
}

impl Host for MemoryHost {
    fn log(&self, _: &Plugin, _: Option<&http::HeaderValue>, level: LogLevel, message: &str) {
        self.lines.borrow_mut().push((level, message.to_owned()));
    }

    fn log_level(&self) -> LogLevel {
        LogLevel::Warn
    }

    fn callout(&self, _: &Plugin, callout: Callout, reply: CalloutReply) -> Result<Guard, Status> {
        if callout.upstream != "known" {
            return Err(Status::BadArgument);
        }
        if self.fails_callouts_at_once.get() {
            reply.deliver(Err(CalloutFailure::Failed));
            return Ok(guards::counted(&self.guards));
        }
        let mut callouts = self.callouts.borrow_mut();
        if callouts.len() >= MAX_ENTRIES {
            return Err(Status::InternalFailure);
        }
        callouts.push((callout, Some(reply)));
        Ok(guards::counted(&self.guards))
    }

    fn grpc(&self, _: &Plugin, call: GrpcCall, reply: GrpcReply) -> Result<Box<dyn GrpcStream>, Status> {
        if self.refuses_grpc.get() {
            return Err(Status::InternalFailure);
        }
        if call.upstream != "known" {
            return Err(Status::ParseFailure);
        }
        let (open, stream) = OpenGrpc::new(call, reply);
        self.grpc.borrow_mut().push(open);
        Ok(Box::new(stream))
    }

    fn start_ticks(&self, target: TickTarget, period: Duration) -> Guard {
        *self.tick.borrow_mut() = Some((target, Some(period)));
        guards::timer(&self.tick, &self.guards)
    }

    fn shared_data(&self, vm_id: &str, key: &str) -> Option<(Bytes, u32)> {
        self.shared.borrow().get(&(vm_id.to_owned(), key.to_owned())).cloned()
    }

    fn set_shared_data(&self, vm_id: &str, key: &str, value: &[u8], cas: u32) -> Result<(), Status> {
        let mut shared = self.shared.borrow_mut();
        let key = (vm_id.to_owned(), key.to_owned());
        let version = shared.get(&key).map_or(0, |known| known.1);
        if cas != 0 && cas != version {
            return Err(Status::CasMismatch);
        }
        if version == 0 && shared.len() >= MAX_ENTRIES {
            return Err(Status::InternalFailure);
        }
        shared.insert(key, (cut(value), version.wrapping_add(1).max(1)));
        Ok(())
    }

    fn register_queue(&self, _: &str, name: &str, target: QueueTarget) -> Result<(u32, Guard), Status> {
        let mut queues = self.queues.borrow_mut();
        let new = target.clone();
        let make = || Queue {
            name: name.to_owned(),
            values: VecDeque::new(),
            target: new,
        };
        let queue = find_or_add(&mut queues, |queue| queue.name == name, make)?;
        entry_mut(&mut queues, queue)?.target = target;
        Ok((queue, guards::counted(&self.guards)))
    }

    fn resolve_queue(&self, _: &str, name: &str) -> Option<u32> {
        self.queues.borrow().iter().position(|queue| queue.name == name).map(id)
    }

    fn enqueue(&self, queue: u32, value: Bytes) -> Result<(), Status> {
        let target = {
            let mut queues = self.queues.borrow_mut();
            let queue = entry_mut(&mut queues, queue)?;
            if queue.values.len() >= MAX_ENTRIES {
                return Err(Status::InternalFailure);
            }
            queue.values.push_back(value.slice(..value.len().min(MAX_VALUE)));
            queue.target.clone()
        };
        if !self.defers_notifications.get() {
            // From within the host call: the callback has to wait until the guest has returned.
            assert!(target.ready(queue), "the VM that enqueues is usable");
        }
        Ok(())
    }

    fn dequeue(&self, queue: u32) -> Result<Bytes, Status> {
        let mut queues = self.queues.borrow_mut();
        entry_mut(&mut queues, queue)?.values.pop_front().ok_or(Status::Empty)
    }

    fn define_metric(&self, _: &Plugin, kind: MetricKind, name: &str) -> Result<u32, Status> {
        let mut metrics = self.metrics.borrow_mut();
        let make = || Metric {
            kind,
            name: name.to_owned(),
            value: 0,
        };
        let metric = find_or_add(&mut metrics, |metric| metric.name == name, make)?;
        if entry_mut(&mut metrics, metric)?.kind == kind {
            Ok(metric)
        } else {
            Err(Status::BadArgument)
        }
    }

    fn increment_metric(&self, metric: u32, offset: i64) -> Result<(), Status> {
        self.change_metric(metric, |value| {
            *value = value.checked_add_signed(offset)?;
            Some(())
        })
    }

    fn record_metric(&self, metric: u32, new: u64) -> Result<(), Status> {
        self.change_metric(metric, |value| {
            *value = new;
            Some(())
        })
    }

    fn metric(&self, metric: u32) -> Result<u64, Status> {
        let mut metrics = self.metrics.borrow_mut();
        Ok(entry_mut(&mut metrics, metric)?.value)
    }

    fn foreign(
        &self,
        _: &Plugin,
        name: &str,
        argument: &[u8],
        exchange: Option<&SharedExchange>,
        caller: &ForeignTarget,
        budget: &mut CpuBudget,
    ) -> Result<Vec<u8>, Status> {
        match name {
            // From within the host call: the callback has to wait until the guest has returned.
            "complete" => {
                caller.complete(u32::from(*argument.first().unwrap_or(&0)));
                Ok(Vec::new())
            }
            "lockgate.kv" => Err(Status::InternalFailure),
            "work" => {
                let spent = (0..argument.len()).try_for_each(|_| budget.spend(1024 * 1024));
                spent.map(|()| Vec::new()).map_err(|_| Status::InternalFailure)
            }
            "echo" => Ok(argument.to_vec()),
            "script" => Ok(self.script.borrow().clone()),
            "path" => {
                let exchange = exchange.ok_or(Status::BadArgument)?.borrow();
                Ok(exchange.request.path.to_string().into_bytes())
            }
            "drop" => {
                let streams = self.streams_to_drop.take();
                drop(streams);
                Ok(Vec::new())
            }
            _ => Err(Status::NotFound),
        }
    }

    fn check_property(&self, _: &Plugin, name: &str, value: &[u8]) -> Result<(), Status> {
        let is_wrong_upstream = name == "lockgate.upstream" && value != b"known";
        if is_wrong_upstream || value.len() > 100 {
            Err(Status::BadArgument)
        } else {
            Ok(())
        }
    }

    fn failed(&self, _: &Plugin, failure: &Failure, phase: &str) {
        self.failures.borrow_mut().push(RecordedFailure {
            kind: failure.kind,
            phase: phase.to_owned(),
            message: failure.message.clone(),
        });
    }

    fn refused(&self, _: &Plugin, what: Refusal, times: u64) {
        self.refusals.borrow_mut().push((what, times));
    }

    fn vm_event(&self, _: &Plugin, event: VmEvent) {
        self.events.borrow_mut().push(event);
    }

    fn drain(&self, vm: DrainingVm) {
        if self.drains.get() {
            self.draining.borrow_mut().push(vm);
        }
    }
}
