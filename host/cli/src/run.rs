//! `lockgate run`: the gateway.

use anyhow::Result;
use lockgate_control::RunOptions;
use lockgate_telemetry::call_trace::TraceRule;

use crate::arguments::ServeOptions;
use crate::command_status::CommandStatus;

/// Runs the gateway until SIGTERM or SIGINT, then drains. An error: it could not start.
pub(crate) fn run(options: ServeOptions) -> Result<CommandStatus> {
    let options = RunOptions {
        config: options.config.config,
        access_log: options.access_log,
        trace: options.trace_calls.then(TraceRule::every),
    };
    lockgate_control::run(options, lockgate_admin::serve)?;
    Ok(CommandStatus::Success)
}
