//! Metrics: counting on the data path, and the page for Prometheus.
//!
//! Every worker has cells of its own and is their only writer, so that counting is a plain load and store; a scrape adds the workers'
//! cells up. Cells are found by name, never by snapshot, so they survive reloads; those of removed names go after a while. Names and
//! labels come from the configuration, and their number is bounded.
//!
//! `families` has the gateway's families: a new metric starts there. Floors, from below: `cells`, `route_events`, `families`, `retention`, `series` and
//! `labels`, `named_counts`, `plugin_metrics`, `counters`, `exposition`, `render`, `worker`, `registry`.

mod cells;
mod counters;
mod exposition;
pub mod families;
mod labels;
mod named_counts;
mod observed;
mod plugin_metrics;
mod registry;
mod render;
mod retention;
mod route_events;
mod series;
mod worker;

pub use cells::{CALLBACK_BOUNDS, REQUEST_BOUNDS};
pub use counters::EndpointStates;
pub use families::ReloadResult;
pub use observed::{DiscoveryTotals, LookupTotals};
pub use plugin_metrics::{MAX_METRICS, MAX_METRICS_PER_PLUGIN, MAX_NAME, MAX_SERIES_PER_FAMILY, VALUE_BOUNDS};
pub use registry::{PhaseTimes, PluginTotals, Registry};
pub use retention::{LiveNames, RETENTION};
pub use route_events::{Fault, MirrorResult};
pub use series::MAX_SERIES;
pub use worker::{
    Connections, OpenConnection, OpenTunnel, PluginSeries, RequestSeries, TcpSeries, UpstreamSeries, WorkerMetrics,
};

#[cfg(test)]
mod tests;
