//! The sandbox's [`Host`] on one worker: callouts through the upstreams, timers, the shared store,
//! metrics, the `lockgate.*` functions and the log. Each call decodes nothing and decides nothing; it hands on.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::HeaderValue;
use lockgate_client::Protocol;
use lockgate_exchange::{SharedExchange, clock};
use lockgate_foreign::KvWatches;
use lockgate_sandbox::{
    Callout, CalloutReply, CpuBudget, DrainingVm, Failure, ForeignTarget, GrpcCall, GrpcReply, GrpcStream, Guard, Host,
    LogLevel, MetricKind, Plugin, QueueTarget, Refusal, Status, TickTarget, VmEvent,
};
use lockgate_telemetry::metrics::WorkerMetrics;
use lockgate_telemetry::plugin_log;
use lockgate_upstream::Upstream;
use rustc_hash::FxHashMap;
use tokio::task::AbortHandle;

use crate::callouts::observer::CalloutObserver;
use crate::callouts::{grpc, http as http_callouts};
use crate::context::WorkerContext;
use crate::context::queue_notify::{Notification, WatchNotify};
use crate::context::snapshot::Snapshot;
use crate::context::view::View;

/// The host of one worker's VMs.
pub(crate) struct WorkerHost {
    worker: Weak<WorkerContext>,
    itself: Weak<WorkerHost>,
    /// The listeners of each queue on this worker, in the order of registration.
    queues: RefCell<FxHashMap<u32, Vec<(u64, QueueTarget)>>>,
    next_subscription: Cell<u64>,
    watches: KvWatches,
    /// The snapshot whose plugins are starting.
    starting: RefCell<Option<Arc<Snapshot>>>,
}

/// A task that ends when this is dropped.
struct TaskGuard(AbortHandle);

impl Drop for TaskGuard {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A VM's subscription to a queue, which ends when this is dropped.
struct QueueSubscription {
    host: Weak<WorkerHost>,
    queue: u32,
    key: u64,
}

impl Drop for QueueSubscription {
    fn drop(&mut self) {
        if let Some(host) = self.host.upgrade() {
            host.unsubscribe(self.queue, self.key);
        }
    }
}

impl WorkerHost {
    /// The host of the VMs on `worker`.
    pub(crate) fn new(worker: &Rc<WorkerContext>) -> Rc<Self> {
        Rc::new_cyclic(|itself| Self {
            worker: Rc::downgrade(worker),
            itself: itself.clone(),
            queues: RefCell::default(),
            next_subscription: Cell::default(),
            watches: KvWatches::new(Arc::new(WatchNotify(worker.queue_sender.clone()))),
            starting: RefCell::default(),
        })
    }

    /// A view of `snapshot`, in which the plugins that start see that snapshot's upstreams.
    pub(crate) fn view(&self, snapshot: Arc<Snapshot>, before: Option<&View>, metrics: &WorkerMetrics) -> View {
        self.starting.replace(Some(snapshot.clone()));
        let itself: Rc<dyn Host> = self.itself.upgrade().expect("it is borrowed");
        let view = View::new(snapshot, before, &itself, metrics);
        self.starting.take();
        view
    }

    /// Hands a notification on to its plugin.
    pub(crate) fn deliver(&self, notification: Notification) {
        match notification {
            Notification::Queue(queue) => self.notify(queue),
            Notification::Watch(id) => self.watches.complete(id),
        }
    }

    /// Notifies the plugin of this worker that listens to `queue`. If its VM is gone, the listener before it is notified.
    fn notify(&self, queue: u32) {
        loop {
            let last = self.queues.borrow().get(&queue).and_then(|all| all.last().cloned());
            match last {
                Some((_, target)) if target.ready(queue) => return,
                Some((key, _)) => self.unsubscribe(queue, key),
                None => break,
            }
        }
        if let Ok(worker) = self.worker() {
            worker.shared.queue_notify.unsubscribe(queue, &worker.queue_sender);
            worker.shared.queue_notify.notify(queue);
        }
    }

    fn unsubscribe(&self, queue: u32, key: u64) {
        let mut queues = self.queues.borrow_mut();
        let Some(listeners) = queues.get_mut(&queue) else {
            return;
        };
        listeners.retain(|(known, _)| *known != key);
        if listeners.is_empty() {
            queues.remove(&queue);
            if let Ok(worker) = self.worker() {
                worker.shared.queue_notify.unsubscribe(queue, &worker.queue_sender);
            }
        }
    }

    /// The upstream called `name`: of the snapshot whose plugins are starting, else of the one that serves.
    fn upstream(&self, name: &str) -> Result<Option<Arc<Upstream>>, Status> {
        if let Some(snapshot) = &*self.starting.borrow() {
            return Ok(snapshot.upstream(name).map(|(_, upstream)| upstream.clone()));
        }
        let snapshot = self.worker()?.snapshot().ok_or(Status::InternalFailure)?;
        Ok(snapshot.upstream(name).map(|(_, upstream)| upstream.clone()))
    }

    fn worker(&self) -> Result<Rc<WorkerContext>, Status> {
        self.worker.upgrade().ok_or(Status::InternalFailure)
    }
}

impl Host for WorkerHost {
    fn time(&self) -> SystemTime {
        self.worker()
            .map_or_else(|_| SystemTime::now(), |worker| worker.wall_clock.time())
    }

    fn now(&self) -> Instant {
        clock::now()
    }

    fn random(&self, buffer: &mut [u8]) -> bool {
        match self.worker() {
            Ok(worker) => worker.random.fill(buffer),
            Err(_) => false,
        }
    }

    fn log(&self, plugin: &Plugin, request_id: Option<&HeaderValue>, level: LogLevel, message: &str) {
        let request_id = request_id.and_then(|id| id.to_str().ok());
        plugin_log::write(plugin.name(), request_id, level, message);
    }

    fn log_level(&self) -> LogLevel {
        plugin_log::level()
    }

    fn callout(&self, plugin: &Plugin, callout: Callout, reply: CalloutReply) -> Result<Guard, Status> {
        let upstream = self.upstream(&callout.upstream)?.ok_or(Status::BadArgument)?;
        let worker = self.worker()?;
        let observer = CalloutObserver::start(&worker, plugin, upstream.name(), callout.request_id.clone());
        let client = worker.callouts.clone();
        let task =
            tokio::task::spawn_local(
                async move { http_callouts::make(client, &upstream, callout, reply, observer).await },
            );
        Ok(Box::new(TaskGuard(task.abort_handle())))
    }

    fn grpc(&self, plugin: &Plugin, call: GrpcCall, reply: GrpcReply) -> Result<Box<dyn GrpcStream>, Status> {
        let upstream = self.upstream(&call.upstream)?.ok_or(Status::ParseFailure)?;
        let worker = self.worker()?;
        let observer = CalloutObserver::start(&worker, plugin, upstream.name(), call.request_id.clone());
        if upstream.protocol() == Protocol::Http1 {
            observer.failed("the upstream needs \"protocol\": \"http2\"");
            return Ok(grpc::fail(&call, reply, "the upstream does not speak HTTP/2"));
        }
        Ok(grpc::open(worker.callouts.clone(), upstream, call, reply, observer))
    }

    fn start_ticks(&self, target: TickTarget, period: Duration) -> Guard {
        let timer = tokio::task::spawn_local(async move {
            let mut interval = tokio::time::interval_at(tokio::time::Instant::now() + period, period);
            interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                interval.tick().await;
                if !target.tick() {
                    return;
                }
            }
        });
        Box::new(TaskGuard(timer.abort_handle()))
    }

    fn shared_data(&self, vm_id: &str, key: &str) -> Option<(Bytes, u32)> {
        self.worker().ok()?.shared.store.shared_data().get(vm_id, key)
    }

    fn set_shared_data(&self, vm_id: &str, key: &str, value: &[u8], cas: u32) -> Result<(), Status> {
        let outcome = self.worker()?.shared.store.shared_data().set(vm_id, key, value, cas);
        outcome.map_err(lockgate_foreign::status_of_shared)
    }

    fn register_queue(&self, vm_id: &str, name: &str, ready: QueueTarget) -> Result<(u32, Guard), Status> {
        let worker = self.worker()?;
        let id = worker
            .shared
            .store
            .queues()
            .register(vm_id, name)
            .map_err(|_| Status::InternalFailure)?;
        let key = self.next_subscription.replace(self.next_subscription.get() + 1);
        self.queues.borrow_mut().entry(id).or_default().push((key, ready));
        worker.shared.queue_notify.subscribe(id, worker.queue_sender.clone());
        let subscription = QueueSubscription {
            host: self.itself.clone(),
            queue: id,
            key,
        };
        Ok((id, Box::new(subscription)))
    }

    fn resolve_queue(&self, vm_id: &str, name: &str) -> Option<u32> {
        self.worker().ok()?.shared.store.queues().resolve(vm_id, name)
    }

    fn enqueue(&self, queue: u32, value: Bytes) -> Result<(), Status> {
        let worker = self.worker()?;
        worker
            .shared
            .store
            .queues()
            .enqueue(queue, value)
            .map_err(lockgate_foreign::status_of_queue)?;
        worker.shared.queue_notify.notify(queue);
        Ok(())
    }

    fn dequeue(&self, queue: u32) -> Result<Bytes, Status> {
        self.worker()?
            .shared
            .store
            .queues()
            .dequeue(queue)
            .map_err(lockgate_foreign::status_of_queue)
    }

    fn define_metric(&self, plugin: &Plugin, kind: MetricKind, name: &str) -> Result<u32, Status> {
        self.worker()?.metrics.define(plugin.name(), kind, name)
    }

    fn increment_metric(&self, metric: u32, offset: i64) -> Result<(), Status> {
        self.worker()?.metrics.increment(metric, offset)
    }

    fn record_metric(&self, metric: u32, value: u64) -> Result<(), Status> {
        self.worker()?.metrics.record(metric, value)
    }

    fn metric(&self, metric: u32) -> Result<u64, Status> {
        self.worker()?.metrics.value(metric)
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
        let worker = self.worker()?;
        let services = lockgate_foreign::Services {
            store: &worker.shared.store,
            watches: &self.watches,
            clock: &worker.wall_clock,
        };
        lockgate_foreign::call(&services, plugin, name, argument, exchange, caller, budget)
    }

    fn check_property(&self, _plugin: &Plugin, name: &str, value: &[u8]) -> Result<(), Status> {
        if name != "lockgate.upstream" {
            return Ok(());
        }
        let view = self.worker()?.current().ok_or(Status::InternalFailure)?;
        let known = std::str::from_utf8(value).is_ok_and(|name| view.snapshot.upstream(name).is_some());
        if known { Ok(()) } else { Err(Status::BadArgument) }
    }

    fn drain(&self, vm: DrainingVm) {
        if let Ok(worker) = self.worker() {
            worker.draining_vms.add(clock::now(), vm);
        }
    }

    fn failed(&self, plugin: &Plugin, failure: &Failure, _phase: &str) {
        if let Ok(worker) = self.worker() {
            worker.metrics.record_failure(plugin.name(), failure.kind);
        }
    }

    fn refused(&self, plugin: &Plugin, what: Refusal, times: u64) {
        if let Ok(worker) = self.worker() {
            worker.metrics.record_refusals(plugin.name(), what, times);
        }
    }

    fn vm_event(&self, plugin: &Plugin, event: VmEvent) {
        if let Ok(worker) = self.worker() {
            worker.metrics.record_vm_event(plugin.name(), event);
        }
    }
}
