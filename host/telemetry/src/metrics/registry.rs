//! The registry: all metrics of the process, for workers, the control thread and the admin API.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use lockgate_exchange::clock;
use lockgate_sandbox::Phase;
use lockgate_upstream::Upstream;

use super::cells::{CALLBACK_BOUNDS, Distribution};
use super::counters::{Counters, EndpointStates};
use super::families::ReloadResult;
use super::observed::{DiscoveryTotals, LookupTotals};
use super::render;
use super::retention::LiveNames;
use super::worker::WorkerMetrics;

/// All metrics of the process. A clone is the same registry.
#[derive(Debug, Clone, Default)]
pub struct Registry(Arc<Counters>);

/// Durations of a plugin's callbacks in one phase.
pub struct PhaseTimes {
    /// The phase.
    pub phase: Phase,
    /// Upper bounds and the number of durations in each bucket; the last one has no bound.
    pub buckets: Vec<(Option<Duration>, u64)>,
    /// The sum of all durations.
    pub sum: Duration,
}

/// Counts of a plugin, each by the value of its label.
pub struct PluginTotals {
    /// Failures by kind.
    pub failures: BTreeMap<&'static str, u64>,
    /// Refused host calls by reason.
    pub refusals: BTreeMap<&'static str, u64>,
    /// Events of its VMs.
    pub events: BTreeMap<&'static str, u64>,
}

impl Registry {
    /// A registry without counts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counters for one more worker.
    pub fn worker(&self) -> WorkerMetrics {
        WorkerMetrics::new(&self.0)
    }

    /// Sets the names in the live configuration. The series of others go after [`RETENTION`](super::RETENTION).
    pub fn set_live(&self, names: LiveNames) {
        self.0.set_live(names);
        self.0.retain(clock::now());
    }

    /// Shows what the policies of these upstreams do, in place of those before.
    pub fn set_upstreams(&self, upstreams: &[Arc<Upstream>]) {
        let with_policies = upstreams.iter().filter(|upstream| upstream.has_policies());
        let mut shown = self.0.policies.lock().unwrap_or_else(PoisonError::into_inner);
        *shown = with_policies.cloned().collect();
    }

    /// Counts a reload.
    pub fn record_reload(&self, result: ReloadResult) {
        let count = match result {
            ReloadResult::Success => &self.0.reloads_succeeded,
            ReloadResult::Failure => &self.0.reloads_failed,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// Reads the totals of discovery whenever the metrics are shown. Only the first reader counts.
    pub fn observe_discovery(&self, read: impl Fn() -> Vec<DiscoveryTotals> + Send + Sync + 'static) {
        let _ = self.0.observed.discovery.set(Box::new(read));
    }

    /// Reads the totals of the resolver whenever the metrics are shown. Only the first reader counts.
    pub fn observe_lookups(&self, read: impl Fn() -> LookupTotals + Send + Sync + 'static) {
        let _ = self.0.observed.lookups.set(Box::new(read));
    }

    /// Counts a health check of an endpoint of this upstream, by its result: a value of the label.
    pub fn record_health_check(&self, upstream: &str, result: &'static str) {
        self.0.health_checks.add(upstream, result, 1);
    }

    /// Sets what tells the endpoints of every upstream by state. It is asked at each rendering.
    pub fn set_endpoint_source(&self, source: impl Fn() -> Vec<(Arc<str>, EndpointStates)> + Send + Sync + 'static) {
        self.0.endpoints.set(source);
    }

    /// The count of access log lines that were lost.
    pub fn access_log_dropped(&self) -> Arc<AtomicU64> {
        self.0.access_log_dropped.clone()
    }

    /// Durations of a plugin's callbacks by phase. Phases that never ran are left out.
    pub fn phases(&self, plugin: &str) -> Vec<PhaseTimes> {
        let workers = self.0.workers();
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

    /// Failures, refusals and events of a plugin.
    pub fn plugin_totals(&self, plugin: &str) -> PluginTotals {
        PluginTotals {
            failures: self.0.failures.of(plugin),
            refusals: self.0.refusals.of(plugin),
            events: self.0.events.of(plugin),
        }
    }

    /// Everything in Prometheus' text format, version 0.0.4.
    pub fn render(&self) -> String {
        self.render_at(clock::now())
    }

    pub(super) fn render_at(&self, now: Instant) -> String {
        self.0.retain(now);
        render::render(&self.0)
    }
}
