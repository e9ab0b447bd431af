//! [`PolicyState`]: what the policies of an upstream know and count. It belongs to the upstream's group: shared by all workers, and kept over
//! reloads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::policy::breaker::{Breaker, BreakerState};
use crate::policy::budget::RetryBudget;
use crate::policy::concurrency::{Limiter, Shed};
use crate::policy::latency::Latencies;
use crate::policy::outlier::{EjectionCause, OutlierDetector};
use crate::policy::rules::RetryReason;

/// What the policies of an upstream know and count.
#[derive(Debug)]
pub(crate) struct PolicyState {
    pub(crate) breaker: Breaker,
    pub(crate) limiter: Arc<Limiter>,
    pub(crate) budget: RetryBudget,
    pub(crate) latencies: Latencies,
    pub(crate) detector: OutlierDetector,
    pub(crate) counts: PolicyCounts,
}

impl PolicyState {
    /// The state of a new upstream.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            breaker: Breaker::new(now),
            limiter: Arc::default(),
            budget: RetryBudget::new(now),
            latencies: Latencies::new(now),
            detector: OutlierDetector::new(now),
            counts: PolicyCounts::default(),
        }
    }
}

/// Counts for metrics, since the start of the process.
#[derive(Debug, Default)]
pub(crate) struct PolicyCounts {
    retries: [AtomicU64; RetryReason::ALL.len()],
    budget_exhausted: AtomicU64,
    hedges: AtomicU64,
    hedges_won: AtomicU64,
    ejections: [AtomicU64; EjectionCause::ALL.len()],
    shed: [AtomicU64; Shed::ALL.len()],
    circuit_open: AtomicU64,
}

fn add(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}

impl PolicyCounts {
    pub(crate) fn retry(&self, reason: RetryReason) {
        add(&self.retries[reason as usize]);
    }

    pub(crate) fn budget_exhausted(&self) {
        add(&self.budget_exhausted);
    }

    pub(crate) fn hedge(&self) {
        add(&self.hedges);
    }

    pub(crate) fn hedge_won(&self) {
        add(&self.hedges_won);
    }

    pub(crate) fn ejection(&self, cause: EjectionCause) {
        add(&self.ejections[cause as usize]);
    }

    pub(crate) fn shed(&self, reason: Shed) {
        add(&self.shed[reason as usize]);
    }

    pub(crate) fn circuit_open(&self) {
        add(&self.circuit_open);
    }
}

/// What the policies of an upstream have done and are doing, for metrics and the admin API. A part is there if its policy is configured.
#[derive(Clone, Debug, Default)]
pub struct PolicyReport {
    /// The circuit breaker's state.
    pub breaker: Option<BreakerState>,
    /// Requests that have a place, and requests that wait for one.
    pub concurrency: Option<(usize, usize)>,
    /// Retries, by reason.
    pub retries: Vec<(&'static str, u64)>,
    /// Retries that the budget refused.
    pub budget_exhausted: u64,
    /// Second attempts beside slow ones, and how many of them were answered first.
    pub hedges: (u64, u64),
    /// Ejections of endpoints, by cause.
    pub ejections: Vec<(&'static str, u64)>,
    /// Requests that were not sent, by reason.
    pub shed: Vec<(&'static str, u64)>,
}

impl PolicyState {
    /// A report of all counts that are not zero, and of the present.
    pub(crate) fn report(&self, has_breaker: bool, has_concurrency: bool, now: Instant) -> PolicyReport {
        let counts = &self.counts;
        let value = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let named = |names: &[&'static str], counts: &[AtomicU64]| {
            let all = names.iter().copied().zip(counts.iter().map(value));
            all.filter(|(_, count)| *count > 0).collect::<Vec<_>>()
        };
        let mut shed = named(&Shed::ALL.map(Shed::as_str), &counts.shed);
        let circuit_open = value(&counts.circuit_open);
        shed.extend((circuit_open > 0).then_some(("circuit_open", circuit_open)));
        PolicyReport {
            breaker: has_breaker.then(|| self.breaker.state(now)),
            concurrency: has_concurrency.then(|| self.limiter.load()),
            retries: named(&RetryReason::ALL.map(RetryReason::as_str), &counts.retries),
            budget_exhausted: value(&counts.budget_exhausted),
            hedges: (value(&counts.hedges), value(&counts.hedges_won)),
            ejections: named(&EjectionCause::ALL.map(EjectionCause::as_str), &counts.ejections),
            shed,
        }
    }
}
