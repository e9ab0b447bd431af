//! Metrics that the gateway shows beside its own.

use crate::error::{Error, Result};
use crate::host;
use crate::wire::MetricKind;

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
