//! The process's log: to stderr, in the selected format, at the levels of `RUST_LOG`.

mod rate_limit;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal, Write};
use std::panic::PanicHookInfo;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use lockgate_telemetry::log_filter;
use lockgate_telemetry::process_log::ProcessLog;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::arguments::LogFormat;
use crate::logs::rate_limit::RateLimit;

/// Maximum time for the last lines at the end of the process: a reader of stderr that stalls does not keep it.
const END_LIMIT: Duration = Duration::from_millis(250);

/// The log; its last lines are written when it is dropped.
pub(crate) struct Log(ProcessLog);

impl Log {
    /// Starts the log. Without `RUST_LOG`, its level is `default`. A level in `RUST_LOG` that names no target is that of this program, and
    /// of plugins. Panics of any thread go to it, so that no thread waits for stderr.
    pub(crate) fn start(format: LogFormat, default: LevelFilter) -> Result<Self> {
        let asked = std::env::var(EnvFilter::DEFAULT_ENV).unwrap_or_default();
        let asked = if asked.trim().is_empty() {
            default.to_string()
        } else {
            asked
        };
        let filter = log_filter::layer(&asked).map_err(|error| anyhow!("RUST_LOG is invalid: {error}"))?;
        let log = ProcessLog::start().context("the log cannot be started")?;
        let limited = tracing_subscriber::registry().with(filter).with(RateLimit::default());
        let lines = tracing_subscriber::fmt::layer().with_writer(log.clone());
        match format {
            LogFormat::Text => limited.with(lines.with_ansi(io::stderr().is_terminal())).init(),
            LogFormat::Json => limited.with(lines.json().flatten_event(true)).init(),
        }
        std::panic::set_hook(Box::new(log_panic));
        Ok(Self(log))
    }

    /// Writes the reason why the process ends, for a reader of stderr: no event, no level.
    pub(crate) fn error(&self, reason: &str) {
        // It takes every line.
        let _ = self.0.event().write_all(reason.as_bytes());
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.0.flush(END_LIMIT);
    }
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let message = panic.payload_as_str().unwrap_or("no message");
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        tracing::error!(thread, place, "panicked: {message}\n{backtrace}");
    } else {
        tracing::error!(thread, place, "panicked: {message}");
    }
}
