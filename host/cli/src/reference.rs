//! What packages install beside the binary, made from the command line's own definition: completion scripts and manual pages.

use std::fs;

use anyhow::{Context, Result};
use clap::CommandFactory;

use crate::arguments::{Arguments, CompletionsOptions, ManOptions};
use crate::command_status::CommandStatus;
use crate::output::print;

/// `lockgate completions`: prints a shell's script.
pub(crate) fn completions(options: &CompletionsOptions) -> Result<CommandStatus> {
    let mut script = Vec::new();
    let mut program = Arguments::command();
    clap_complete::generate(options.shell, &mut program, "lockgate", &mut script);
    print(String::from_utf8(script)?.trim_end())?;
    Ok(CommandStatus::Success)
}

/// `lockgate man`: writes `lockgate.1` and a page for every command.
pub(crate) fn man(options: &ManOptions) -> Result<CommandStatus> {
    let folder = &options.folder;
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    // A page's name has the commands that lead to it: lockgate-new-plugin.1.
    clap_mangen::generate_to(Arguments::command(), folder).with_context(|| folder.display().to_string())?;
    Ok(CommandStatus::Success)
}
