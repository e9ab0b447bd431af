//! The SDK for a new plugin: that of the clone which this binary was built from, or the copy that the binary carries.

use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::Result;

include!(concat!(env!("OUT_DIR"), "/sdk.rs"));

/// Where the SDK stood when this binary was built.
const CLONE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../sdk");

/// The SDK's path as it is seen from `folder`, whose neighbours see it alike. A copy is put into `folder` where there is no clone.
pub(super) fn provide(folder: &Path) -> Result<String> {
    let clone = fs::canonicalize(CLONE)
        .ok()
        .filter(|clone| clone.join("Cargo.toml").is_file());
    if let Some(clone) = clone {
        let folder = fs::canonicalize(folder)?;
        return Ok(relative(&clone, &folder).display().to_string());
    }
    for (path, text) in SDK {
        let path = folder.join("lockgate-sdk").join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, text)?;
    }
    Ok("lockgate-sdk".to_owned())
}

/// The way from `from` to `to`, both absolute.
fn relative(to: &Path, from: &Path) -> PathBuf {
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
    fn the_way_goes_up_to_what_both_share_and_down_from_there() {
        let way = |to, from| relative(Path::new(to), Path::new(from)).display().to_string();
        assert_eq!(way("/a/b/sdk", "/a/demo"), "../b/sdk");
        assert_eq!(way("/a/sdk", "/a/b/c"), "../../sdk");
    }

    #[test]
    fn the_copy_is_whole_and_stands_without_a_workspace() {
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
