//! All counters of the process: each worker's cells, and what is counted for all workers together.

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use lockgate_upstream::{EndpointState, Upstream};

use super::cells::Count;
use super::named_counts::NamedCounts;
use super::observed::Observed;
use super::plugin_metrics::PluginMetrics;
use super::retention::LiveNames;
use super::series::{CalloutCells, OTHER, PluginCells, RequestCells, Series, TcpCells, UpstreamCells};

/// Endpoints of an upstream by state: healthy, unhealthy, ejected, draining.
pub type EndpointStates = [u64; EndpointState::ALL.len()];

/// What tells the endpoints of every upstream, for a gauge that is read and never counted.
#[derive(Default)]
pub(super) struct EndpointSource(OnceLock<Box<EndpointCount>>);

/// Counts the endpoints of every upstream.
type EndpointCount = dyn Fn() -> Vec<(Arc<str>, EndpointStates)> + Send + Sync;

impl EndpointSource {
    pub(super) fn set(&self, source: impl Fn() -> Vec<(Arc<str>, EndpointStates)> + Send + Sync + 'static) {
        // Nobody sets it twice.
        let _ = self.0.set(Box::new(source));
    }

    /// The endpoints of every upstream now.
    pub(super) fn all(&self) -> Vec<(Arc<str>, EndpointStates)> {
        self.0.get().map(|source| source()).unwrap_or_default()
    }
}

impl fmt::Debug for EndpointSource {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("EndpointSource").finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) workers: Mutex<Vec<Arc<WorkerCells>>>,
    /// Metrics that plugins define.
    pub(super) plugin_metrics: PluginMetrics,
    /// By plugin and kind.
    pub(super) failures: NamedCounts,
    /// By plugin and reason.
    pub(super) refusals: NamedCounts,
    /// By plugin and event.
    pub(super) events: NamedCounts,
    /// By upstream and result.
    pub(super) mirrored: NamedCounts,
    /// By route and fault.
    pub(super) faults: NamedCounts,
    /// By upstream and result.
    pub(super) health_checks: NamedCounts,
    pub(super) endpoints: EndpointSource,
    pub(super) reloads_succeeded: AtomicU64,
    pub(super) reloads_failed: AtomicU64,
    pub(super) access_log_dropped: Arc<AtomicU64>,
    /// The upstreams of the live configuration, whose policies count by themselves.
    pub(super) policies: Mutex<Vec<Arc<Upstream>>>,
    /// What is counted elsewhere.
    pub(super) observed: Observed,
    /// None before the first configuration: nothing is removed.
    live: Mutex<Option<LiveNames>>,
}

/// What one worker counts.
#[derive(Debug, Default)]
pub(super) struct WorkerCells {
    /// By listener and route.
    pub(super) requests: Series<(Arc<str>, Arc<str>), RequestCells>,
    pub(super) plugins: Series<Arc<str>, PluginCells>,
    /// By plugin and upstream.
    pub(super) callouts: Series<(Arc<str>, Arc<str>), CalloutCells>,
    pub(super) upstreams: Series<Arc<str>, UpstreamCells>,
    /// By listener.
    pub(super) tcp: Series<Arc<str>, TcpCells>,
    pub(super) opened: Count,
    pub(super) closed: Count,
}

impl Counters {
    /// The cells of every worker so far.
    pub(super) fn workers(&self) -> Vec<Arc<WorkerCells>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets what is configured from now on.
    pub(super) fn set_live(&self, names: LiveNames) {
        *self.live.lock().unwrap_or_else(PoisonError::into_inner) = Some(names);
    }

    /// Removes the series of what is not configured any more, after a while.
    pub(super) fn retain(&self, now: Instant) {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(live) = &*live else { return };
        let has = |names: &HashSet<Arc<str>>, name: &str| name == OTHER || names.contains(name);
        for worker in self.workers() {
            let is_route = |route: &str| route.is_empty() || has(&live.routes, route);
            worker.requests.retain(
                |(listener, route)| has(&live.listeners, listener) && is_route(route),
                now,
            );
            worker.plugins.retain(|plugin| has(&live.plugins, plugin), now);
            worker.callouts.retain(
                |(plugin, upstream)| has(&live.plugins, plugin) && has(&live.upstreams, upstream),
                now,
            );
            worker.upstreams.retain(|upstream| has(&live.upstreams, upstream), now);
            worker.tcp.retain(|listener| has(&live.listeners, listener), now);
        }
        self.health_checks
            .retain(|upstream| has(&live.upstreams, upstream), now);
        for counts in [&self.failures, &self.refusals, &self.events] {
            counts.retain(|plugin| has(&live.plugins, plugin), now);
        }
        self.mirrored.retain(|upstream| has(&live.upstreams, upstream), now);
        self.faults.retain(|route| has(&live.routes, route), now);
    }
}
