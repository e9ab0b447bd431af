//! Puts the SDK's sources into the binary, so that `lockgate new plugin` needs no clone: a list of paths and contents, its
//! manifests freed from the workspace that they stand in here. And the version with the commit, for `lockgate --version`.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

fn main() {
    let cli = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo says where the crate is"));
    let root = cli.join("../..");
    let workspace = fs::read_to_string(root.join("Cargo.toml")).expect("the workspace has a manifest");
    let mut files = Vec::new();
    for part in ["sdk/src", "sdk/macros/src"] {
        collect(&root.join(part), &mut files);
    }
    files.sort();
    let mut list = String::from("pub(super) const SDK: &[(&str, &str)] = &[\n");
    for manifest in ["sdk/Cargo.toml", "sdk/macros/Cargo.toml"] {
        let path = root.join(manifest);
        println!("cargo::rerun-if-changed={}", path.display());
        let text = fs::read_to_string(&path).expect("the SDK has a manifest");
        let name = manifest.strip_prefix("sdk/").expect("it begins so");
        writeln!(list, "    ({name:?}, {:?}),", freed(&text, &workspace)).expect("a string takes all");
    }
    for file in files {
        let name = file.strip_prefix(root.join("sdk")).expect("it lies there");
        let file = file.canonicalize().expect("it was just listed");
        writeln!(list, "    ({:?}, include_str!({file:?})),", name.display().to_string()).expect("a string takes all");
    }
    list.push_str("];\n");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo says where to write"));
    fs::write(out.join("sdk.rs"), list).expect("cargo's folder is writable");
    println!("cargo::rerun-if-changed={}", root.join("Cargo.toml").display());
    println!("cargo::rustc-env=LOCKGATE_VERSION={}", version(&root));
}

/// `0.1.0 (0123456789ab)`; without the commit where the sources are in no clone. Who builds such sources can name it in LOCKGATE_COMMIT.
fn version(root: &Path) -> String {
    println!("cargo::rerun-if-env-changed=LOCKGATE_COMMIT");
    let git = |arguments: &[&str]| {
        let output = Command::new("git").arg("-C").arg(root).args(arguments).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        (output.status.success() && !text.trim().is_empty()).then(|| text.trim().to_owned())
    };
    // Each commit and each change of branch is a line there. A path that there is not would have this run at every build.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]).map(|path| root.join(path))
        && log.exists()
    {
        println!("cargo::rerun-if-changed={}", log.display());
    }
    let commit = env::var("LOCKGATE_COMMIT").ok().filter(|commit| !commit.is_empty());
    let version = env::var("CARGO_PKG_VERSION").expect("cargo says which version the crate has");
    match commit.or_else(|| git(&["rev-parse", "--short=12", "HEAD"])) {
        Some(commit) => format!("{version} ({commit})"),
        None => version,
    }
}

fn collect(folder: &Path, out: &mut Vec<PathBuf>) {
    println!("cargo::rerun-if-changed={}", folder.display());
    for entry in fs::read_dir(folder).expect("the SDK's sources are there") {
        let path = entry.expect("a folder that was opened can be listed").path();
        if path.is_dir() {
            collect(&path, out);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            out.push(path);
        }
    }
}

/// The manifest with what it takes from the workspace put in; without what only the workspace's own tests and lints need.
fn freed(manifest: &str, workspace: &str) -> String {
    let given = |section: &str, name: &str| {
        let mut inside = false;
        workspace.lines().find_map(|line| {
            if line.starts_with('[') {
                inside = line == section;
            }
            let (key, value) = line.split_once('=')?;
            (inside && key.trim() == name).then(|| value.trim().to_owned())
        })
    };
    let mut out = String::new();
    let mut section = "";
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        }
        if section == "[dev-dependencies]" || section.starts_with("[lints") {
            continue;
        }
        match line.split_once(".workspace = true") {
            None => out.push_str(line),
            Some((name, _)) => {
                let source = match section {
                    "[package]" => "[workspace.package]",
                    _ => "[workspace.dependencies]",
                };
                let value = given(source, name).unwrap_or_else(|| panic!("the workspace says nothing of {name}"));
                // The macros lie inside of the SDK, there as here.
                out.push_str(&format!("{name} = {}", value.replace("\"sdk/", "\"")));
            }
        }
        out.push('\n');
    }
    out
}
