//! What a plugin is made of: its own folder, the crates of this machine that it depends on, and the manifests above them.
//!
//! Crates from registries do not change, and are not looked at; nor are those that only tests need.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::cargo::{self, Metadata};

/// Where the files lie whose change asks for a build.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Parts {
    /// Folders of crates: the plugin's own, then each that it depends on.
    pub(super) folders: Vec<PathBuf>,
    /// Manifests of their workspaces.
    pub(super) manifests: BTreeSet<PathBuf>,
}

impl Parts {
    /// Of the plugin in `folder`. While cargo cannot read all of it, what it was made of `before` counts, too: there it is mended.
    pub(super) fn of(folder: &Path, before: Self) -> Self {
        Self::found(folder, before, &mut |folder| {
            cargo::describe(&folder.join("Cargo.toml"), Stdio::null()).ok()
        })
    }

    fn found(folder: &Path, before: Self, describe: &mut dyn FnMut(&Path) -> Option<Metadata>) -> Self {
        let mut parts = Self {
            folders: vec![folder.to_owned()],
            ..Self::default()
        };
        let mut known: Vec<Metadata> = Vec::new();
        let mut is_whole = true;
        let mut next = 0;
        while let Some(folder) = parts.folders.get(next).cloned() {
            next += 1;
            let manifest = folder.join("Cargo.toml");
            if !known.iter().any(|metadata| metadata.package(&manifest).is_some()) {
                known.extend(describe(&folder));
            }
            let found = known
                .iter()
                .find_map(|metadata| Some((metadata, metadata.package(&manifest)?)));
            let Some((metadata, package)) = found else {
                is_whole = false;
                continue;
            };
            parts.manifests.insert(metadata.workspace_root.join("Cargo.toml"));
            let linked = package
                .dependencies
                .iter()
                .filter(|dependency| !dependency.is_for_tests());
            parts.add(linked.filter_map(|dependency| dependency.path.clone()));
        }
        if !is_whole {
            parts.add(before.folders);
            parts.manifests.extend(before.manifests);
        }
        parts
    }

    fn add(&mut self, folders: impl IntoIterator<Item = PathBuf>) {
        for folder in folders {
            if !self.folders.contains(&folder) {
                self.folders.push(folder);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A crate's folder, and the folders and kinds of what it depends on.
    type Crate<'a> = (&'a str, &'a [(&'a str, Option<&'a str>)]);

    fn crates(root: &str, packages: &[Crate<'_>]) -> Metadata {
        let packages = packages.iter().map(|(folder, dependencies)| {
            let dependencies = dependencies
                .iter()
                .map(|(path, kind)| json!({ "path": path, "kind": kind }));
            json!({
                "name": "x", "manifest_path": format!("{folder}/Cargo.toml"), "targets": [],
                "dependencies": dependencies.chain([json!({ "path": null, "kind": null })]).collect::<Vec<_>>(),
            })
        });
        let packages: Vec<_> = packages.collect();
        let whole = json!({ "workspace_root": root, "target_directory": "/target", "packages": packages });
        serde_json::from_value(whole).expect("it is in cargo's shape")
    }

    fn workspace() -> Metadata {
        let demo = [("/w/words", None), ("/w/probe", Some("dev")), ("/sdk", None)];
        let words = [("/w/table", Some("build")), ("/sdk", None)];
        let alone = [
            ("/w/demo", &demo[..]),
            ("/w/words", &words),
            ("/w/table", &[]),
            ("/w/probe", &[]),
        ];
        crates("/w", &alone)
    }

    fn paths<T: FromIterator<PathBuf>>(paths: &[&str]) -> T {
        paths.iter().map(PathBuf::from).collect()
    }

    #[test]
    fn crates_of_this_machine_are_parts_at_any_distance_once_and_those_for_tests_are_none() {
        let mut asked = Vec::new();
        let before = Parts {
            folders: paths(&["/w/demo", "/left"]),
            ..Parts::default()
        };
        let parts = Parts::found(Path::new("/w/demo"), before, &mut |folder| {
            asked.push(folder.to_owned());
            Some(if folder.starts_with("/w") {
                workspace()
            } else {
                crates("/sdk", &[("/sdk", &[])])
            })
        });
        assert_eq!(
            parts.folders,
            paths::<Vec<_>>(&["/w/demo", "/w/words", "/sdk", "/w/table"])
        );
        assert_eq!(parts.manifests, paths(&["/w/Cargo.toml", "/sdk/Cargo.toml"]));
        assert_eq!(
            asked,
            paths::<Vec<_>>(&["/w/demo", "/sdk"]),
            "a workspace is asked about once"
        );
    }

    #[test]
    fn while_cargo_cannot_read_a_manifest_what_was_a_part_stays_one() {
        let before = Parts::found(Path::new("/w/demo"), Parts::default(), &mut |_| Some(workspace()));
        let broken = Parts::found(Path::new("/w/demo"), before.clone(), &mut |_| None);
        assert_eq!(broken, before);
    }
}
