//! The toolchain for building plugins: rustup's target, or Debian's packages.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The target that plugins are built for.
pub(crate) const TARGET: &str = "wasm32-wasip1";

/// Debian's rustc, and the C library of its packages for the target.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_LIBC: &str = "/usr/lib/wasm32-wasi";

/// Whether rustc has a standard library for the target. True if rustc cannot be run.
pub(crate) fn has_target(folder: &Path) -> bool {
    let Some(sysroot) = sysroot("rustc", folder) else {
        return true;
    };
    sysroot.join("lib/rustlib").join(TARGET).is_dir()
}

/// The build command for the plugin in `folder`: `cargo build --release --target wasm32-wasip1`. If rustc lacks the target and Debian's
/// packages are installed, the command uses them, as described in a new plugin's README.
pub(crate) fn build(folder: &Path) -> Command {
    let mut cargo = Command::new("cargo");
    cargo
        .current_dir(folder)
        .args(["build", "--release", "--target", TARGET]);
    if !has_target(folder) && has_debian(folder) {
        cargo
            .env("RUSTC", DEBIAN_RUSTC)
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_TARGET_WASM32_WASIP1_LINKER", "wasm-ld")
            .env(
                "CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS",
                format!("-L native={DEBIAN_LIBC}"),
            )
            .arg("-Zbuild-std=std,panic_abort");
    }
    cargo
}

fn has_debian(folder: &Path) -> bool {
    let sources = sysroot(DEBIAN_RUSTC, folder).map(|sysroot| sysroot.join("lib/rustlib/src/rust/library/std"));
    sources.is_some_and(|sources| sources.is_dir()) && Path::new(DEBIAN_LIBC).join("libc.a").is_file()
}

fn sysroot(rustc: &str, folder: &Path) -> Option<PathBuf> {
    let mut command = Command::new(rustc);
    let output = command.current_dir(folder).args(["--print", "sysroot"]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(PathBuf::from(text.trim())).filter(|path| path.is_absolute())
}
