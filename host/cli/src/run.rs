//! `lockgate run`: serve until told to stop.

use anyhow::Result;
use lockgate_gateway::RunOptions;

use crate::arguments::ConfigOptions;
use crate::outcome::Outcome;

/// Serves until SIGTERM or SIGINT, then drains. An error means that it could not start.
pub(crate) fn run(options: ConfigOptions) -> Result<Outcome> {
    lockgate_gateway::run(RunOptions { config: options.config })?;
    Ok(Outcome::Right)
}
