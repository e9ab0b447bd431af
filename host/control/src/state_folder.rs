//! The folder of what outlives the process: the overlay, the last lists of discovery.

use std::path::{Path, PathBuf};

/// `state_dir` of the configuration, else `LOCKGATE_STATE_DIR`, else `.lockgate` beside the configuration file. Absolute.
pub(crate) fn state_folder(config: &Path, state_dir: Option<&Path>) -> PathBuf {
    let config = std::path::absolute(config).unwrap_or_else(|_| config.to_owned());
    let variable = std::env::var_os("LOCKGATE_STATE_DIR").filter(|folder| !folder.is_empty());
    let folder = state_dir.map(Path::to_owned).or_else(|| variable.map(PathBuf::from));
    folder.unwrap_or_else(|| config.with_file_name(".lockgate"))
}
