//! The inputs of a plugin's build: its folder, its path dependencies, and the manifests of their workspaces.
//!
//! Crates from registries do not change and are left out, as are dependencies of tests.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::cargo::{self, Metadata};

/// Places of the files whose change requires a build.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct BuildInputs {
    /// Folders of crates: the plugin's own, then its path dependencies.
    pub(super) folders: Vec<PathBuf>,
    /// Manifests of their workspaces.
    pub(super) manifests: BTreeSet<PathBuf>,
}

impl BuildInputs {
    /// The inputs of the plugin in `folder`. While cargo cannot read all manifests, the inputs `before` are kept too, so that a correction
    /// there is noticed.
    pub(super) fn of(folder: &Path, before: Self) -> Self {
        Self::found(folder, before, &mut |folder| {
            cargo::describe(&folder.join("Cargo.toml"), Stdio::null()).ok()
        })
    }

    fn found(folder: &Path, before: Self, describe: &mut dyn FnMut(&Path) -> Option<Metadata>) -> Self {
        let mut inputs = Self {
            folders: vec![folder.to_owned()],
            ..Self::default()
        };
        let mut known: Vec<Metadata> = Vec::new();
        let mut is_complete = true;
        let mut next = 0;
        while let Some(folder) = inputs.folders.get(next).cloned() {
            next += 1;
            let manifest = folder.join("Cargo.toml");
            if !known.iter().any(|metadata| metadata.package(&manifest).is_some()) {
                known.extend(describe(&folder));
            }
            let found = known
                .iter()
                .find_map(|metadata| Some((metadata, metadata.package(&manifest)?)));
            let Some((metadata, package)) = found else {
                is_complete = false;
                continue;
            };
            inputs.manifests.insert(metadata.workspace_root.join("Cargo.toml"));
            let linked = package
                .dependencies
                .iter()
                .filter(|dependency| !dependency.is_for_tests());
            inputs.add(linked.filter_map(|dependency| dependency.path.clone()));
        }
        if !is_complete {
            inputs.add(before.folders);
            inputs.manifests.extend(before.manifests);
        }
        inputs
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
        let metadata = json!({ "workspace_root": root, "target_directory": "/target", "packages": packages });
        serde_json::from_value(metadata).expect("it has cargo's format")
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
    fn path_dependencies_are_inputs_once_at_any_distance_but_not_those_of_tests() {
        let mut asked = Vec::new();
        let before = BuildInputs {
            folders: paths(&["/w/demo", "/left"]),
            ..BuildInputs::default()
        };
        let inputs = BuildInputs::found(Path::new("/w/demo"), before, &mut |folder| {
            asked.push(folder.to_owned());
            Some(if folder.starts_with("/w") {
                workspace()
            } else {
                crates("/sdk", &[("/sdk", &[])])
            })
        });
        assert_eq!(
            inputs.folders,
            paths::<Vec<_>>(&["/w/demo", "/w/words", "/sdk", "/w/table"])
        );
        assert_eq!(inputs.manifests, paths(&["/w/Cargo.toml", "/sdk/Cargo.toml"]));
        assert_eq!(
            asked,
            paths::<Vec<_>>(&["/w/demo", "/sdk"]),
            "a workspace is described once"
        );
    }

    #[test]
    fn while_cargo_cannot_read_a_manifest_the_inputs_before_are_kept() {
        let before = BuildInputs::found(Path::new("/w/demo"), BuildInputs::default(), &mut |_| Some(workspace()));
        let broken = BuildInputs::found(Path::new("/w/demo"), before.clone(), &mut |_| None);
        assert_eq!(broken, before);
    }
}
