//! `lockgate test`: cases files against a plugin's module, in the gateway's own data path.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use clap::CommandFactory;
use clap::error::ErrorKind;
use lockgate_cases::{FileResult, Options, Runner, junit, update};

use crate::arguments::{Arguments, TestOptions};
use crate::outcome::Outcome;
use crate::output::print;

/// Runs every file and prints what failed. A file that cannot be read is told, and the others are run all the same.
pub(crate) fn test(options: TestOptions) -> Result<Outcome> {
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
    let mut outcome = Outcome::Right;
    let mut results = Vec::new();
    for file in files {
        match runner.file(file) {
            Ok(result) if options.update => {
                let again = rewrite(&mut runner, file, result)?;
                outcome = outcome.and(judged(&again));
                results.push(again);
            }
            Ok(result) => {
                print(&result)?;
                outcome = outcome.and(judged(&result));
                results.push(result);
            }
            Err(report) => {
                print(report)?;
                outcome = Outcome::Wrong;
            }
        }
    }
    if let Some(path) = &options.junit {
        fs::write(path, junit(&results)).with_context(|| format!("{} cannot be written", path.display()))?;
    }
    if results.iter().all(|result| result.cases.is_empty()) && outcome == Outcome::Right {
        print("no case was run: --filter matches no name")?;
        return Ok(Outcome::Wrong);
    }
    Ok(outcome)
}

/// Writes what was found into the file, and runs it again: what is left is for a person to put right.
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

/// Ends like every command line that makes no sense.
fn usage(told: impl std::fmt::Display) -> ! {
    Arguments::command().error(ErrorKind::WrongNumberOfValues, told).exit()
}

fn judged(result: &FileResult) -> Outcome {
    match result.counts() {
        (_, 0, _) => Outcome::Right,
        _ => Outcome::Wrong,
    }
}

fn is_module(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "wasm")
}
