//! Log lines: to stderr, in the format that was asked for, as many as `RUST_LOG` says.

use std::io::{self, IsTerminal};

use anyhow::{Result, anyhow};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::arguments::LogFormat;

/// Starts the log of this process. Without `RUST_LOG` it holds what is `usual` or worse.
pub(crate) fn start(format: LogFormat, usual: LevelFilter) -> Result<()> {
    let filter = EnvFilter::builder()
        .with_default_directive(usual.into())
        .from_env()
        // Each level of this error says the same again, so only the first is kept.
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
