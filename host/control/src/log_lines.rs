//! Log lines that programs read, by target or message: `lockgate dev`, supervisors, tests. They stay the same wherever they are written.

/// Target of log lines that plugins write.
pub use lockgate_telemetry::plugin_log::TARGET as PLUGIN_TARGET;

/// Target of traced host calls.
pub use lockgate_sandbox::CALL_TARGET;

/// A listener listens. Fields: `listener`, `address`, `tls`.
pub const LISTENING: &str = "listening";

/// All listeners listen. Field: `workers`.
pub const READY: &str = "ready";

/// A reload has succeeded. Fields: `revision`, `took_ms`.
pub const RELOADED: &str = "reloaded";
