//! How the sources are doing, for the admin API and metrics.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lockgate_exchange::clock;

/// How the source of an upstream is doing.
#[derive(Clone, Debug)]
pub struct SourceStatus {
    /// The type of the source, as in gateway.json.
    pub source: &'static str,
    /// Number of endpoints of the list in force.
    pub endpoints: usize,
    /// When the source has last confirmed the list; none if the list is from a file of an earlier run, or there is none.
    pub confirmed: Option<Instant>,
    /// How old the saved list was at the start, if it is in force.
    pub saved: Option<(Duration, Instant)>,
    /// Lists that differed from the one before.
    pub updates: u64,
    /// Failures to get a list.
    pub failures: u64,
    /// Why the last attempt failed; none if it did not.
    pub last_error: Option<String>,
}

impl SourceStatus {
    pub(crate) fn new(source: &'static str) -> Self {
        Self {
            source,
            endpoints: 0,
            confirmed: None,
            saved: None,
            updates: 0,
            failures: 0,
            last_error: None,
        }
    }

    /// Time since the source has confirmed the list in force; none if there is no list.
    pub fn age(&self) -> Option<Duration> {
        let now = clock::now();
        match (self.confirmed, self.saved) {
            (Some(confirmed), _) => Some(now.saturating_duration_since(confirmed)),
            (None, Some((age, start))) => Some(age + now.saturating_duration_since(start)),
            (None, None) => None,
        }
    }

    /// Whether the source has answered or failed at least once.
    pub(crate) fn is_decided(&self) -> bool {
        self.confirmed.is_some() || self.saved.is_some() || self.failures > 0
    }
}

/// The status of an upstream's source, shared.
#[derive(Clone, Debug)]
pub struct UpstreamDiscovery(Arc<Mutex<SourceStatus>>);

impl UpstreamDiscovery {
    pub(crate) fn new(source: &'static str) -> Self {
        Self(Arc::new(Mutex::new(SourceStatus::new(source))))
    }

    /// The status now.
    pub fn get(&self) -> SourceStatus {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut SourceStatus)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// The status of all sources, by upstream.
pub(crate) type Statuses = Arc<Mutex<BTreeMap<Arc<str>, UpstreamDiscovery>>>;
