//! What cargo says about the crates at a manifest: those of its workspace, without what they come from elsewhere.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// The crates of a workspace; of one crate, if it is in none.
#[derive(Debug, Deserialize)]
pub(super) struct Metadata {
    pub(super) packages: Vec<Described>,
    /// Where builds lie.
    pub(super) target_directory: PathBuf,
    /// The folder of the manifest that holds for all of them.
    pub(super) workspace_root: PathBuf,
}

/// A crate.
#[derive(Debug, Deserialize)]
pub(super) struct Described {
    pub(super) name: String,
    pub(super) manifest_path: PathBuf,
    pub(super) targets: Vec<Target>,
    pub(super) dependencies: Vec<Dependency>,
}

/// Something that a crate makes.
#[derive(Debug, Deserialize)]
pub(super) struct Target {
    pub(super) name: String,
    pub(super) crate_types: Vec<String>,
}

/// What a crate is made with.
#[derive(Debug, Deserialize)]
pub(super) struct Dependency {
    /// Its folder, if it is one of this machine.
    pub(super) path: Option<PathBuf>,
    /// `dev`, `build`, or none for what is linked.
    kind: Option<String>,
}

impl Metadata {
    /// The crate of this manifest.
    pub(super) fn package(&self, manifest: &Path) -> Option<&Described> {
        self.packages.iter().find(|package| package.manifest_path == manifest)
    }
}

impl Dependency {
    /// Whether nothing that is served has it in it.
    pub(super) fn is_for_tests(&self) -> bool {
        self.kind.as_deref() == Some("dev")
    }
}

/// Asks cargo. What it complains of goes to `complaints`.
///
/// # Errors
/// There is no cargo, or it cannot read the manifest.
pub(super) fn describe(manifest: &Path, complaints: Stdio) -> Result<Metadata> {
    let asked = Command::new("cargo")
        .args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"])
        .arg(manifest)
        .stdin(Stdio::null())
        .stderr(complaints)
        .output()
        .context("cargo cannot be run; Rust comes from https://rustup.rs")?;
    if !asked.status.success() {
        bail!("{}: cargo cannot read it", manifest.display());
    }
    serde_json::from_slice(&asked.stdout).context("cargo's metadata cannot be read")
}
