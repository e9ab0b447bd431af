//! The binary under test, run as a command.

use crate::modules::built;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The path of the binary under test.
#[must_use]
pub fn binary() -> PathBuf {
    built("LOCKGATE_BIN", "fast/lockgate")
}

/// Runs the binary to its end.
///
/// # Panics
/// When it cannot be run.
#[must_use]
pub fn lockgate(arguments: &[&str], folder: &Path) -> Output {
    let binary = binary();
    let run = Command::new(&binary)
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output();
    run.unwrap_or_else(|error| panic!("{}: {error}; build it with scripts/build-gateway", binary.display()))
}
