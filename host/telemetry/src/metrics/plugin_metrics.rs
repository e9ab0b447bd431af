//! Metrics that plugins define. Their names and number are a guest's choice, so both are bounded, per plugin and in all.
//!
//! They are shared by name. Several workers may write one, so these cells add atomically; a counter has one for each of a few
//! workers, so that they do not fight for it.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use lockgate_sandbox::{MetricKind, Status};

use super::cells::{BOUNDS, Distribution, bucket};
use super::families::{self, PLUGIN_PREFIX};
use super::labels::{self, Labels};

/// The id of the first metric. 0 is no id, as in Envoy: a guest's variable holds it before it is set.
const FIRST: u32 = 1;
/// Maximum metrics that one plugin is the first to define.
pub const MAX_METRICS_PER_PLUGIN: usize = 200;
/// Maximum metrics that all plugins together define.
pub const MAX_METRICS: usize = 2_000;
/// Maximum combinations of label values of one family. All further ones share the values [`OTHER`].
pub const MAX_SERIES_PER_FAMILY: usize = 100;
/// The label value of combinations beyond the maximum.
pub(super) const OTHER: &str = "_other";
/// Maximum bytes of a name without its labels.
pub const MAX_NAME: usize = 256;
/// Cells of a counter.
const STRIPES: usize = 8;
/// Endings of a histogram's sample names.
const SUFFIXES: [&str; 3] = ["_bucket", "_sum", "_count"];
/// Bucket bounds of plugins' histograms. The unit of their values is unknown; the bounds suit milliseconds as well as bytes.
pub const VALUE_BOUNDS: [u64; BOUNDS] = [
    1, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000,
];

/// All metrics that plugins defined. They are never removed: a counter that disappears on a reload would look like a reset.
#[derive(Debug, Default)]
pub(super) struct PluginMetrics(Mutex<Index>);

#[derive(Debug, Default)]
struct Index {
    /// By id.
    metrics: Vec<Arc<PluginMetric>>,
    families: BTreeMap<String, PluginFamily>,
    by_plugin: HashMap<String, Quota>,
}

/// The series of one name.
#[derive(Debug)]
struct PluginFamily {
    kind: MetricKind,
    /// Ids by labels.
    series: BTreeMap<Labels, u32>,
}

#[derive(Debug, Default)]
struct Quota {
    defined: usize,
    /// The log names a plugin that reached its maximum once.
    logged: bool,
}

/// A metric, with the values of all workers.
#[derive(Debug)]
pub(super) struct PluginMetric {
    pub(super) name: String,
    /// Names and values, in the order of the names.
    pub(super) labels: Labels,
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

impl PluginMetrics {
    /// See [`super::WorkerMetrics::define`].
    pub(super) fn define(&self, plugin: &str, kind: MetricKind, name: &str) -> Result<u32, Status> {
        let (name, mut labels) = labels::split(name);
        let mut index = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let name = index.name(plugin, kind, name).ok_or(Status::BadArgument)?;
        if let Some(id) = index.id(&name, &labels) {
            return Ok(FIRST + id);
        }
        let is_full = |family: &PluginFamily| family.series.len() >= MAX_SERIES_PER_FAMILY;
        let full = !labels.is_empty() && index.families.get(&name).is_some_and(is_full);
        if full || index.charge(plugin).is_err() {
            // One more series of the family takes all further combinations, so that their sum stays exact.
            if labels.is_empty() || !index.families.contains_key(&name) {
                return Err(Status::InternalFailure);
            }
            labels.iter_mut().for_each(|(_, value)| OTHER.clone_into(value));
            if let Some(id) = index.id(&name, &labels) {
                return Ok(FIRST + id);
            }
        }
        index.add(name, labels, kind).map(|id| FIRST + id)
    }

    pub(super) fn metric(&self, id: u32) -> Option<Arc<PluginMetric>> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .metrics
            .get(id.checked_sub(FIRST)? as usize)
            .cloned()
    }

    /// By name and labels.
    pub(super) fn all(&self) -> Vec<Arc<PluginMetric>> {
        let index = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ids = index.families.values().flat_map(|family| family.series.values());
        ids.map(|&id| index.metrics[id as usize].clone()).collect()
    }
}

impl Index {
    /// The name that `plugin` gets for metrics of this kind; none if it is invalid. One that others use for another kind is scoped by the plugin's name: two
    /// plugins that know nothing of each other may both count `requests`. Envoy tells kinds apart, too.
    fn name(&self, plugin: &str, kind: MetricKind, name: &str) -> Option<String> {
        sanitise(name)?;
        let own = format!("{plugin}_{name}");
        let own_of_kind = match kind {
            MetricKind::Counter => format!("{own}_counter"),
            MetricKind::Gauge => format!("{own}_gauge"),
            MetricKind::Histogram => format!("{own}_histogram"),
        };
        let is_usable = |name: &String| match self.families.get(name) {
            Some(family) => family.kind == kind,
            None => !self.collides(name, kind),
        };
        let names = [name, &own, &own_of_kind].into_iter().filter_map(sanitise);
        names.into_iter().find(is_usable)
    }

    fn id(&self, name: &str, labels: &Labels) -> Option<u32> {
        self.families.get(name)?.series.get(labels).copied()
    }

    fn add(&mut self, name: String, labels: Labels, kind: MetricKind) -> Result<u32, Status> {
        let id = u32::try_from(self.metrics.len()).map_err(|_| Status::InternalFailure)?;
        let metric = PluginMetric::new(name.clone(), labels.clone(), kind);
        self.metrics.push(Arc::new(metric));
        let family = self.families.entry(name).or_insert_with(|| PluginFamily {
            kind,
            series: BTreeMap::new(),
        });
        family.series.insert(labels, id);
        Ok(id)
    }

    /// Whether samples of this metric would have the names of another metric's.
    fn collides(&self, name: &str, kind: MetricKind) -> bool {
        let is_histogram = |name: &str| {
            self.families
                .get(name)
                .is_some_and(|family| family.kind == MetricKind::Histogram)
        };
        let base = SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix));
        is_reserved(name)
            || base.is_some_and(|base| is_reserved(base) || is_histogram(base))
            || (kind == MetricKind::Histogram
                && SUFFIXES
                    .iter()
                    .any(|suffix| self.families.contains_key(&format!("{name}{suffix}"))))
    }

    /// Counts one more metric of the plugin. Logs once when it has reached the maximum.
    fn charge(&mut self, plugin: &str) -> Result<(), Status> {
        let full = self.metrics.len() >= MAX_METRICS;
        let quota = self.by_plugin.entry(plugin.to_owned()).or_default();
        if full || quota.defined >= MAX_METRICS_PER_PLUGIN {
            if !quota.logged {
                quota.logged = true;
                tracing::warn!(
                    plugin,
                    max_per_plugin = MAX_METRICS_PER_PLUGIN,
                    max = MAX_METRICS,
                    "plugin has defined the maximum of metrics; further ones are refused"
                );
            }
            return Err(Status::InternalFailure);
        }
        quota.defined += 1;
        Ok(())
    }
}

impl PluginMetric {
    fn new(name: String, labels: Labels, kind: MetricKind) -> Self {
        let cells = match kind {
            MetricKind::Counter => Cells::Counter(Default::default()),
            MetricKind::Gauge => Cells::Gauge(AtomicU64::new(0)),
            MetricKind::Histogram => Cells::Histogram {
                buckets: Default::default(),
                sum: AtomicU64::new(0),
            },
        };
        Self { name, labels, cells }
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
                buckets[bucket(&VALUE_BOUNDS, value)].fetch_add(1, Ordering::Relaxed);
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

/// The part after `lockgate_plugin_`; none for a name that is empty or too long.
fn sanitise(name: &str) -> Option<String> {
    let keep = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' };
    (1..=MAX_NAME)
        .contains(&name.len())
        .then(|| name.chars().map(keep).collect())
}

/// Whether one of the gateway's own families has this name.
fn is_reserved(name: &str) -> bool {
    let mut own = families::ALL
        .iter()
        .filter_map(|family| family.name.strip_prefix(PLUGIN_PREFIX));
    own.any(|own| own == name)
}
