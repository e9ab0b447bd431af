//! Counting on the data path and showing it to Prometheus.
//!
//! Every worker has cells of its own and is their only writer, so that counting is a plain load and store; a scrape adds the workers'
//! cells up. Cells are found by name, never by snapshot, so they survive reloads. Names and labels come from the configuration, and
//! their number is bounded; those that plugins define are in `defined`.

mod cells;
mod defined;
mod render;
mod series;
mod tallies;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lockgate_sandbox::{MetricKind, Phase, Status, VmEvent};

use cells::{CALLBACK_BOUNDS, Count, Distribution};
use defined::{Defined, Metric};
use series::{PluginCells, RequestCells, Series, TcpCells, UpstreamCells};
use tallies::Tallies;

use crate::ending::Ending;

/// How a reload ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReloadResult {
    /// The new snapshot serves.
    Success,
    /// The old one goes on serving.
    Failure,
}

/// All counters of the process. Shared by workers, control thread and admin API; a clone is the same registry.
#[derive(Debug, Clone, Default)]
pub struct Registry(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    workers: Mutex<Vec<Arc<WorkerCells>>>,
    defined: Defined,
    /// By plugin and kind.
    failures: Tallies,
    /// By plugin and what was refused.
    refusals: Tallies,
    /// By plugin and event.
    events: Tallies,
    reloads_done: AtomicU64,
    reloads_failed: AtomicU64,
    access_log_dropped: Arc<AtomicU64>,
}

/// What one worker counts.
#[derive(Debug, Default)]
struct WorkerCells {
    /// By listener and route.
    requests: Series<(Arc<str>, Arc<str>), RequestCells>,
    plugins: Series<Arc<str>, PluginCells>,
    upstreams: Series<Arc<str>, UpstreamCells>,
    /// By listener.
    tcp: Series<Arc<str>, TcpCells>,
    opened: Count,
    closed: Count,
}

impl Registry {
    /// No counters yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cells for one more worker.
    pub fn worker(&self) -> WorkerMetrics {
        let cells = Arc::<WorkerCells>::default();
        let mut workers = self.0.workers.lock().unwrap_or_else(PoisonError::into_inner);
        workers.push(cells.clone());
        WorkerMetrics {
            registry: self.clone(),
            cells,
            number: workers.len() - 1,
            known: RefCell::default(),
            one_writer: PhantomData,
        }
    }

    /// A plugin failed; `kind` is one of a fixed set.
    pub fn failures(&self, plugin: &str, kind: &'static str) {
        self.0.failures.add(plugin, kind, 1);
    }

    /// A reload has ended.
    pub fn reloads(&self, result: ReloadResult) {
        let count = match result {
            ReloadResult::Success => &self.0.reloads_done,
            ReloadResult::Failure => &self.0.reloads_failed,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// Where an access log counts the lines that it lost.
    pub fn access_log_dropped(&self) -> Arc<AtomicU64> {
        self.0.access_log_dropped.clone()
    }

    /// What a plugin's callbacks took, by phase; phases that never ran are left out.
    pub fn phases(&self, plugin: &str) -> Vec<PhaseTimes> {
        let workers = self.0.workers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut sums: [Distribution; Phase::TIMED.len()] = Default::default();
        for (_, cells) in workers
            .iter()
            .flat_map(|worker| worker.plugins.all())
            .filter(|(name, _)| &**name == plugin)
        {
            cells.add_to(&mut sums);
        }
        let ran = Phase::TIMED.into_iter().zip(sums);
        ran.filter(|(_, sum)| sum.buckets.iter().any(|count| *count != 0))
            .map(|(phase, sum)| PhaseTimes {
                phase,
                buckets: sum
                    .buckets
                    .into_iter()
                    .enumerate()
                    .map(|(at, count)| (CALLBACK_BOUNDS.get(at).copied().map(Duration::from_nanos), count))
                    .collect(),
                sum: Duration::from_nanos(sum.sum),
            })
            .collect()
    }

    /// What a plugin was refused, how its VMs fared and failed, each by its label.
    pub fn incidents(&self, plugin: &str) -> [BTreeMap<&'static str, u64>; 3] {
        [&self.0.refusals, &self.0.events, &self.0.failures].map(|tallies| {
            let all = tallies.all().into_iter().filter(|((name, _), _)| name == plugin);
            all.map(|((_, word), count)| (word, count)).collect()
        })
    }

    /// Everything in Prometheus' text format, version 0.0.4.
    pub fn render(&self) -> String {
        render::render(&self.0)
    }
}

/// What callbacks of one phase took.
pub struct PhaseTimes {
    /// The phase.
    pub phase: Phase,
    /// Upper bounds and what fell between them; the last has no bound.
    pub buckets: Vec<(Option<Duration>, u64)>,
    /// All of their time.
    pub sum: Duration,
}

/// A worker's way to its cells. It may move to the worker's thread, but what it hands out stays there.
#[derive(Debug)]
pub struct WorkerMetrics {
    registry: Registry,
    cells: Arc<WorkerCells>,
    number: usize,
    /// Metrics that plugins defined and this worker has met, by id.
    known: RefCell<Vec<Option<Arc<Metric>>>>,
    /// Not `Sync`: cells have one writer.
    one_writer: PhantomData<Cell<()>>,
}

impl WorkerMetrics {
    /// Where requests of a listener and a route are counted; an empty route stands for those that match none. Takes a lock: to be
    /// asked once and kept.
    pub fn requests(&self, listener: &str, route: &str) -> RequestSeries {
        RequestSeries(Rc::new(self.cells.requests.of((listener.into(), route.into()), || {
            (series::OTHER.into(), series::OTHER.into())
        })))
    }

    /// Where a plugin's time is counted. Takes a lock: to be asked once and kept.
    pub fn plugin(&self, plugin: &str) -> PluginSeries {
        PluginSeries(Rc::new(self.cells.plugins.of(plugin.into(), || series::OTHER.into())))
    }

    /// Where requests to an upstream are counted. Takes a lock: to be asked once and kept.
    pub fn upstream(&self, upstream: &str) -> UpstreamSeries {
        UpstreamSeries(Rc::new(
            self.cells.upstreams.of(upstream.into(), || series::OTHER.into()),
        ))
    }

    /// Where the TCP connections of a listener are counted. Takes a lock: to be asked once and kept.
    pub fn tcp(&self, listener: &str) -> TcpSeries {
        TcpSeries(Rc::new(self.cells.tcp.of(listener.into(), || series::OTHER.into())))
    }

    /// The count of open connections on this worker.
    pub fn connections(&self) -> Connections {
        Connections {
            cells: self.cells.clone(),
            stays: PhantomData,
        }
    }

    /// See [`Registry::failures`].
    pub fn failures(&self, plugin: &str, kind: &'static str) {
        self.registry.failures(plugin, kind);
    }

    /// A plugin was refused something so many times; `what` is one of a fixed set.
    pub fn refusals(&self, plugin: &str, what: &'static str, times: u64) {
        self.registry.0.refusals.add(plugin, what, times);
    }

    /// A plugin's VM on this worker has come to a turn.
    pub fn vm_event(&self, plugin: &str, event: VmEvent) {
        self.registry.0.events.add(plugin, event.as_str(), 1);
    }

    /// Makes a metric that shows as `lockgate_plugin_NAME`, or finds it: plugins that agree on name and kind share it. Bytes that
    /// Prometheus does not take in a name become `_`.
    ///
    /// # Errors
    /// [`Status::BadArgument`] for a name that cannot be or is another kind's; [`Status::InternalFailure`] past the cap.
    pub fn define(&self, plugin: &str, kind: MetricKind, name: &str) -> Result<u32, Status> {
        self.registry.0.defined.define(plugin, kind, name)
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
        self.with_metric(id, Metric::value)
    }

    /// Looks the metric up among those that this worker knows, and only then among all, which takes a lock.
    fn with_metric<T>(&self, id: u32, act: impl FnOnce(&Metric) -> Result<T, Status>) -> Result<T, Status> {
        let mut known = self.known.borrow_mut();
        let slot = id as usize;
        if let Some(Some(metric)) = known.get(slot) {
            return act(metric);
        }
        let metric = self.registry.0.defined.metric(id).ok_or(Status::NotFound)?;
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
    /// A request ended with this status after this long.
    pub fn record(&self, status: u16, took: Duration) {
        self.0.record(status, took);
    }
}

/// Counts the time that a plugin takes. Cheap to clone.
#[derive(Debug, Clone)]
#[allow(
    clippy::redundant_allocation,
    reason = "requests clone it, and an Rc costs no atomic operation"
)]
pub struct PluginSeries(Rc<Arc<PluginCells>>);

impl PluginSeries {
    /// A callback took this long.
    pub fn record(&self, phase: Phase, took: Duration) {
        self.0.record(phase, took);
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
    /// A request got its answer's head, or none at all, after this long.
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
    /// A connection has ended, or never began.
    pub fn ended(&self, how: Ending) {
        self.0.endings[how as usize].add(1);
    }

    /// Bytes from clients.
    pub fn received(&self, bytes: u64) {
        self.0.received.add(bytes);
    }

    /// Bytes to clients.
    pub fn sent(&self, bytes: u64) {
        self.0.sent.add(bytes);
    }
}

/// Counts a worker's open connections.
#[derive(Debug, Clone)]
pub struct Connections {
    cells: Arc<WorkerCells>,
    stays: PhantomData<Rc<()>>,
}

impl Connections {
    /// Counts one more until the guard is dropped.
    pub fn open(&self) -> OpenConnection {
        self.cells.opened.add(1);
        OpenConnection(self.clone())
    }
}

/// An open connection, as long as it lives.
#[derive(Debug)]
pub struct OpenConnection(Connections);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.cells.closed.add(1);
    }
}

#[cfg(test)]
mod tests;
