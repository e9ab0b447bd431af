//! The plugin's crate, as cargo describes it: its name, and where its module will lie.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, anyhow, bail};

use super::cargo::{self, Metadata};
use crate::wasm::TARGET;

/// A crate that makes a module.
#[derive(Debug)]
pub(super) struct Package {
    /// Its folder; absolute.
    pub(super) folder: PathBuf,
    /// Its name.
    pub(super) name: String,
    /// The module that a release build leaves.
    pub(super) module: PathBuf,
    /// Where its builds lie.
    pub(super) target: PathBuf,
}

impl Package {
    /// Asks cargo about the crate in `folder`.
    pub(super) fn find(folder: &Path) -> Result<Self> {
        let manifest = folder.join("Cargo.toml");
        let manifest = manifest.canonicalize().with_context(|| {
            format!(
                "{} is not a plugin's folder; create one with lockgate new plugin NAME",
                manifest.display()
            )
        })?;
        let metadata = cargo::describe(&manifest, Stdio::inherit())?;
        Self::among(metadata, &manifest)
    }

    fn among(metadata: Metadata, manifest: &Path) -> Result<Self> {
        let mut packages = metadata.packages.into_iter();
        let package = packages
            .find(|package| package.manifest_path == manifest)
            .ok_or_else(|| anyhow!("{}: no package", manifest.display()))?;
        let mut targets = package.targets.into_iter();
        let library = targets.find(|target| target.crate_types.iter().any(|kind| kind == "cdylib"));
        let Some(library) = library else {
            bail!(
                "{} does not build a module: it needs [lib] with crate-type = [\"cdylib\"]",
                manifest.display()
            );
        };
        let file = format!("{}.wasm", library.name.replace('-', "_"));
        let module = metadata.target_directory.join(TARGET).join("release").join(file);
        Ok(Self {
            folder: manifest.parent().unwrap_or(Path::new("/")).to_owned(),
            name: package.name,
            module,
            target: metadata.target_directory,
        })
    }

    /// The module's stem: its name in `plugins`, if it is served from where it was built.
    pub(super) fn stem(&self) -> &str {
        self.module
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or(&self.name)
    }

    /// Whether a module of this name is the one that this crate makes: named like the file, the package or the folder.
    pub(super) fn is_called(&self, module: &str) -> bool {
        let folder = self.folder.file_name().and_then(|name| name.to_str());
        module == self.stem() || module == self.name || Some(module) == folder
    }
}
