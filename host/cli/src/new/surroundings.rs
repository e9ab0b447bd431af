//! What is around a new plugin: a cargo workspace that it becomes a member of, and the folder that cargo builds into.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::sdk::relative;

/// What the files of a new plugin depend on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Surroundings {
    /// The workspace that the plugin belongs to, if its members include the plugin's folder.
    pub(super) workspace: Option<PathBuf>,
    /// The folder that cargo builds into, from the plugin's folder.
    pub(super) target: String,
}

impl Surroundings {
    /// Asks cargo about a package in `folder`, which has no manifest yet and gets one. Without cargo, it stands alone.
    pub(super) fn of(folder: &Path, package: &str) -> Self {
        let alone = Self {
            workspace: None,
            target: "target".to_owned(),
        };
        let Ok(folder) = fs::canonicalize(folder) else {
            return alone;
        };
        let manifest = format!("[package]\nname = \"{package}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n");
        // Outside of a workspace's members cargo refuses a package that does not say that it is its own.
        for own in ["", "[workspace]\n"] {
            let written = fs::write(folder.join("Cargo.toml"), format!("{manifest}{own}"))
                .and_then(|()| fs::write(folder.join("src/lib.rs"), ""));
            if written.is_err() {
                return alone;
            }
            let Some((workspace, target)) = metadata(&folder) else {
                continue;
            };
            let is_member = workspace != folder;
            let target = if target.starts_with(&workspace) {
                relative(&target, &folder)
            } else {
                target
            };
            return Self {
                workspace: is_member.then_some(workspace),
                target: target.display().to_string(),
            };
        }
        alone
    }
}

/// The workspace's root and the folder that is built into.
fn metadata(folder: &Path) -> Option<(PathBuf, PathBuf)> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(folder)
        .output()
        .ok()?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
    let path = |name: &str| metadata[name].as_str().map(PathBuf::from);
    Some((path("workspace_root")?, path("target_directory")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_belongs_to_the_workspace_whose_members_it_is_among_and_to_no_other() {
        let root = tempfile::tempdir().expect("a temporary folder can be made");
        let root = fs::canonicalize(root.path()).expect("it exists");
        let workspace = "[workspace]\nmembers = [\"plugins/*\"]\nresolver = \"3\"\n";
        fs::write(root.join("Cargo.toml"), workspace).expect("it is writable");
        for (place, member, target) in [("plugins/one", true, "../../target"), ("other/one", false, "target")] {
            let folder = root.join(place);
            fs::create_dir_all(folder.join("src")).expect("it is writable");
            let found = Surroundings::of(&folder, "one");
            let expected = Surroundings {
                workspace: member.then(|| root.clone()),
                target: target.to_owned(),
            };
            // Whoever runs the tests may build elsewhere.
            if std::env::var_os("CARGO_TARGET_DIR").is_none() {
                assert_eq!(found, expected, "{place}");
            }
            assert_eq!(found.workspace, expected.workspace, "{place}");
        }
    }
}
