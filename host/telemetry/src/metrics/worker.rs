//! A worker's side of the metrics: series that it counts in, without a lock or an atomic addition.

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use lockgate_sandbox::{FailureKind, MetricKind, Phase, Refusal, Status, VmEvent};

use super::counters::{Counters, WorkerCells};
use super::plugin_metrics::PluginMetric;
use super::route_events::{Fault, MirrorResult};
use super::series::{OTHER, PluginCells, RequestCells, TcpCells, UpstreamCells};
use crate::callout_end::CalloutEnd;
use crate::close_reason::CloseReason;

/// The counters of one worker. It may move to the worker's thread, but what it hands out stays there.
#[derive(Debug)]
pub struct WorkerMetrics {
    counters: Arc<Counters>,
    cells: Arc<WorkerCells>,
    number: usize,
    /// Metrics of plugins that this worker has used, by id.
    known: RefCell<Vec<Option<Arc<PluginMetric>>>>,
    /// Not `Sync`: cells have one writer.
    one_writer: PhantomData<Cell<()>>,
}

impl WorkerMetrics {
    /// Cells for one more worker.
    pub(super) fn new(counters: &Arc<Counters>) -> Self {
        let cells = Arc::<WorkerCells>::default();
        let mut workers = counters.workers.lock().unwrap_or_else(PoisonError::into_inner);
        workers.push(cells.clone());
        Self {
            counters: counters.clone(),
            cells,
            number: workers.len() - 1,
            known: RefCell::default(),
            one_writer: PhantomData,
        }
    }

    /// Series of the requests of a listener and route; an empty route stands for requests that match none. Takes a lock: callers ask
    /// once and reuse it.
    pub fn requests(&self, listener: &str, route: &str) -> RequestSeries {
        RequestSeries(Rc::new(
            self.cells
                .requests
                .of((listener.into(), route.into()), || (OTHER.into(), OTHER.into())),
        ))
    }

    /// Series of a plugin's callbacks. Takes a lock: callers ask once and reuse it.
    pub fn plugin(&self, plugin: &str) -> PluginSeries {
        PluginSeries(Rc::new(self.cells.plugins.of(plugin.into(), || OTHER.into())))
    }

    /// Series of the requests to an upstream. Takes a lock: callers ask once and reuse it.
    pub fn upstream(&self, upstream: &str) -> UpstreamSeries {
        UpstreamSeries(Rc::new(self.cells.upstreams.of(upstream.into(), || OTHER.into())))
    }

    /// Series of a listener's TCP connections. Takes a lock: callers ask once and reuse it.
    pub fn tcp(&self, listener: &str) -> TcpSeries {
        TcpSeries(Rc::new(self.cells.tcp.of(listener.into(), || OTHER.into())))
    }

    /// Counter of this worker's open connections.
    pub fn connections(&self) -> Connections {
        Connections {
            cells: self.cells.clone(),
            not_send: PhantomData,
        }
    }

    /// Counts a callout that ended. Takes a lock.
    pub fn record_callout(&self, plugin: &str, upstream: &str, end: CalloutEnd, took: Duration) {
        let key = (plugin.into(), upstream.into());
        let cells = self.cells.callouts.of(key, || (OTHER.into(), OTHER.into()));
        cells.record(end, took);
    }

    /// Counts a failure of a plugin.
    pub fn record_failure(&self, plugin: &str, kind: FailureKind) {
        self.counters.failures.add(plugin, kind.as_str(), 1);
    }

    /// Counts host calls of a plugin that were refused.
    pub fn record_refusals(&self, plugin: &str, reason: Refusal, times: u64) {
        self.counters.refusals.add(plugin, reason.as_str(), times);
    }

    /// Counts an event of a plugin's VM.
    pub fn record_vm_event(&self, plugin: &str, event: VmEvent) {
        self.counters.events.add(plugin, event.as_str(), 1);
    }

    /// Counts a copy of a request for a shadow upstream.
    pub fn record_mirror(&self, upstream: &str, result: MirrorResult) {
        self.counters.mirrored.add(upstream, result.as_str(), 1);
    }

    /// Counts a fault that a route has injected.
    pub fn record_fault(&self, route: &str, fault: Fault) {
        self.counters.faults.add(route, fault.as_str(), 1);
    }

    /// Defines a metric that is rendered as `lockgate_plugin_NAME`, or finds it: plugins that agree on name and kind share it. Bytes
    /// that Prometheus does not allow in a name become `_`.
    ///
    /// # Errors
    /// [`Status::BadArgument`] for an invalid name or one of another kind; [`Status::InternalFailure`] above the maximum number.
    pub fn define(&self, plugin: &str, kind: MetricKind, name: &str) -> Result<u32, Status> {
        self.counters.plugin_metrics.define(plugin, kind, name)
    }

    /// Adds to a counter or a gauge.
    ///
    /// # Errors
    /// [`Status::NotFound`] for an unknown id; [`Status::BadArgument`] for a falling counter or a histogram.
    pub fn increment(&self, id: u32, offset: i64) -> Result<(), Status> {
        self.with_metric(id, |metric| metric.increment(self.number, offset))
    }

    /// Adds to a counter, sets a gauge, records in a histogram.
    ///
    /// # Errors
    /// [`Status::NotFound`] for an unknown id.
    pub fn record(&self, id: u32, value: u64) -> Result<(), Status> {
        self.with_metric(id, |metric| {
            metric.record(self.number, value);
            Ok(())
        })
    }

    /// A counter's or gauge's value over all workers.
    ///
    /// # Errors
    /// [`Status::NotFound`] for an unknown id; [`Status::BadArgument`] for a histogram.
    pub fn value(&self, id: u32) -> Result<u64, Status> {
        self.with_metric(id, PluginMetric::value)
    }

    /// Looks a metric up among those that this worker has used; only then among all, which takes a lock.
    fn with_metric<T>(&self, id: u32, act: impl FnOnce(&PluginMetric) -> Result<T, Status>) -> Result<T, Status> {
        let mut known = self.known.borrow_mut();
        let slot = id as usize;
        if let Some(Some(metric)) = known.get(slot) {
            return act(metric);
        }
        let metric = self.counters.plugin_metrics.metric(id).ok_or(Status::NotFound)?;
        if known.len() <= slot {
            known.resize(slot + 1, None);
        }
        act(known[slot].insert(metric))
    }
}

/// Counts the requests of a listener and a route. Cheap to clone.
#[derive(Debug, Clone)]
#[allow(
    clippy::redundant_allocation,
    reason = "requests clone it, and an Rc costs no atomic operation"
)]
pub struct RequestSeries(Rc<Arc<RequestCells>>);

impl RequestSeries {
    /// Counts a request that ended with this status after this time.
    pub fn record(&self, status: u16, took: Duration) {
        self.0.record(status, took);
    }

    /// Counts a tunnel as open until the guard is dropped.
    pub fn open_tunnel(&self) -> OpenTunnel {
        self.0.tunnels.opened.add(1);
        OpenTunnel(self.clone())
    }

    /// Counts the gRPC status of its response, 0 to 16.
    pub fn record_grpc_status(&self, status: u32) {
        self.0.record_grpc_status(status);
    }
}

/// Guard of one open tunnel.
#[derive(Debug)]
pub struct OpenTunnel(RequestSeries);

impl OpenTunnel {
    /// Counts bytes from the client.
    pub fn received(&self, bytes: u64) {
        self.0.0.tunnels.received.add(bytes);
    }

    /// Counts bytes to the client.
    pub fn sent(&self, bytes: u64) {
        self.0.0.tunnels.sent.add(bytes);
    }
}

impl Drop for OpenTunnel {
    fn drop(&mut self) {
        self.0.0.tunnels.closed.add(1);
    }
}

/// Counts the time in a plugin's callbacks. Cheap to clone.
#[derive(Debug, Clone)]
#[allow(
    clippy::redundant_allocation,
    reason = "requests clone it, and an Rc costs no atomic operation"
)]
pub struct PluginSeries(Rc<Arc<PluginCells>>);

impl PluginSeries {
    /// Counts a callback that took this time.
    pub fn record(&self, phase: Phase, took: Duration) {
        self.0.record(phase, took);
    }

    /// Counts a message that it had paused for this time.
    pub fn record_wait(&self, waited: Duration) {
        self.0.record_wait(waited);
    }
}

/// Counts the requests to an upstream. Cheap to clone.
#[derive(Debug, Clone)]
#[allow(
    clippy::redundant_allocation,
    reason = "requests clone it, and an Rc costs no atomic operation"
)]
pub struct UpstreamSeries(Rc<Arc<UpstreamCells>>);

impl UpstreamSeries {
    /// Counts a request whose response headers, or whose failure, came after this time.
    pub fn record(&self, status: Option<u16>, took: Duration) {
        self.0.record(status, took);
    }
}

/// Counts the TCP connections of a listener. Cheap to clone.
#[derive(Debug, Clone)]
#[allow(
    clippy::redundant_allocation,
    reason = "connections clone it, and an Rc costs no atomic operation"
)]
pub struct TcpSeries(Rc<Arc<TcpCells>>);

impl TcpSeries {
    /// Counts a connection that ended, or was refused.
    pub fn record_close(&self, reason: CloseReason) {
        self.0.closed[reason as usize].add(1);
    }

    /// Counts bytes from clients.
    pub fn received(&self, bytes: u64) {
        self.0.received.add(bytes);
    }

    /// Counts bytes to clients.
    pub fn sent(&self, bytes: u64) {
        self.0.sent.add(bytes);
    }
}

/// Counts a worker's open connections.
#[derive(Debug, Clone)]
pub struct Connections {
    cells: Arc<WorkerCells>,
    not_send: PhantomData<Rc<()>>,
}

impl Connections {
    /// Counts one more until the guard is dropped.
    pub fn open(&self) -> OpenConnection {
        self.cells.opened.add(1);
        OpenConnection(self.clone())
    }
}

/// Guard of one open connection.
#[derive(Debug)]
pub struct OpenConnection(Connections);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.cells.closed.add(1);
    }
}
