//! The plugin's crate: its name and the path of its module, from cargo's metadata.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, anyhow, bail};

use super::cargo::{self, Metadata};
use crate::wasm::TARGET;

/// A crate that builds a module.
#[derive(Debug)]
pub(super) struct Package {
    /// Absolute path of its folder.
    pub(super) folder: PathBuf,
    /// Name of the crate.
    pub(super) name: String,
    /// Path of the module of a release build.
    pub(super) module: PathBuf,
    /// The target folder.
    pub(super) target: PathBuf,
}

impl Package {
    /// The crate in `folder`, by cargo's metadata.
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

    /// The module's file name without `.wasm`.
    pub(super) fn stem(&self) -> &str {
        self.module
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or(&self.name)
    }

    /// Whether a module name means this crate's module: the name of the file, of the package or of the folder.
    pub(super) fn is_called(&self, module: &str) -> bool {
        let folder = self.folder.file_name().and_then(|name| name.to_str());
        module == self.stem() || module == self.name || Some(module) == folder
    }
}
