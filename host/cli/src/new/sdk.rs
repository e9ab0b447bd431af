//! The SDK for a new plugin: the clone's, for a plugin inside of the clone that this binary was built in; else a copy, so that the plugin's folder
//! builds on every machine.

use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::Result;

include!(concat!(env!("OUT_DIR"), "/sdk.rs"));

/// Path of the SDK when this binary was built.
const CLONE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../sdk");

/// The SDK's path relative to `folder`. Outside of the clone, a copy is written into `folder`, or into the workspace that it belongs to: all members
/// share that one.
pub(super) fn provide(folder: &Path, workspace: Option<&Path>) -> Result<String> {
    let clone = fs::canonicalize(CLONE)
        .ok()
        .filter(|clone| clone.join("Cargo.toml").is_file());
    let folder = fs::canonicalize(folder)?;
    if let Some(clone) = clone
        && clone.parent().is_some_and(|root| folder.starts_with(root))
    {
        return Ok(relative(&clone, &folder).display().to_string());
    }
    let copy = workspace.unwrap_or(&folder).join("lockgate-sdk");
    let place = relative(&copy, &folder).display().to_string();
    if copy.exists() {
        return Ok(place);
    }
    for (path, text) in SDK {
        let path = copy.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, text)?;
    }
    Ok(place)
}

/// The relative path from `from` to `to`, both absolute.
pub(super) fn relative(to: &Path, from: &Path) -> PathBuf {
    let common = to
        .components()
        .zip(from.components())
        .take_while(|(a, b)| a == b)
        .count();
    let up = from.components().skip(common).map(|_| Component::ParentDir);
    up.chain(to.components().skip(common)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_path_goes_up_to_the_common_folder_and_down_from_there() {
        let path = |to, from| relative(Path::new(to), Path::new(from)).display().to_string();
        assert_eq!(path("/a/b/sdk", "/a/demo"), "../b/sdk");
        assert_eq!(path("/a/sdk", "/a/b/c"), "../../sdk");
    }

    #[test]
    fn the_copy_is_complete_and_needs_no_workspace() {
        let text = |name: &str| SDK.iter().find(|(path, _)| *path == name).map(|(_, text)| *text);
        let manifest = text("Cargo.toml").expect("the SDK has a manifest");
        assert!(!manifest.contains("workspace"), "{manifest}");
        assert!(
            manifest.contains("lockgate-sdk-macros = { path = \"macros\" }"),
            "{manifest}"
        );
        assert!(
            !text("macros/Cargo.toml")
                .expect("so have the macros")
                .contains("workspace")
        );
        assert!(text("src/lib.rs").is_some() && text("macros/src/lib.rs").is_some());
    }
}
