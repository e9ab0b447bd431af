//! The task of an endpoint: probe after probe, each at its time.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use lockgate_upstream::Health;
use tokio::time::{Duration, Instant};

use super::Shared;
use crate::check::Check;
use crate::failure::ProbeFailure;
use crate::subject::CheckedEndpoint;
use crate::tracker::Tracker;

/// An endpoint and how it is checked.
pub(super) struct Subject {
    pub(super) upstream: Rc<str>,
    pub(super) check: Rc<Check>,
    pub(super) endpoint: Arc<dyn CheckedEndpoint>,
    /// What is known of it. It outlives the task.
    pub(super) tracker: Rc<Cell<Tracker>>,
}

/// Probes an endpoint, first after `delay`, until the task is aborted.
pub(super) async fn check_again_and_again(shared: Rc<Shared>, subject: Subject, delay: Duration) {
    let mut due = Instant::now() + delay;
    loop {
        tokio::time::sleep_until(due).await;
        let Ok(permit) = shared.permits.acquire().await else {
            return;
        };
        let began = Instant::now();
        let outcome = shared.prober.probe(&subject.check, subject.endpoint.target()).await;
        drop(permit);
        shared.counter.count(&subject.upstream, outcome.as_ref().copied());
        subject.record(&outcome);
        due = began + shared.jitter.next(subject.check.interval);
    }
}

impl Subject {
    /// Sets the endpoint's health, and logs a change of it.
    fn record(&self, outcome: &Result<(), ProbeFailure>) {
        let mut tracker = self.tracker.get();
        let (before, probes) = (tracker.health(), tracker.contrary() + 1);
        let change = tracker.record(outcome.is_ok(), self.check.thresholds);
        self.tracker.set(tracker);
        let Some(health) = change else { return };
        let why = outcome.as_ref().err().map(ToString::to_string);
        self.endpoint.set_health(health, why.as_deref());
        let (upstream, endpoint) = (&*self.upstream, &self.endpoint.target().address);
        match (health, before) {
            (Health::Unhealthy, _) => {
                let why = why.unwrap_or_default();
                tracing::warn!(upstream, %endpoint, why, probes, "endpoint unhealthy: it gets no requests until probes pass");
            }
            // As everybody expects.
            (_, Health::Unknown) => tracing::debug!(upstream, %endpoint, "endpoint healthy: its first probe passed"),
            _ => tracing::info!(upstream, %endpoint, probes, "endpoint healthy again"),
        }
    }
}
