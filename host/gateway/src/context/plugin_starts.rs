//! Plugins that did not start on a worker, though the trial VM did: who they are, for the readiness of the gateway, and when their start is tried
//! again. A request tries it, too; but no request may come as long as the gateway is not ready.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lockgate_exchange::clock;
use tokio::time::Instant;

use crate::context::WorkerContext;

/// First delay of another start; doubled with every failure.
const MIN_DELAY: Duration = Duration::from_secs(1);
/// Maximum delay by doubling.
const MAX_DELAY: Duration = Duration::from_secs(30);
/// Starts take at most this part of a worker's time: one twentieth.
const IDLE_SHARE: u32 = 20;

/// Plugins of the live snapshot that have not started, over all workers. A clone is the same list.
#[derive(Clone, Debug, Default)]
pub struct PluginStarts(Arc<Mutex<BTreeMap<usize, Vec<StartFailure>>>>);

/// A plugin that did not start on a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartFailure {
    /// The plugin's name.
    pub plugin: String,
    /// Why it did not start.
    pub reason: String,
}

impl PluginStarts {
    /// The first plugin that has not started, with the number of its worker.
    pub fn first_failure(&self) -> Option<(usize, StartFailure)> {
        let failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failures
            .iter()
            .find_map(|(worker, failures)| Some((*worker, failures.first()?.clone())))
    }

    /// Sets those of one worker.
    pub(crate) fn set(&self, worker: usize, failures: Vec<StartFailure>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.is_empty() {
            all.remove(&worker);
        } else {
            all.insert(worker, failures);
        }
    }
}

/// The next attempt to start what has not started on this worker.
pub(crate) struct StartRetry {
    worker: usize,
    at: Option<Instant>,
    delay: Duration,
}

impl StartRetry {
    /// Nothing is to be started on worker number `worker`.
    pub(crate) fn new(worker: usize) -> Self {
        Self {
            worker,
            at: None,
            delay: MIN_DELAY,
        }
    }

    /// Plans the first attempt after a new view.
    pub(crate) fn begin(&mut self, worker: &Rc<WorkerContext>) {
        self.delay = MIN_DELAY;
        self.plan(worker, Duration::ZERO);
    }

    /// Waits for the planned attempt; for ever if there is none. Cancel-safe.
    pub(crate) async fn due(&self) {
        match self.at {
            Some(at) => tokio::time::sleep_until(at).await,
            None => std::future::pending().await,
        }
    }

    /// Starts what has not started. Runs guest code.
    pub(crate) fn run(&mut self, worker: &Rc<WorkerContext>) {
        let began = clock::now();
        if let Some(view) = worker.current() {
            view.retry_starts();
        }
        self.delay = (self.delay * 2).min(MAX_DELAY);
        self.plan(worker, clock::now().saturating_duration_since(began));
    }

    fn plan(&mut self, worker: &Rc<WorkerContext>, took: Duration) {
        let failures = worker.current().map(|view| view.start_failures()).unwrap_or_default();
        self.at = (!failures.is_empty()).then(|| Instant::now() + self.delay.max(took * IDLE_SHARE));
        worker.shared.plugin_starts.set(self.worker, failures);
    }
}
