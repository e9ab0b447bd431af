//! Log lines of plugins: events of this process with the target `plugin`, at the guest's level.

use lockgate_sandbox::LogLevel;
use tracing::level_filters::LevelFilter;

/// Target of these events.
pub const TARGET: &str = "plugin";

/// Writes a guest's line. `critical` is an error with the field `critical`.
pub fn write(plugin: &str, level: LogLevel, message: &str) {
    match level {
        LogLevel::Trace => tracing::trace!(target: TARGET, plugin, "{message}"),
        LogLevel::Debug => tracing::debug!(target: TARGET, plugin, "{message}"),
        LogLevel::Info => tracing::info!(target: TARGET, plugin, "{message}"),
        LogLevel::Warn => tracing::warn!(target: TARGET, plugin, "{message}"),
        LogLevel::Error => tracing::error!(target: TARGET, plugin, "{message}"),
        LogLevel::Critical => tracing::error!(target: TARGET, plugin, critical = true, "{message}"),
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
