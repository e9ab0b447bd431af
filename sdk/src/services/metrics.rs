//! Metrics of the plugin, which the gateway exports with its own.
//!
//! proxy-wasm metrics have no labels. A [`Family`] writes them into the name, as Prometheus does: `refused{method="GET"}`.
//! Lockgate exports them as labels, and limits the combinations of their values.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::abi::MetricKind;
use crate::error::{Error, Result};
use crate::host;

/// A metric that only rises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counter(u32);

/// A metric that rises and falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gauge(u32);

/// A metric that is the distribution of recorded values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Histogram(u32);

impl Counter {
    /// Defines the counter of this name, or finds it. Call it in `new` and store the counter in the plugin.
    ///
    /// # Errors
    /// [`Error::Host`] if the host's limit of metrics is reached.
    pub fn define(name: &str) -> Result<Counter> {
        define(MetricKind::Counter, name).map(Counter)
    }

    /// Adds to the counter.
    pub fn increase(self, count: u32) -> Result<()> {
        host::increment_metric(self.0, i64::from(count)).map_err(Error::host("proxy_increment_metric"))
    }

    /// Adds to the counter, at most `i64::MAX` at once.
    pub fn increase_by(self, count: u64) -> Result<()> {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        host::increment_metric(self.0, count).map_err(Error::host("proxy_increment_metric"))
    }

    /// The current value.
    pub fn value(self) -> Result<u64> {
        host::metric(self.0).map_err(Error::host("proxy_get_metric"))
    }
}

impl Gauge {
    /// Defines the gauge of this name, or finds it. Errors as [`Counter::define`].
    pub fn define(name: &str) -> Result<Gauge> {
        define(MetricKind::Gauge, name).map(Gauge)
    }

    /// Adds to the gauge, or subtracts from it.
    pub fn change(self, change: i64) -> Result<()> {
        host::increment_metric(self.0, change).map_err(Error::host("proxy_increment_metric"))
    }

    /// Sets the gauge.
    pub fn set(self, value: u64) -> Result<()> {
        host::record_metric(self.0, value).map_err(Error::host("proxy_record_metric"))
    }

    /// The current value.
    pub fn value(self) -> Result<u64> {
        host::metric(self.0).map_err(Error::host("proxy_get_metric"))
    }
}

impl Histogram {
    /// Defines the histogram of this name, or finds it. Errors as [`Counter::define`].
    pub fn define(name: &str) -> Result<Histogram> {
        define(MetricKind::Histogram, name).map(Histogram)
    }

    /// Records one value.
    pub fn record(self, value: u64) -> Result<()> {
        host::record_metric(self.0, value).map_err(Error::host("proxy_record_metric"))
    }
}

fn define(kind: MetricKind, name: &str) -> Result<u32> {
    host::define_metric(kind, name).map_err(Error::host("proxy_define_metric"))
}

/// The kinds of metrics that a [`Family`] can consist of.
pub trait Metric: Copy {
    /// Defines the metric of this name, or finds it.
    fn define(name: &str) -> Result<Self>;
}

impl Metric for Counter {
    fn define(name: &str) -> Result<Counter> {
        Counter::define(name)
    }
}

impl Metric for Gauge {
    fn define(name: &str) -> Result<Gauge> {
        Gauge::define(name)
    }
}

impl Metric for Histogram {
    fn define(name: &str) -> Result<Histogram> {
        Histogram::define(name)
    }
}

/// The maximum number of combinations that a family knows by itself. Lockgate's own limit is lower.
const MAX_COMBINATIONS: usize = 1000;
/// The value of labels beyond the maximum.
const OTHER: &str = "_other";

/// A metric for each combination of label values. Lockgate exports at most 100 combinations of a family, of all workers
/// together; all further ones share the label values `_other`, so that clients cannot fill the host with names.
///
/// ```
/// # use lockgate_sdk::metrics::{Counter, Family};
/// # fn hook(refused: &Family<Counter>) -> lockgate_sdk::Result<()> {
/// // let refused = Family::<Counter>::new("refused");
/// refused.of(&[("method", "GET"), ("why", "expired")])?.increase(1)
/// # }
/// ```
#[derive(Debug)]
pub struct Family<M> {
    name: String,
    defined: RefCell<BTreeMap<String, M>>,
}

impl<M: Metric> Family<M> {
    /// A family without metrics. Each metric is defined when it is first used.
    pub fn new(name: &str) -> Family<M> {
        Family {
            name: name.to_owned(),
            defined: RefCell::default(),
        }
    }

    /// The metric with these labels: names of letters, digits and `_`, and any values.
    ///
    /// # Errors
    /// As [`Counter::define`].
    pub fn of(&self, labels: &[(&str, &str)]) -> Result<M> {
        let mut defined = self.defined.borrow_mut();
        let mut name = self.labelled(labels, None);
        if let Some(metric) = defined.get(&name) {
            return Ok(*metric);
        }
        if defined.len() >= MAX_COMBINATIONS {
            name = self.labelled(labels, Some(OTHER));
            if let Some(metric) = defined.get(&name) {
                return Ok(*metric);
            }
        }
        let metric = M::define(&name)?;
        defined.insert(name, metric);
        Ok(metric)
    }

    fn labelled(&self, labels: &[(&str, &str)], value: Option<&str>) -> String {
        let mut name = self.name.clone();
        for (index, (label, own)) in labels.iter().enumerate() {
            name.push(if index == 0 { '{' } else { ',' });
            name.push_str(label);
            name.push_str("=\"");
            for character in value.unwrap_or(own).chars() {
                match character {
                    '\n' => name.push_str("\\n"),
                    '"' | '\\' => name.extend(['\\', character]),
                    character => name.push(character),
                }
            }
            name.push('"');
        }
        if !labels.is_empty() {
            name.push('}');
        }
        name
    }
}
