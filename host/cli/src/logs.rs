//! The process's log: to stderr, in the selected format, at the levels of `RUST_LOG`.

use std::io::{self, IsTerminal};

use anyhow::{Result, anyhow};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::arguments::LogFormat;

/// Starts the log. Without `RUST_LOG`, its level is `default`.
pub(crate) fn start(format: LogFormat, default: LevelFilter) -> Result<()> {
    let filter = EnvFilter::builder()
        .with_default_directive(default.into())
        .from_env()
        // The sources of this error repeat its text.
        .map_err(|error| anyhow!("RUST_LOG is invalid: {error}; example: info,lockgate_gateway=debug"))?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    match format {
        LogFormat::Text => lines.with_ansi(io::stderr().is_terminal()).init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
    Ok(())
}
