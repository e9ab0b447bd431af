//! `lockgate test`: cases files against a plugin's module, in the gateway's own data path.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use clap::CommandFactory;
use clap::error::ErrorKind;
use lockgate_cases::{FileResult, Options, Runner, junit, update};

use crate::arguments::{Arguments, TestOptions};
use crate::command_status::CommandStatus;
use crate::output::print;

/// Runs all files and prints failed cases. A file with mistakes is reported; the others still run.
pub(crate) fn test(options: TestOptions) -> Result<CommandStatus> {
    let mut files = options.files.as_slice();
    let mut module = None;
    if let Some((first, rest)) = files.split_first().filter(|(first, _)| is_module(first)) {
        module = Some(first.clone());
        files = rest;
    }
    if let Some(stray) = files.iter().find(|file| is_module(file)) {
        usage(format!(
            "{}: give at most one module, before the cases files",
            stray.display()
        ));
    }
    if files.is_empty() {
        usage("no cases file given; example: lockgate test demo.wasm cases.json");
    }
    if let Some(module) = module.as_ref().filter(|module| !module.is_file()) {
        anyhow::bail!("{}: the file does not exist; build the plugin first", module.display());
    }
    let mut runner = Runner::new(Options {
        module,
        filter: options.filter.clone(),
    })?;
    let mut status = CommandStatus::Success;
    let mut results = Vec::new();
    for file in files {
        match runner.file(file) {
            Ok(result) if options.update => {
                let again = rewrite(&mut runner, file, result)?;
                status = status.and(status_of(&again));
                results.push(again);
            }
            Ok(result) => {
                print(&result)?;
                status = status.and(status_of(&result));
                results.push(result);
            }
            Err(report) => {
                print(report)?;
                status = CommandStatus::Failure;
            }
        }
    }
    if let Some(path) = &options.junit {
        fs::write(path, junit(&results)).with_context(|| format!("{} cannot be written", path.display()))?;
    }
    if results.iter().all(|result| result.cases.is_empty()) && status == CommandStatus::Success {
        print("no case was run: --filter matches no name")?;
        return Ok(CommandStatus::Failure);
    }
    Ok(status)
}

/// Writes results into the file and runs it again. Remaining failures need a person.
fn rewrite(runner: &mut Runner, file: &Path, result: FileResult) -> Result<FileResult> {
    let (text, changes) = update(&result);
    if changes == 0 {
        print(&result)?;
        return Ok(result);
    }
    fs::write(file, text).with_context(|| format!("{} cannot be written", file.display()))?;
    let places = if changes == 1 { "place" } else { "places" };
    print(format_args!("{}: {changes} {places} updated", file.display()))?;
    let again = runner.file(file)?;
    print(&again)?;
    Ok(again)
}

/// Exits with an error about the command line.
fn usage(message: impl std::fmt::Display) -> ! {
    Arguments::command()
        .error(ErrorKind::WrongNumberOfValues, message)
        .exit()
}

fn status_of(result: &FileResult) -> CommandStatus {
    match result.counts() {
        (_, 0, _) => CommandStatus::Success,
        _ => CommandStatus::Failure,
    }
}

fn is_module(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "wasm")
}
