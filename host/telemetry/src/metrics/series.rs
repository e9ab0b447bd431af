//! Cells by name: what is counted for a listener and route, a plugin, an upstream.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lockgate_sandbox::Phase;

use super::cells::{CALLBACK_BOUNDS, Count, Distribution, Histogram, REQUEST_BOUNDS, Statuses};
use crate::ending::Ending;

/// Series of one family and worker; what comes after is counted together. More than any one configuration needs, so only
/// names that changed again and again reach it.
pub(super) const MOST: usize = 20_000;
/// The name of what is counted together.
pub(super) const OTHER: &str = "_other";
/// The status of an upstream that did not answer.
const NO_STATUS: u16 = 0;

/// Cells by key. Found under a lock, written without one.
#[derive(Debug)]
pub(super) struct Series<K, C>(Mutex<BTreeMap<K, Arc<C>>>);

impl<K, C> Default for Series<K, C> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Ord + Clone, C: Default> Series<K, C> {
    /// The key's cells; those of `other` when the key is new and there are too many.
    pub(super) fn of(&self, key: K, other: impl FnOnce() -> K) -> Arc<C> {
        let mut cells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = cells.get(&key) {
            return found.clone();
        }
        let key = if cells.len() < MOST { key } else { other() };
        cells.entry(key).or_default().clone()
    }

    /// Every key with its cells, as they are now.
    pub(super) fn all(&self) -> Vec<(K, Arc<C>)> {
        let cells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        cells.iter().map(|(key, cells)| (key.clone(), cells.clone())).collect()
    }
}

/// Requests by status, and how long they took. On cache lines of its own, as its writer is never another's.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct RequestCells {
    statuses: Statuses,
    durations: Histogram,
}

impl RequestCells {
    pub(super) fn record(&self, status: u16, took: Duration) {
        self.statuses.record(status);
        self.durations.record(&REQUEST_BOUNDS, took);
    }

    pub(super) fn add_to(&self, sum: &mut Answers) {
        self.statuses.each(|status, count| {
            *sum.statuses
                .entry(status.map_or("other".to_owned(), |status| status.to_string()))
                .or_default() += count;
        });
        self.durations.add_to(&mut sum.durations);
    }
}

/// The same towards an upstream.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct UpstreamCells {
    statuses: Statuses,
    durations: Histogram,
}

impl UpstreamCells {
    pub(super) fn record(&self, status: Option<u16>, took: Duration) {
        self.statuses.record(status.unwrap_or(NO_STATUS));
        self.durations.record(&REQUEST_BOUNDS, took);
    }

    pub(super) fn add_to(&self, sum: &mut Answers) {
        self.statuses.each(|status, count| {
            let status = match status {
                None => "other".to_owned(),
                Some(NO_STATUS) => "none".to_owned(),
                Some(status) => status.to_string(),
            };
            *sum.statuses.entry(status).or_default() += count;
        });
        self.durations.add_to(&mut sum.durations);
    }
}

/// A plugin's time by phase.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct PluginCells([Histogram; Phase::TIMED.len()]);

impl PluginCells {
    pub(super) fn record(&self, phase: Phase, took: Duration) {
        if let Some(durations) = self.0.get(phase as usize) {
            durations.record(&CALLBACK_BOUNDS, took);
        }
    }

    pub(super) fn add_to(&self, sum: &mut [Distribution; Phase::TIMED.len()]) {
        for (total, histogram) in sum.iter_mut().zip(&self.0) {
            histogram.add_to(total);
        }
    }
}

/// TCP connections by how they ended, and their bytes.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct TcpCells {
    pub(super) endings: [Count; Ending::COUNT],
    pub(super) received: Count,
    pub(super) sent: Count,
}

/// The same, added up.
#[derive(Debug, Default)]
pub(super) struct Carried {
    pub(super) endings: [u64; Ending::COUNT],
    pub(super) received: u64,
    pub(super) sent: u64,
}

impl TcpCells {
    pub(super) fn add_to(&self, sum: &mut Carried) {
        for (total, count) in sum.endings.iter_mut().zip(&self.endings) {
            *total += count.value();
        }
        sum.received += self.received.value();
        sum.sent += self.sent.value();
    }
}

/// What the workers counted for one series, added up.
#[derive(Debug, Default)]
pub(super) struct Answers {
    pub(super) statuses: BTreeMap<String, u64>,
    pub(super) durations: Distribution,
}
