//! Log lines of plugins: events of this process with the target `plugin`, at the guest's level.

use lockgate_sandbox::LogLevel;
use tracing::level_filters::LevelFilter;

/// Writes a guest's line. `critical` is an error with the field `critical`.
pub fn write(plugin: &str, level: LogLevel, message: &str) {
    match level {
        LogLevel::Trace => tracing::trace!(target: "plugin", plugin, "{message}"),
        LogLevel::Debug => tracing::debug!(target: "plugin", plugin, "{message}"),
        LogLevel::Info => tracing::info!(target: "plugin", plugin, "{message}"),
        LogLevel::Warn => tracing::warn!(target: "plugin", plugin, "{message}"),
        LogLevel::Error => tracing::error!(target: "plugin", plugin, "{message}"),
        LogLevel::Critical => tracing::error!(target: "plugin", plugin, critical = true, "{message}"),
    }
}

/// The lowest level that is written.
pub fn level() -> LogLevel {
    match LevelFilter::current() {
        LevelFilter::TRACE => LogLevel::Trace,
        LevelFilter::DEBUG => LogLevel::Debug,
        LevelFilter::INFO => LogLevel::Info,
        LevelFilter::WARN => LogLevel::Warn,
        LevelFilter::ERROR => LogLevel::Error,
        _ => LogLevel::Critical,
    }
}
