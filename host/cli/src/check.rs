//! `lockgate check`: all that `run` would refuse, told at once.

use anyhow::Result;

use crate::arguments::ConfigOptions;
use crate::outcome::Outcome;
use crate::output::print;

/// Prints what the configuration holds, or everything that is wrong with it. The report is what was asked for, so it
/// goes to stdout either way.
pub(crate) fn check(options: ConfigOptions) -> Result<Outcome> {
    match lockgate_control::check(&options.config) {
        Ok(summary) => {
            for remark in &summary.remarks {
                print(format_args!("{remark}"))?;
            }
            print(format_args!("{}: ok, {summary}", options.config.display()))?;
            Ok(Outcome::Right)
        }
        Err(report) => {
            print(report)?;
            Ok(Outcome::Wrong)
        }
    }
}
