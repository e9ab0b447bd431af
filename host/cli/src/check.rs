//! `lockgate check`: all mistakes that `run` would refuse, in one report, and warnings of what is likely a mistake.

use anyhow::Result;
use lockgate_control::CheckSummary;
use lockgate_json::{Diagnostic, Report};
use serde_json::{Value, json};

use crate::arguments::CheckOptions;
use crate::command_status::CommandStatus;
use crate::output::print;

/// Prints a summary of the configuration with its warnings, or all mistakes. Both go to stdout, because the report is the command's result.
pub(crate) fn check(options: CheckOptions) -> Result<CommandStatus> {
    let result = lockgate_control::check(&options.config.config);
    let is_good = match &result {
        Ok(summary) => summary.warnings.is_empty() || !options.strict,
        Err(_) => false,
    };
    match (result, options.json) {
        (result, true) => print(as_json(&result))?,
        (Ok(summary), false) => {
            for remark in &summary.remarks {
                print(format_args!("{remark}"))?;
            }
            for warning in &summary.warnings {
                print(format_args!("warning: {warning}"))?;
            }
            let verdict = if is_good {
                "ok"
            } else {
                "refused for its warnings (--strict)"
            };
            print(format_args!(
                "{}: {verdict}, {summary}",
                options.config.config.display()
            ))?;
        }
        (Err(report), false) => print(report)?,
    }
    Ok(if is_good {
        CommandStatus::Success
    } else {
        CommandStatus::Failure
    })
}

/// The result for machines. `ok` is whether `run` would accept the configuration.
fn as_json(result: &Result<CheckSummary, Report>) -> Value {
    let all = |diagnostics: &[Diagnostic]| diagnostics.iter().map(diagnostic).collect::<Vec<_>>();
    match result {
        Ok(summary) => json!({
            "ok": true,
            "errors": [],
            "warnings": all(&summary.warnings),
            "remarks": all(&summary.remarks),
            "listeners": summary.listeners,
            "routes": summary.routes,
            "upstreams": summary.upstreams,
            "plugins": summary.plugins,
        }),
        Err(report) => json!({ "ok": false, "errors": all(&report.diagnostics), "warnings": [], "remarks": [] }),
    }
}

fn diagnostic(diagnostic: &Diagnostic) -> Value {
    json!({
        "file": diagnostic.file.display().to_string(),
        "line": diagnostic.line,
        "column": diagnostic.column,
        "pointer": diagnostic.pointer,
        "message": diagnostic.message,
        "expected": diagnostic.expected,
        "hint": diagnostic.hint,
    })
}
