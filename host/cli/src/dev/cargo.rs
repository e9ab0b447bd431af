//! cargo's metadata of a workspace: its crates, without dependencies from elsewhere.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// Metadata of a workspace, or of one crate outside of any.
#[derive(Debug, Deserialize)]
pub(super) struct Metadata {
    pub(super) packages: Vec<PackageMetadata>,
    /// The target folder.
    pub(super) target_directory: PathBuf,
    /// The folder of the workspace's manifest.
    pub(super) workspace_root: PathBuf,
}

/// A crate.
#[derive(Debug, Deserialize)]
pub(super) struct PackageMetadata {
    pub(super) name: String,
    pub(super) manifest_path: PathBuf,
    pub(super) targets: Vec<Target>,
    pub(super) dependencies: Vec<Dependency>,
}

/// A target of a crate: a library or a binary.
#[derive(Debug, Deserialize)]
pub(super) struct Target {
    pub(super) name: String,
    pub(super) crate_types: Vec<String>,
}

/// A dependency of a crate.
#[derive(Debug, Deserialize)]
pub(super) struct Dependency {
    /// Its folder, for a path dependency.
    pub(super) path: Option<PathBuf>,
    /// `dev`, `build`, or none for a normal dependency.
    kind: Option<String>,
}

impl Metadata {
    /// The crate with this manifest.
    pub(super) fn package(&self, manifest: &Path) -> Option<&PackageMetadata> {
        self.packages.iter().find(|package| package.manifest_path == manifest)
    }
}

impl Dependency {
    /// Whether only tests use it.
    pub(super) fn is_for_tests(&self) -> bool {
        self.kind.as_deref() == Some("dev")
    }
}

/// Runs `cargo metadata`. Its messages go to `stderr`.
///
/// # Errors
/// cargo is missing, or it cannot read the manifest.
pub(super) fn describe(manifest: &Path, stderr: Stdio) -> Result<Metadata> {
    let output = Command::new("cargo")
        .args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"])
        .arg(manifest)
        .stdin(Stdio::null())
        .stderr(stderr)
        .output()
        .context("cargo cannot be run; Rust comes from https://rustup.rs")?;
    if !output.status.success() {
        bail!("{}: cargo cannot read it", manifest.display());
    }
    serde_json::from_slice(&output.stdout).context("cargo's metadata cannot be read")
}
