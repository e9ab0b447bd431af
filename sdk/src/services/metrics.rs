//! Metrics that the gateway shows beside its own.
//!
//! proxy-wasm knows no labels. A [`Family`] makes one metric for each combination of values, with the labels in its name, and
//! bounds how many there may be.

use std::cell::RefCell;

use crate::abi::MetricKind;
use crate::error::{Error, Result};
use crate::host;

/// A number that only rises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counter(u32);

/// A number that rises and falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gauge(u32);

/// A distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Histogram(u32);

impl Counter {
    /// The counter of this name; defined in `new`, kept in the plugin. Hosts bound how many there may be.
    pub fn define(name: &str) -> Result<Counter> {
        define(MetricKind::Counter, name).map(Counter)
    }

    /// Adds to it.
    pub fn increase(self, count: u32) -> Result<()> {
        host::increment_metric(self.0, i64::from(count)).map_err(Error::host("proxy_increment_metric"))
    }

    /// What has been counted.
    pub fn value(self) -> Result<u64> {
        host::metric(self.0).map_err(Error::host("proxy_get_metric"))
    }
}

impl Gauge {
    /// The gauge of this name.
    pub fn define(name: &str) -> Result<Gauge> {
        define(MetricKind::Gauge, name).map(Gauge)
    }

    /// Adds to it, or takes away.
    pub fn change(self, change: i64) -> Result<()> {
        host::increment_metric(self.0, change).map_err(Error::host("proxy_increment_metric"))
    }

    /// Sets it.
    pub fn set(self, value: u64) -> Result<()> {
        host::record_metric(self.0, value).map_err(Error::host("proxy_record_metric"))
    }

    /// Its value.
    pub fn value(self) -> Result<u64> {
        host::metric(self.0).map_err(Error::host("proxy_get_metric"))
    }
}

impl Histogram {
    /// The histogram of this name.
    pub fn define(name: &str) -> Result<Histogram> {
        define(MetricKind::Histogram, name).map(Histogram)
    }

    /// Records one observation.
    pub fn record(self, value: u64) -> Result<()> {
        host::record_metric(self.0, value).map_err(Error::host("proxy_record_metric"))
    }
}

fn define(kind: MetricKind, name: &str) -> Result<u32> {
    host::define_metric(kind, name).map_err(Error::host("proxy_define_metric"))
}

/// A kind of metric.
pub trait Metric: Copy {
    /// The metric of this name.
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

/// How many combinations of values a family tells apart.
const MAX_COMBINATIONS: usize = 64;

/// Metrics of one name, told apart by labels. The one with `("status", "403")` is `NAME_status_403`; when there are more
/// than 64 combinations, all further ones are `NAME_other`, so that a client cannot fill the host with names.
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
    made: RefCell<Vec<(String, M)>>,
}

impl<M: Metric> Family<M> {
    /// A family without metrics; each is defined when it is first used.
    pub fn new(name: &str) -> Family<M> {
        Family {
            name: name.to_owned(),
            made: RefCell::new(Vec::new()),
        }
    }

    /// The metric with these labels.
    pub fn of(&self, labels: &[(&str, &str)]) -> Result<M> {
        let mut name = self.name.clone();
        for (label, value) in labels {
            for part in [label, value] {
                name.push('_');
                name.push_str(part);
            }
        }
        let mut made = self.made.borrow_mut();
        let found = |made: &[(String, M)], name: &str| {
            let known = made.iter().find(|(known, _)| known == name);
            known.map(|(_, metric)| *metric)
        };
        if let Some(metric) = found(&made, &name) {
            return Ok(metric);
        }
        if made.len() >= MAX_COMBINATIONS {
            name = [&self.name, "_other"].concat();
            if let Some(metric) = found(&made, &name) {
                return Ok(metric);
            }
        }
        let metric = M::define(&name)?;
        made.push((name, metric));
        Ok(metric)
    }
}
