//! What a configuration that was refused is made of: a change there may put it right, so it is watched as well.

use std::path::{Path, PathBuf};

use lockgate_config::IncludedFile;
use lockgate_config::model::Model;

/// Files and the folder of modules; none after a load that succeeded.
#[derive(Debug, Default)]
pub(crate) struct Awaited {
    pub files: Vec<PathBuf>,
    pub modules: Option<PathBuf>,
}

impl Awaited {
    /// Of a configuration of which only so much is known.
    pub(super) fn of(files: &[IncludedFile], modules: Option<&Path>) -> Self {
        Self {
            files: files.iter().map(|file| file.path.clone()).collect(),
            modules: modules.map(Path::to_owned),
        }
    }

    /// Of a whole one.
    pub(super) fn of_model(files: &[IncludedFile], model: &Model) -> Self {
        let mut awaited = Self::of(files, model.plugin_dir.as_deref());
        awaited.files.extend(model.tls_files().map(Path::to_owned));
        awaited
    }

    /// Whether nothing was refused.
    pub(crate) fn is_nothing(&self) -> bool {
        self.files.is_empty() && self.modules.is_none()
    }
}
