//! The files of a refused configuration: a change in one of them may repair it, so they are watched.

use std::path::{Path, PathBuf};

use lockgate_config::IncludedFile;
use lockgate_config::model::Model;

/// Files, and the folder of modules; empty after a load that succeeded.
#[derive(Debug, Default)]
pub(crate) struct RefusedFiles {
    pub files: Vec<PathBuf>,
    pub plugin_dir: Option<PathBuf>,
}

impl RefusedFiles {
    /// The files of a configuration that could be read in part.
    pub(super) fn of_partial(files: &[IncludedFile], plugin_dir: Option<&Path>) -> Self {
        Self {
            files: files.iter().map(|file| file.path.clone()).collect(),
            plugin_dir: plugin_dir.map(Path::to_owned),
        }
    }

    /// The files of a valid configuration, whose modules or certificates may still be refused.
    pub(super) fn of_model(files: &[IncludedFile], model: &Model) -> Self {
        let mut all = Self::of_partial(files, model.plugin_dir.as_deref());
        all.files.extend(model.tls_files().map(Path::to_owned));
        all
    }
}
