//! Cells by name: the counts of a listener and route, a plugin, an upstream, a TCP listener.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lockgate_sandbox::Phase;

use super::cells::{CALLBACK_BOUNDS, Count, Distribution, Histogram, REQUEST_BOUNDS, Statuses};
use super::retention::Absence;
use crate::callout_end::CalloutEnd;
use crate::close_reason::CloseReason;

/// Maximum series of one family and worker; further names are counted together. More than one configuration needs: only names that
/// change with every reload reach it.
pub const MAX_SERIES: usize = 20_000;
/// The label value of names above [`MAX_SERIES`].
pub(super) const OTHER: &str = "_other";
/// The status of an upstream that did not respond.
const NO_STATUS: u16 = 0;

/// Cells by key. Found under a lock, written without one.
#[derive(Debug)]
pub(super) struct Series<K, C>(Mutex<BTreeMap<K, Entry<C>>>);

#[derive(Debug, Default)]
struct Entry<C> {
    cells: Arc<C>,
    absence: Absence,
}

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
            return found.cells.clone();
        }
        let key = if cells.len() < MAX_SERIES { key } else { other() };
        cells.entry(key).or_default().cells.clone()
    }

    /// Every key with its cells, as they are now.
    pub(super) fn all(&self) -> Vec<(K, Arc<C>)> {
        let cells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        cells
            .iter()
            .map(|(key, entry)| (key.clone(), entry.cells.clone()))
            .collect()
    }

    /// Removes what is not live, and in which nobody counts any more, after a while.
    pub(super) fn retain(&self, is_live: impl Fn(&K) -> bool, now: Instant) {
        let mut cells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        cells.retain(|key, Entry { cells, absence }| {
            let is_used = Arc::strong_count(cells) > 1 || is_live(key);
            !absence.is_over(is_used, now)
        });
    }
}

/// Requests by status, and their durations. On its own cache lines, as every worker writes its own cells.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct RequestCells {
    statuses: Statuses,
    durations: Histogram,
    grpc_statuses: [Count; GRPC_STATUSES],
    pub(super) tunnels: TunnelCells,
}

/// Tunnels behind responses with status 101.
#[derive(Debug, Default)]
pub(super) struct TunnelCells {
    pub(super) opened: Count,
    pub(super) closed: Count,
    pub(super) received: Count,
    pub(super) sent: Count,
}

/// The tunnel counts of all workers for one series of requests.
#[derive(Debug, Default)]
pub(super) struct TunnelTotals {
    pub(super) opened: u64,
    pub(super) closed: u64,
    pub(super) received: u64,
    pub(super) sent: u64,
}

impl TunnelCells {
    fn add_to(&self, sum: &mut TunnelTotals) {
        // Closed before opened: a tunnel that comes and goes in between must not make the difference negative.
        sum.closed += self.closed.value();
        sum.opened += self.opened.value();
        sum.received += self.received.value();
        sum.sent += self.sent.value();
    }
}

/// Number of gRPC's statuses, 0 to 16.
const GRPC_STATUSES: usize = 17;

impl RequestCells {
    pub(super) fn record(&self, status: u16, took: Duration) {
        self.statuses.record(status);
        self.durations.record(&REQUEST_BOUNDS, took);
    }

    /// Counts the gRPC status of a response. One that gRPC does not have is not counted.
    pub(super) fn record_grpc_status(&self, status: u32) {
        if let Some(count) = self.grpc_statuses.get(status as usize) {
            count.add(1);
        }
    }

    pub(super) fn add_to(&self, sum: &mut ResponseTotals) {
        for (status, count) in self
            .grpc_statuses
            .iter()
            .enumerate()
            .filter(|(_, count)| count.value() > 0)
        {
            *sum.grpc_statuses.entry(status).or_default() += count.value();
        }
        self.statuses.each(|status, count| {
            *sum.statuses
                .entry(status.map_or("other".to_owned(), |status| status.to_string()))
                .or_default() += count;
        });
        self.durations.add_to(&mut sum.durations);
        self.tunnels.add_to(&mut sum.tunnels);
    }
}

/// Requests to an upstream by status, and their durations.
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

    pub(super) fn add_to(&self, sum: &mut ResponseTotals) {
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

/// Durations of a plugin's callbacks by phase, and of the waits of messages that it paused.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct PluginCells {
    callbacks: [Histogram; Phase::TIMED.len()],
    waits: Histogram,
}

impl PluginCells {
    pub(super) fn record(&self, phase: Phase, took: Duration) {
        if let Some(durations) = self.callbacks.get(phase as usize) {
            durations.record(&CALLBACK_BOUNDS, took);
        }
    }

    pub(super) fn record_wait(&self, waited: Duration) {
        self.waits.record(&REQUEST_BOUNDS, waited);
    }

    pub(super) fn add_to(&self, sum: &mut [Distribution; Phase::TIMED.len()]) {
        for (total, histogram) in sum.iter_mut().zip(&self.callbacks) {
            histogram.add_to(total);
        }
    }

    pub(super) fn add_waits_to(&self, sum: &mut Distribution) {
        self.waits.add_to(sum);
    }
}

/// Callouts of a plugin to an upstream by their end, and their durations.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct CalloutCells {
    ends: [Count; CalloutEnd::COUNT],
    durations: Histogram,
}

impl CalloutCells {
    pub(super) fn record(&self, end: CalloutEnd, took: Duration) {
        self.ends[end as usize].add(1);
        self.durations.record(&REQUEST_BOUNDS, took);
    }

    pub(super) fn add_to(&self, sum: &mut CalloutTotals) {
        for (total, count) in sum.ends.iter_mut().zip(&self.ends) {
            *total += count.value();
        }
        self.durations.add_to(&mut sum.durations);
    }
}

/// The callouts of all workers, of one plugin to one upstream.
#[derive(Debug, Default)]
pub(super) struct CalloutTotals {
    pub(super) ends: [u64; CalloutEnd::COUNT],
    pub(super) durations: Distribution,
}

/// TCP connections by close reason, and their bytes.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct TcpCells {
    pub(super) closed: [Count; CloseReason::COUNT],
    pub(super) received: Count,
    pub(super) sent: Count,
}

/// The TCP counts of all workers.
#[derive(Debug, Default)]
pub(super) struct TcpTotals {
    pub(super) closed: [u64; CloseReason::COUNT],
    pub(super) received: u64,
    pub(super) sent: u64,
}

impl TcpCells {
    pub(super) fn add_to(&self, sum: &mut TcpTotals) {
        for (total, count) in sum.closed.iter_mut().zip(&self.closed) {
            *total += count.value();
        }
        sum.received += self.received.value();
        sum.sent += self.sent.value();
    }
}

/// The counts of all workers for one series of requests.
#[derive(Debug, Default)]
pub(super) struct ResponseTotals {
    pub(super) statuses: BTreeMap<String, u64>,
    pub(super) grpc_statuses: BTreeMap<usize, u64>,
    pub(super) durations: Distribution,
    pub(super) tunnels: TunnelTotals,
}
