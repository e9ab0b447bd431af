//! Telemetry of the data path: metrics, the log, the access log, plugins' log lines, the switch of the host call trace.
//!
//! Nothing here waits: a worker counts in cells of its own and appends to buffers in memory.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that cannot go on says where"))]

pub mod access_log;
pub mod call_trace;
pub mod callout_end;
pub mod close_reason;
pub mod failure_log;
mod line_writer;
pub mod log_filter;
pub mod metrics;
pub mod plugin_log;
pub mod process_log;
pub mod settings;

pub use settings::{AccessLogPath, AccessLogSettings};
