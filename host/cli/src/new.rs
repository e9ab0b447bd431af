//! `lockgate new plugin NAME`: a plugin project that builds, tests and loads.

mod sdk;
mod surroundings;
mod template;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use self::surroundings::Surroundings;
use crate::arguments::{NewOptions, What};
use crate::command_status::CommandStatus;
use crate::output::print;
use crate::wasm::{TARGET, has_target};

/// Creates the folder, completely or not at all, and prints the next steps.
pub(crate) fn new(options: NewOptions) -> Result<CommandStatus> {
    let What::Plugin(plugin) = options.what;
    check_name(&plugin.name)?;
    let parent = Path::new(".");
    let folder = parent.join(&plugin.name);
    if folder.exists() {
        bail!(
            "{} exists already; nothing was changed. Choose another name",
            plugin.name
        );
    }
    // Created under another name, then renamed: a folder of this name is always complete.
    let temporary = parent.join(format!(".{}.new-{}", plugin.name, std::process::id()));
    let created = fill(&temporary, &plugin).and_then(|surroundings| {
        fs::rename(&temporary, &folder).context("the folder cannot be renamed into place")?;
        Ok(surroundings)
    });
    let surroundings = match created {
        Ok(surroundings) => surroundings,
        Err(error) => {
            let _ = fs::remove_dir_all(&temporary);
            return Err(error.context(format!("{} cannot be created", plugin.name)));
        }
    };
    let name = &plugin.name;
    print(format_args!(
        "{name}: a plugin. Next:\n\n  cd {name}\n  cargo build --release --target {TARGET}\n  lockgate test cases.json\n\n\
         README.md says more: native tests, serving, loading into a running gateway."
    ))?;
    if let Some(workspace) = surroundings.workspace {
        print(format_args!(
            "\nIt is a member of the workspace {}. Put this into its Cargo.toml, as profiles of members have no effect:\n\n{}",
            workspace.display(),
            template::PROFILE
        ))?;
    }
    if !has_target(&folder) {
        print(format_args!(
            "\nThis machine's rustc has no {TARGET} yet: rustup target add {TARGET}\n\
             (without rustup, by Debian's packages: see the end of README.md)"
        ))?;
    }
    Ok(CommandStatus::Success)
}

fn fill(folder: &Path, plugin: &crate::arguments::PluginOptions) -> Result<Surroundings> {
    fs::create_dir_all(folder.join("src"))?;
    let surroundings = Surroundings::of(folder, &plugin.name);
    let sdk = sdk::provide(folder, surroundings.workspace.as_deref())?;
    for (path, text) in template::files(plugin.kind, &plugin.name, &sdk, &surroundings) {
        fs::write(folder.join(path), text)?;
    }
    Ok(surroundings)
}

/// Keywords of Rust, and names of crates and folders in every plugin.
const RESERVED: &str = "abstract as async await become box break const continue core crate do dyn else enum extern false final fn \
    for gen if impl in let lockgate-sdk loop macro match mod move mut proc-macro pub ref return self serde \
    static std struct super target test trait true try type unsafe use where while yield";

/// Checks a plugin's name, which becomes the name of a crate, a module and a header.
fn check_name(name: &str) -> Result<()> {
    let is_shaped = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && !name.ends_with('-')
        && !name.contains("--")
        && name.len() <= 64;
    if !is_shaped {
        bail!(
            "\"{name}\" is not a plugin name: use lower-case letters, digits and single hyphens, a letter first, at most 64"
        );
    }
    if RESERVED.split(' ').any(|word| word == name) {
        bail!("\"{name}\" is reserved by Rust or cargo; choose another name");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_cargo_or_http_would_refuse_are_refused() {
        for good in ["demo", "block-by-header", "a1"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in [
            "", "Demo", "1a", "a_b", "../x", "a/b", "a--b", "a-", "-a", "fn", "serde", "test", "é",
        ] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
