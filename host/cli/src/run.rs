//! `lockgate run`: serve until told to stop.

use anyhow::Result;
use lockgate_control::RunOptions;
use lockgate_telemetry::call_trace::TraceRule;

use crate::arguments::ServeOptions;
use crate::outcome::Outcome;

/// Serves until SIGTERM or SIGINT, then drains. An error means that it could not start.
pub(crate) fn run(options: ServeOptions) -> Result<Outcome> {
    let options = RunOptions {
        config: options.config.config,
        access_log: options.access_log,
        trace: options.trace_calls.then(TraceRule::every),
    };
    lockgate_control::run(options, lockgate_admin::serve)?;
    Ok(Outcome::Right)
}
