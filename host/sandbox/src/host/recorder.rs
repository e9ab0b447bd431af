//! [`Recorder`]: the host of a start that becomes an image. It notes what the start asks of the host.
//!
//! What can be repeated for each VM is an effect. What cannot is an obstacle: then there is no image, and each VM starts itself.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::HeaderValue;
use lockgate_abi::{LogLevel, MetricKind, Status};
use lockgate_exchange::SharedExchange;

use super::guest_ids::{image_id, index_of};
use super::{
    Callout, CalloutReply, ForeignTarget, GrpcCall, GrpcReply, GrpcStream, Guard, Host, QueueTarget, TickTarget,
};
use crate::budget::CpuBudget;
use crate::plugin::Plugin;
use crate::report::{Failure, Refusal, VmEvent};

/// What a start asked of the host, to be repeated for each VM.
#[derive(Clone, Debug, Default)]
pub(crate) struct Effects {
    /// Definitions of metrics. An index is a number of the image.
    pub(crate) metrics: Vec<(MetricKind, String)>,
    /// Changes of metrics, by index.
    pub(crate) updates: Vec<(usize, Update)>,
    /// Names of registered queues. An index is a number of the image.
    pub(crate) queues: Vec<String>,
    /// The tick period that was set last.
    pub(crate) tick: Option<Duration>,
}

/// A change of a metric.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Update {
    Increment(i64),
    Record(u64),
}

/// Notes what goes to the host of a trial.
pub(crate) struct Recorder {
    host: Rc<dyn Host>,
    effects: RefCell<Effects>,
    /// The trial host's own numbers, by index.
    metric_ids: RefCell<Vec<u32>>,
    queue_ids: RefCell<Vec<u32>>,
    /// The namespace of the plugin's own queues.
    vm_id: RefCell<String>,
    obstacle: RefCell<Option<String>>,
    /// The random bytes that are read now are the seed of a hash map.
    is_seed: Cell<bool>,
}

impl Recorder {
    pub(crate) fn new(host: Rc<dyn Host>) -> Rc<Self> {
        Rc::new(Self {
            host,
            effects: RefCell::default(),
            metric_ids: RefCell::default(),
            queue_ids: RefCell::default(),
            vm_id: RefCell::default(),
            obstacle: RefCell::default(),
            is_seed: Cell::new(false),
        })
    }

    /// Says whether the next random bytes are the seed of a hash map.
    pub(crate) fn set_seed(&self, is_seed: bool) {
        self.is_seed.set(is_seed);
    }

    /// The effects so far.
    ///
    /// # Errors
    /// The first obstacle.
    pub(crate) fn effects(&self) -> Result<Effects, String> {
        match &*self.obstacle.borrow() {
            Some(obstacle) => Err(obstacle.clone()),
            None => Ok(self.effects.borrow().clone()),
        }
    }

    fn obstacle(&self, what: &str) {
        self.obstacle.borrow_mut().get_or_insert_with(|| what.to_owned());
    }

    /// The trial host's number of a metric.
    fn metric_id(&self, id: u32) -> u32 {
        let known = index_of(id).and_then(|index| self.metric_ids.borrow().get(index).copied());
        known.unwrap_or(id)
    }

    /// The trial host's number of a queue.
    fn queue_id(&self, id: u32) -> u32 {
        let known = index_of(id).and_then(|index| self.queue_ids.borrow().get(index).copied());
        known.unwrap_or(id)
    }

    fn update(&self, metric: u32, update: Update) {
        let known = index_of(metric).filter(|index| *index < self.metric_ids.borrow().len());
        if let Some(index) = known {
            self.effects.borrow_mut().updates.push((index, update));
        }
    }
}

impl Host for Recorder {
    fn time(&self) -> SystemTime {
        self.obstacle("its start reads the time of day");
        self.host.time()
    }

    fn now(&self) -> Instant {
        self.host.now()
    }

    fn random(&self, buffer: &mut [u8]) -> bool {
        if !self.is_seed.replace(false) {
            self.obstacle("its start reads random bytes that are not the seed of a hash map");
        }
        self.host.random(buffer)
    }

    fn log(&self, plugin: &Plugin, request_id: Option<&HeaderValue>, level: LogLevel, message: &str) {
        self.host.log(plugin, request_id, level, message);
    }

    fn log_level(&self) -> LogLevel {
        self.host.log_level()
    }

    fn is_trial(&self) -> bool {
        self.host.is_trial()
    }

    fn callout(&self, plugin: &Plugin, callout: Callout, reply: CalloutReply) -> Result<Guard, Status> {
        self.obstacle("its start makes a callout");
        self.host.callout(plugin, callout, reply)
    }

    fn grpc(&self, plugin: &Plugin, call: GrpcCall, reply: GrpcReply) -> Result<Box<dyn GrpcStream>, Status> {
        self.obstacle("its start makes a gRPC call");
        self.host.grpc(plugin, call, reply)
    }

    fn start_ticks(&self, target: TickTarget, period: Duration) -> Guard {
        self.effects.borrow_mut().tick = Some(period);
        self.host.start_ticks(target, period)
    }

    fn shared_data(&self, vm_id: &str, key: &str) -> Option<(Bytes, u32)> {
        self.obstacle("its start reads shared data");
        self.host.shared_data(vm_id, key)
    }

    fn set_shared_data(&self, vm_id: &str, key: &str, value: &[u8], cas: u32) -> Result<(), Status> {
        self.obstacle("its start writes shared data");
        self.host.set_shared_data(vm_id, key, value, cas)
    }

    fn register_queue(&self, vm_id: &str, name: &str, ready: QueueTarget) -> Result<(u32, Guard), Status> {
        let known = self.effects.borrow().queues.iter().position(|known| known == name);
        let (registered, guard) = self.host.register_queue(vm_id, name, ready).inspect_err(|_| {
            self.obstacle("its start registers a queue that the trial refuses");
        })?;
        if let Some(index) = known {
            return Ok((image_id(index).ok_or(Status::InternalFailure)?, guard));
        }
        let (mut effects, mut ids) = (self.effects.borrow_mut(), self.queue_ids.borrow_mut());
        vm_id.clone_into(&mut self.vm_id.borrow_mut());
        effects.queues.push(name.to_owned());
        ids.push(registered);
        Ok((image_id(ids.len() - 1).ok_or(Status::InternalFailure)?, guard))
    }

    fn resolve_queue(&self, vm_id: &str, name: &str) -> Option<u32> {
        let is_own = *self.vm_id.borrow() == vm_id;
        let own = self
            .effects
            .borrow()
            .queues
            .iter()
            .position(|known| is_own && known == name);
        if let Some(index) = own {
            return image_id(index);
        }
        self.obstacle("its start looks for another plugin's queue");
        self.host.resolve_queue(vm_id, name)
    }

    fn enqueue(&self, queue: u32, value: Bytes) -> Result<(), Status> {
        self.obstacle("its start puts a value into a queue");
        self.host.enqueue(self.queue_id(queue), value)
    }

    fn dequeue(&self, queue: u32) -> Result<Bytes, Status> {
        self.obstacle("its start takes a value from a queue");
        self.host.dequeue(self.queue_id(queue))
    }

    fn define_metric(&self, plugin: &Plugin, kind: MetricKind, name: &str) -> Result<u32, Status> {
        let known = self
            .effects
            .borrow()
            .metrics
            .iter()
            .position(|(_, known)| known == name);
        if let Some(index) = known {
            let same = self.effects.borrow().metrics[index].0 == kind;
            return if same {
                image_id(index).ok_or(Status::InternalFailure)
            } else {
                Err(Status::BadArgument)
            };
        }
        let defined = self.host.define_metric(plugin, kind, name).inspect_err(|_| {
            self.obstacle("its start defines a metric that the trial refuses");
        })?;
        let (mut effects, mut ids) = (self.effects.borrow_mut(), self.metric_ids.borrow_mut());
        effects.metrics.push((kind, name.to_owned()));
        ids.push(defined);
        image_id(ids.len() - 1).ok_or(Status::InternalFailure)
    }

    fn increment_metric(&self, metric: u32, offset: i64) -> Result<(), Status> {
        self.host.increment_metric(self.metric_id(metric), offset)?;
        self.update(metric, Update::Increment(offset));
        Ok(())
    }

    fn record_metric(&self, metric: u32, value: u64) -> Result<(), Status> {
        self.host.record_metric(self.metric_id(metric), value)?;
        self.update(metric, Update::Record(value));
        Ok(())
    }

    fn metric(&self, metric: u32) -> Result<u64, Status> {
        self.obstacle("its start reads a metric");
        self.host.metric(self.metric_id(metric))
    }

    fn foreign(
        &self,
        plugin: &Plugin,
        name: &str,
        argument: &[u8],
        exchange: Option<&SharedExchange>,
        caller: &ForeignTarget,
        budget: &mut CpuBudget,
    ) -> Result<Vec<u8>, Status> {
        self.obstacle(&format!("its start calls the foreign function {name:?}"));
        self.host.foreign(plugin, name, argument, exchange, caller, budget)
    }

    fn check_property(&self, plugin: &Plugin, name: &str, value: &[u8]) -> Result<(), Status> {
        self.host.check_property(plugin, name, value)
    }

    fn failed(&self, plugin: &Plugin, failure: &Failure, phase: &str) {
        self.host.failed(plugin, failure, phase);
    }

    fn refused(&self, plugin: &Plugin, what: Refusal, times: u64) {
        self.host.refused(plugin, what, times);
    }

    fn vm_event(&self, plugin: &Plugin, event: VmEvent) {
        self.host.vm_event(plugin, event);
    }
}
