//! What tests compare with and is installed when it is asked for: `scripts/setup-NAME` gets it and prints its path.

use crate::modules::root;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The path that the script prints.
///
/// # Errors
/// What it said when it could not get it.
pub fn installed(name: &str) -> Result<PathBuf, String> {
    let output = Command::new(root().join(format!("scripts/setup-{name}")))
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}
