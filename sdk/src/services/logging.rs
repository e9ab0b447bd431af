//! The logger: it sends the lines of the `log` crate's macros to the host.

use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::abi::LogLevel;
use crate::host;

struct HostLog;

/// Installs the logger with the host's log level, so that lines below it are not even formatted.
pub(crate) fn start() {
    // It fails when the plugin is configured again; the logger is installed then.
    let _ = log::set_logger(&HostLog);
    log::set_max_level(match host::log_level() {
        Ok(0) | Err(_) => LevelFilter::Trace,
        Ok(1) => LevelFilter::Debug,
        Ok(2) => LevelFilter::Info,
        Ok(3) => LevelFilter::Warn,
        Ok(4) => LevelFilter::Error,
        Ok(_) => LevelFilter::Off,
    });
}

impl Log for HostLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let level = match record.level() {
            Level::Trace => LogLevel::Trace,
            Level::Debug => LogLevel::Debug,
            Level::Info => LogLevel::Info,
            Level::Warn => LogLevel::Warn,
            Level::Error => LogLevel::Error,
        };
        match record.args().as_str() {
            Some(message) => host::log(level, message),
            None => host::log(level, &record.args().to_string()),
        }
    }

    fn flush(&self) {}
}
