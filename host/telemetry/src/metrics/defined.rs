//! Metrics that plugins define. Their names and number are a guest's choice, so both are bounded, per plugin and in all.
//!
//! They are shared by name. Several workers may write one, so these cells add atomically; a counter has one for each of a few
//! workers, so that they do not fight for it.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use lockgate_sandbox::{MetricKind, Status};

use super::cells::{BOUNDS, Distribution, bucket};

/// The id of the first metric. 0 is none, as in Envoy: it is what a guest's variable holds that has not been set.
const FIRST: u32 = 1;
/// Metrics that one plugin may be the first to define.
const MOST_PER_PLUGIN: usize = 200;
/// Metrics that all plugins together may define.
const MOST: usize = 2_000;
/// Bytes in a name.
const LONGEST_NAME: usize = 256;
/// Cells of a counter.
const STRIPES: usize = 8;
/// Names that the gateway's own families take: `lockgate_plugin_` and one of these.
const TAKEN: [&str; 5] = [
    "duration_seconds",
    "failures_total",
    "refusals_total",
    "events_total",
    "quarantined",
];
/// What a histogram's samples end in.
const SUFFIXES: [&str; 3] = ["_bucket", "_sum", "_count"];
/// Values have no unit that is known here; the bounds suit milliseconds as well as bytes.
pub(super) const BOUNDS_OF_VALUES: [u64; BOUNDS] = [
    1, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000,
];

/// All metrics that plugins defined. They are never removed: a counter that disappears on a reload would look like a reset.
#[derive(Debug, Default)]
pub(super) struct Defined(Mutex<Index>);

#[derive(Debug, Default)]
struct Index {
    /// By id.
    metrics: Vec<Arc<Metric>>,
    by_name: BTreeMap<String, u32>,
    by_plugin: HashMap<String, Quota>,
}

#[derive(Debug, Default)]
struct Quota {
    defined: usize,
    told: bool,
}

/// A metric, with the values of all workers.
#[derive(Debug)]
pub(super) struct Metric {
    pub(super) name: String,
    pub(super) cells: Cells,
}

#[derive(Debug)]
pub(super) enum Cells {
    Counter(Box<[Stripe; STRIPES]>),
    /// Two's complement.
    Gauge(AtomicU64),
    Histogram {
        buckets: Box<[AtomicU64; BOUNDS + 1]>,
        sum: AtomicU64,
    },
}

#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct Stripe(AtomicU64);

impl Defined {
    /// See [`super::WorkerMetrics::define`].
    pub(super) fn define(&self, plugin: &str, kind: MetricKind, name: &str) -> Result<u32, Status> {
        let name = sanitise(name).ok_or(Status::BadArgument)?;
        let mut index = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(&id) = index.by_name.get(&name) {
            return if index.metrics[id as usize].kind() == kind {
                Ok(FIRST + id)
            } else {
                Err(Status::BadArgument)
            };
        }
        if index.collides(&name, kind) {
            return Err(Status::BadArgument);
        }
        index.charge(plugin)?;
        let id = u32::try_from(index.metrics.len()).map_err(|_| Status::InternalFailure)?;
        index.metrics.push(Arc::new(Metric::new(name.clone(), kind)));
        index.by_name.insert(name, id);
        Ok(FIRST + id)
    }

    pub(super) fn metric(&self, id: u32) -> Option<Arc<Metric>> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .metrics
            .get(id.checked_sub(FIRST)? as usize)
            .cloned()
    }

    /// By name.
    pub(super) fn all(&self) -> Vec<Arc<Metric>> {
        let index = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        index
            .by_name
            .values()
            .map(|&id| index.metrics[id as usize].clone())
            .collect()
    }
}

impl Index {
    /// Whether samples of this metric would bear the name of another one's.
    fn collides(&self, name: &str, kind: MetricKind) -> bool {
        let is_histogram = |name: &str| {
            self.by_name
                .get(name)
                .is_some_and(|&id| self.metrics[id as usize].kind() == MetricKind::Histogram)
        };
        let base = SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix));
        TAKEN.contains(&name)
            || base.is_some_and(|base| TAKEN.contains(&base) || is_histogram(base))
            || (kind == MetricKind::Histogram
                && SUFFIXES
                    .iter()
                    .any(|suffix| self.by_name.contains_key(&format!("{name}{suffix}"))))
    }

    /// Takes one from what the plugin may define, and tells the operator, once, when there is nothing left.
    fn charge(&mut self, plugin: &str) -> Result<(), Status> {
        let full = self.metrics.len() >= MOST;
        let quota = self.by_plugin.entry(plugin.to_owned()).or_default();
        if full || quota.defined >= MOST_PER_PLUGIN {
            if !quota.told {
                quota.told = true;
                tracing::warn!(
                    plugin,
                    most_per_plugin = MOST_PER_PLUGIN,
                    most = MOST,
                    "plugin has defined the maximum of metrics; further ones are refused"
                );
            }
            return Err(Status::InternalFailure);
        }
        quota.defined += 1;
        Ok(())
    }
}

impl Metric {
    fn new(name: String, kind: MetricKind) -> Self {
        let cells = match kind {
            MetricKind::Counter => Cells::Counter(Default::default()),
            MetricKind::Gauge => Cells::Gauge(AtomicU64::new(0)),
            MetricKind::Histogram => Cells::Histogram {
                buckets: Default::default(),
                sum: AtomicU64::new(0),
            },
        };
        Self { name, cells }
    }

    pub(super) fn kind(&self) -> MetricKind {
        match self.cells {
            Cells::Counter(_) => MetricKind::Counter,
            Cells::Gauge(_) => MetricKind::Gauge,
            Cells::Histogram { .. } => MetricKind::Histogram,
        }
    }

    /// See [`super::WorkerMetrics::increment`]; `worker` is its number.
    pub(super) fn increment(&self, worker: usize, offset: i64) -> Result<(), Status> {
        match &self.cells {
            Cells::Counter(stripes) => {
                let offset = u64::try_from(offset).map_err(|_| Status::BadArgument)?;
                stripes[worker % STRIPES].0.fetch_add(offset, Ordering::Relaxed);
            }
            Cells::Gauge(value) => {
                value.fetch_add(offset.cast_unsigned(), Ordering::Relaxed);
            }
            Cells::Histogram { .. } => return Err(Status::BadArgument),
        }
        Ok(())
    }

    /// See [`super::WorkerMetrics::record`]; `worker` is its number.
    pub(super) fn record(&self, worker: usize, value: u64) {
        match &self.cells {
            Cells::Counter(stripes) => {
                stripes[worker % STRIPES].0.fetch_add(value, Ordering::Relaxed);
            }
            Cells::Gauge(cell) => cell.store(value, Ordering::Relaxed),
            Cells::Histogram { buckets, sum } => {
                buckets[bucket(&BOUNDS_OF_VALUES, value)].fetch_add(1, Ordering::Relaxed);
                sum.fetch_add(value, Ordering::Relaxed);
            }
        }
    }

    /// See [`super::WorkerMetrics::value`].
    pub(super) fn value(&self) -> Result<u64, Status> {
        match &self.cells {
            Cells::Counter(stripes) => Ok(stripes
                .iter()
                .fold(0u64, |sum, stripe| sum.wrapping_add(stripe.0.load(Ordering::Relaxed)))),
            Cells::Gauge(value) => Ok(value.load(Ordering::Relaxed)),
            Cells::Histogram { .. } => Err(Status::BadArgument),
        }
    }

    /// A histogram's values; none for the other kinds.
    pub(super) fn distribution(&self) -> Option<Distribution> {
        let Cells::Histogram { buckets, sum } = &self.cells else {
            return None;
        };
        let buckets = std::array::from_fn(|at| buckets[at].load(Ordering::Relaxed));
        Some(Distribution {
            buckets,
            sum: sum.load(Ordering::Relaxed),
        })
    }
}

/// What stands behind `lockgate_plugin_`; none for a name that is empty or too long.
fn sanitise(name: &str) -> Option<String> {
    let keep = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' };
    (1..=LONGEST_NAME)
        .contains(&name.len())
        .then(|| name.chars().map(keep).collect())
}
