//! `lockgate check`: all mistakes that `run` would refuse, in one report.

use anyhow::Result;

use crate::arguments::ConfigOptions;
use crate::command_status::CommandStatus;
use crate::output::print;

/// Prints a summary of the configuration, or all mistakes. Both go to stdout, because the report is the command's result.
pub(crate) fn check(options: ConfigOptions) -> Result<CommandStatus> {
    match lockgate_control::check(&options.config) {
        Ok(summary) => {
            for remark in &summary.remarks {
                print(format_args!("{remark}"))?;
            }
            print(format_args!("{}: ok, {summary}", options.config.display()))?;
            Ok(CommandStatus::Success)
        }
        Err(report) => {
            print(report)?;
            Ok(CommandStatus::Failure)
        }
    }
}
