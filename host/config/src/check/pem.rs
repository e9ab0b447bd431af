//! PEM files that the configuration names.

use std::fs::{self, File};
use std::path::PathBuf;

use lockgate_json::mistake::{Mistake, Mistakes};
use lockgate_json::pointer::Pointer;

use crate::substitute::LoadContext;

/// The absolute path of a file that can be opened. Its content is checked when it is used.
pub(super) fn pem(path: &str, here: Pointer, context: &LoadContext<'_>, mistakes: &mut Mistakes) -> Option<PathBuf> {
    let path = context.path(path);
    let reason = match fs::metadata(&path) {
        // Only then: whoever opens a FIFO waits for its other end.
        Ok(found) if found.is_file() => match File::open(&path) {
            Ok(_) => return Some(path),
            Err(error) => error.to_string(),
        },
        Ok(_) => "not a file".to_owned(),
        Err(error) => error.to_string(),
    };
    let mistake = Mistake::invalid(here, format!("a readable PEM file: {reason}"));
    mistakes.push(mistake.hint("relative paths start at the folder of the configuration file"));
    None
}
