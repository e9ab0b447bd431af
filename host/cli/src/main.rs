//! The `lockgate` binary: its command line, its logs and its exit codes.
//!
//! What a command does lives in the libraries; here is only what a person at a terminal sees of it. Exit codes are
//! 0, 1 when what was asked about is wrong or went wrong, and 2 for a command line that makes no sense.

mod arguments;
mod check;
mod dev;
mod echo;
mod inspect;
mod logs;
mod new;
mod outcome;
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
use outcome::Outcome;

/// Chosen for small allocations made and freed on one thread, which is what a request costs.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match dispatch(arguments) {
        Ok(Outcome::Right) => ExitCode::SUCCESS,
        Ok(Outcome::Wrong) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(1)
        }
    }
}

fn dispatch(arguments: Arguments) -> Result<Outcome> {
    // Who asks for a report wants that; what was done to come to it is of interest only when something is odd.
    let usual = if matches!(
        arguments.command,
        Command::Check(_) | Command::Test(_) | Command::Schema(_) | Command::Inspect(_)
    ) {
        LevelFilter::WARN
    } else {
        LevelFilter::INFO
    };
    logs::start(arguments.log_format, usual)?;
    match arguments.command {
        Command::Run(options) => run::run(options),
        Command::Check(options) => check::check(options),
        Command::Test(options) => test::test(options),
        Command::New(options) => new::new(options),
        Command::Dev(options) => dev::dev(options),
        Command::Schema(options) => schema::schema(&options),
        Command::Inspect(options) => inspect::inspect(&options),
        Command::Echo(options) => echo::echo(options),
        Command::Completions(options) => reference::completions(&options),
        Command::Man(options) => reference::man(&options),
    }
}
