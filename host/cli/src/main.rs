//! The `lockgate` binary: its command line, its logs and its exit codes.
//!
//! Libraries do the work of a command; this crate has the terminal's side. Exit codes: 0, 1 for a failure or a mistake in the checked
//! files, 2 for an invalid command line.

mod allocator;
mod arguments;
mod check;
mod command_status;
mod dev;
mod echo;
mod import;
mod inspect;
mod logs;
mod new;
mod output;
mod reference;
mod run;
mod schema;
mod test;
mod wasm;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use tracing_subscriber::filter::LevelFilter;

use arguments::{Arguments, Command};
use command_status::CommandStatus;
use logs::Log;

#[global_allocator]
static ALLOCATOR: allocator::Allocator = allocator::Allocator;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // These commands print a report; their log matters only if something is wrong.
    let default_level = if matches!(
        arguments.command,
        Command::Check(_) | Command::Import(_) | Command::Test(_) | Command::Schema(_) | Command::Inspect(_)
    ) {
        LevelFilter::WARN
    } else {
        LevelFilter::INFO
    };
    let log = match Log::start(arguments.log_format, default_level) {
        Ok(log) => log,
        Err(error) => {
            eprintln!("error: {error:#}");
            return ExitCode::from(1);
        }
    };
    match dispatch(arguments.command) {
        Ok(CommandStatus::Success) => ExitCode::SUCCESS,
        Ok(CommandStatus::Failure) => ExitCode::from(1),
        Err(error) => {
            log.error(&format!("error: {error:#}\n"));
            ExitCode::from(1)
        }
    }
}

fn dispatch(command: Command) -> Result<CommandStatus> {
    match command {
        Command::Run(options) => run::run(options),
        Command::Check(options) => check::check(options),
        Command::Test(options) => test::test(options),
        Command::New(options) => new::new(options),
        Command::Dev(options) => dev::dev(options),
        Command::Import(options) => import::import(options),
        Command::Schema(options) => schema::schema(&options),
        Command::Inspect(options) => inspect::inspect(&options),
        Command::Echo(options) => echo::echo(options),
        Command::Completions(options) => reference::completions(&options),
        Command::Man(options) => reference::man(&options),
    }
}
