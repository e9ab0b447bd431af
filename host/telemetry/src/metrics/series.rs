//! Cells by name: what is counted for a listener and route, a plugin, an upstream.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

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

/// A callback of a plugin, as the label `phase` tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The request's headers.
    RequestHeaders,
    /// A piece of the request's body.
    RequestBody,
    /// The request's trailers.
    RequestTrailers,
    /// The answer's headers.
    ResponseHeaders,
    /// A piece of the answer's body.
    ResponseBody,
    /// The answer's trailers.
    ResponseTrailers,
    /// A new TCP connection.
    NewConnection,
    /// Bytes from the client of a TCP connection.
    DownstreamData,
    /// Bytes from its upstream.
    UpstreamData,
    /// Its client's side is closed.
    DownstreamClose,
    /// Its upstream's side is closed.
    UpstreamClose,
    /// Done, log and delete.
    Finish,
}

impl Phase {
    pub(super) const ALL: [Self; 12] = [
        Self::RequestHeaders,
        Self::RequestBody,
        Self::RequestTrailers,
        Self::ResponseHeaders,
        Self::ResponseBody,
        Self::ResponseTrailers,
        Self::NewConnection,
        Self::DownstreamData,
        Self::UpstreamData,
        Self::DownstreamClose,
        Self::UpstreamClose,
        Self::Finish,
    ];

    /// The label's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RequestHeaders => "request_headers",
            Self::RequestBody => "request_body",
            Self::RequestTrailers => "request_trailers",
            Self::ResponseHeaders => "response_headers",
            Self::ResponseBody => "response_body",
            Self::ResponseTrailers => "response_trailers",
            Self::NewConnection => "new_connection",
            Self::DownstreamData => "downstream_data",
            Self::UpstreamData => "upstream_data",
            Self::DownstreamClose => "downstream_close",
            Self::UpstreamClose => "upstream_close",
            Self::Finish => "finish",
        }
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
pub(super) struct PluginCells([Histogram; Phase::ALL.len()]);

impl PluginCells {
    pub(super) fn record(&self, phase: Phase, took: Duration) {
        self.0[phase as usize].record(&CALLBACK_BOUNDS, took);
    }

    pub(super) fn add_to(&self, sum: &mut [Distribution; Phase::ALL.len()]) {
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
