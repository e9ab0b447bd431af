//! All counters of the process: each worker's cells, and what is counted for all workers together.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use super::cells::Count;
use super::plugin_counts::PluginCounts;
use super::plugin_metrics::PluginMetrics;
use super::series::{PluginCells, RequestCells, Series, TcpCells, UpstreamCells};

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) workers: Mutex<Vec<Arc<WorkerCells>>>,
    /// Metrics that plugins define.
    pub(super) plugin_metrics: PluginMetrics,
    /// By plugin and kind.
    pub(super) failures: PluginCounts,
    /// By plugin and reason.
    pub(super) refusals: PluginCounts,
    /// By plugin and event.
    pub(super) events: PluginCounts,
    pub(super) reloads_succeeded: AtomicU64,
    pub(super) reloads_failed: AtomicU64,
    pub(super) access_log_dropped: Arc<AtomicU64>,
}

/// What one worker counts.
#[derive(Debug, Default)]
pub(super) struct WorkerCells {
    /// By listener and route.
    pub(super) requests: Series<(Arc<str>, Arc<str>), RequestCells>,
    pub(super) plugins: Series<Arc<str>, PluginCells>,
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
}
