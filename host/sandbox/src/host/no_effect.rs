//! [`NoEffectHost`]: the host of trial VMs.

mod memory;

use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use lockgate_abi::{LogLevel, MetricKind, Status};
use lockgate_exchange::SharedExchange;

use self::memory::TrialMemory;
use super::{
    Callout, CalloutReply, ForeignTarget, GrpcCall, GrpcReply, GrpcStream, Guard, Host, QueueTarget, TickTarget,
};
use crate::budget::CpuBudget;
use crate::plugin::Plugin;
use crate::report::Failure;

/// A host for trials: nothing that a plugin does has an effect, except for its log.
///
/// A guest reads back what it has written, and nobody else does. Callouts are accepted and get no response. Timers never fire.
pub struct NoEffectHost {
    log: Box<LogLines>,
    log_level: LogLevel,
    memory: TrialMemory,
    foreign: Box<ForeignFunctions>,
}

/// Where the log lines of a trial go: the plugin, the level, the line.
type LogLines = dyn Fn(&Plugin, LogLevel, &str);

/// Foreign functions of a trial: the plugin, the function's name, its argument, the budget of the callback.
type ForeignFunctions = dyn Fn(&Plugin, &str, &[u8], &mut CpuBudget) -> Result<Vec<u8>, Status>;

impl NoEffectHost {
    /// A host whose log lines of at least `log_level` go to `log`.
    #[must_use]
    pub fn new(log_level: LogLevel, log: impl Fn(&Plugin, LogLevel, &str) + 'static) -> Self {
        Self {
            log: Box::new(log),
            log_level,
            memory: TrialMemory::default(),
            foreign: Box::new(|_, _, _, _| Err(Status::NotFound)),
        }
    }

    /// The same with foreign functions, so that a plugin which needs them starts in a trial, too.
    #[must_use]
    pub fn with_foreign(
        mut self,
        foreign: impl Fn(&Plugin, &str, &[u8], &mut CpuBudget) -> Result<Vec<u8>, Status> + 'static,
    ) -> Self {
        self.foreign = Box::new(foreign);
        self
    }
}

/// A gRPC call or stream that waits as long as the trial lasts.
struct UnansweredGrpc {
    _reply: GrpcReply,
}

impl GrpcStream for UnansweredGrpc {
    fn send(&self, _: Bytes, _: bool) -> Result<(), Status> {
        Ok(())
    }

    fn close(&self) {}
}

impl Host for NoEffectHost {
    fn log(&self, plugin: &Plugin, _: Option<&HeaderValue>, level: LogLevel, message: &str) {
        (self.log)(plugin, level, message);
    }

    fn log_level(&self) -> LogLevel {
        self.log_level
    }

    fn is_trial(&self) -> bool {
        true
    }

    fn callout(&self, _: &Plugin, _: Callout, reply: CalloutReply) -> Result<Guard, Status> {
        // It waits as long as the trial lasts.
        Ok(Box::new(reply))
    }

    fn grpc(&self, _: &Plugin, _: GrpcCall, reply: GrpcReply) -> Result<Box<dyn GrpcStream>, Status> {
        Ok(Box::new(UnansweredGrpc { _reply: reply }))
    }

    fn start_ticks(&self, _: TickTarget, _: Duration) -> Guard {
        Box::new(())
    }

    fn shared_data(&self, vm_id: &str, key: &str) -> Option<(Bytes, u32)> {
        self.memory.shared_data(vm_id, key)
    }

    fn set_shared_data(&self, vm_id: &str, key: &str, value: &[u8], cas: u32) -> Result<(), Status> {
        self.memory.set_shared_data(vm_id, key, value, cas)
    }

    fn register_queue(&self, vm_id: &str, name: &str, _: QueueTarget) -> Result<(u32, Guard), Status> {
        Ok((self.memory.register_queue(vm_id, name)?, Box::new(())))
    }

    fn resolve_queue(&self, vm_id: &str, name: &str) -> Option<u32> {
        self.memory.resolve_queue(vm_id, name)
    }

    fn enqueue(&self, queue: u32, value: Bytes) -> Result<(), Status> {
        self.memory.enqueue(queue, value)
    }

    fn dequeue(&self, queue: u32) -> Result<Bytes, Status> {
        self.memory.dequeue(queue)
    }

    fn define_metric(&self, _: &Plugin, kind: MetricKind, name: &str) -> Result<u32, Status> {
        self.memory.define_metric(kind, name)
    }

    fn increment_metric(&self, metric: u32, offset: i64) -> Result<(), Status> {
        self.memory.increment_metric(metric, offset)
    }

    fn record_metric(&self, metric: u32, value: u64) -> Result<(), Status> {
        self.memory.record_metric(metric, value)
    }

    fn metric(&self, metric: u32) -> Result<u64, Status> {
        self.memory.metric(metric)
    }

    fn foreign(
        &self,
        plugin: &Plugin,
        name: &str,
        argument: &[u8],
        _: Option<&SharedExchange>,
        _: &ForeignTarget,
        budget: &mut CpuBudget,
    ) -> Result<Vec<u8>, Status> {
        (self.foreign)(plugin, name, argument, budget)
    }

    fn check_property(&self, _: &Plugin, _: &str, _: &[u8]) -> Result<(), Status> {
        Ok(())
    }

    fn failed(&self, _: &Plugin, _: &Failure, _: &str) {}
}
