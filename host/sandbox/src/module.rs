//! A compiled module: its code, exports and manifest. All plugins of the same file share it.

mod inspect;
mod instrument;
pub mod manifest;

use std::sync::Arc;

use lockgate_abi::AbiVersion;

use self::inspect::ModuleInfo;
use self::manifest::{Manifest, ManifestError};

pub use self::inspect::Hooks;
pub(crate) use self::inspect::inspect;
pub(crate) use self::instrument::{EDITION, ImageExports, instrument};

/// A compiled `.wasm` file. Cheap to clone.
#[derive(Clone)]
pub struct Module(Arc<Inner>);

struct Inner {
    code: wasmtime::Module,
    sha256: String,
    size: u64,
    inspected: ModuleInfo,
    image: ImageExports,
    manifest: Result<Option<Manifest>, ManifestError>,
    absent_functions: Vec<&'static str>,
}

impl Module {
    pub(crate) fn new(code: wasmtime::Module, sha256: String, bytes: &[u8], mut inspected: ModuleInfo) -> Self {
        let manifest = Manifest::of_module(bytes);
        if matches!(&manifest, Ok(Some(manifest)) if manifest.stateless) {
            inspected.hooks.delete = false;
        }
        Self(Arc::new(Inner {
            image: ImageExports::of(&code),
            code,
            sha256,
            size: bytes.len() as u64,
            inspected,
            manifest,
            absent_functions: absent_functions(bytes),
        }))
    }

    /// Its manifest, if it has a usable one.
    #[must_use]
    pub fn manifest(&self) -> Option<&Manifest> {
        self.0.manifest.as_ref().ok().and_then(Option::as_ref)
    }

    /// Why its manifest cannot be used.
    #[must_use]
    pub fn manifest_error(&self) -> Option<&ManifestError> {
        self.0.manifest.as_ref().err()
    }

    /// Its imports, as `module.name`, in the order of the file.
    #[must_use]
    pub fn imports(&self) -> Vec<String> {
        let name = |import: wasmtime::ImportType<'_>| format!("{}.{}", import.module(), import.name());
        self.0.code.imports().map(name).collect()
    }

    /// The names of its exports, in the order of the file.
    #[must_use]
    pub fn exports(&self) -> Vec<String> {
        let names = self.0.code.exports().map(|export| export.name());
        names
            .filter(|name| !instrument::is_reserved(name))
            .map(str::to_owned)
            .collect()
    }

    /// Envoy's foreign functions that it seems to call and that no host but Envoy has. Such a call returns NOT_FOUND.
    #[must_use]
    pub fn absent_functions(&self) -> &[&'static str] {
        &self.0.absent_functions
    }

    /// The SHA-256 of the `.wasm` file, in lower-case hex.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.0.sha256
    }

    /// The size of the `.wasm` file, in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.0.size
    }

    /// The newest ABI version that it exports.
    #[must_use]
    pub fn abi(&self) -> AbiVersion {
        self.0.inspected.abi
    }

    /// The callbacks that it exports.
    #[must_use]
    pub fn hooks(&self) -> Hooks {
        self.0.inspected.hooks
    }

    /// Linear memory of a new instance, in bytes.
    #[must_use]
    pub fn initial_memory(&self) -> u64 {
        self.0.inspected.initial_memory
    }

    pub(crate) fn image_exports(&self) -> &ImageExports {
        &self.0.image
    }

    pub(crate) fn code(&self) -> &wasmtime::Module {
        &self.0.code
    }
}

/// Foreign functions are called by name, and the names are text in the module's data.
fn absent_functions(bytes: &[u8]) -> Vec<&'static str> {
    /// Envoy's expressions, which refer to what only Envoy has.
    const ABSENT: [&str; 3] = ["expr_create", "expr_evaluate", "expr_delete"];
    let contains = |name: &&str| bytes.windows(name.len()).any(|window| window == name.as_bytes());
    // One search for most modules, which have none of them.
    if !contains(&"expr_") {
        return Vec::new();
    }
    ABSENT.into_iter().filter(contains).collect()
}

impl std::fmt::Debug for Module {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Module")
            .field("sha256", &self.sha256())
            .field("abi", &self.abi())
            .finish_non_exhaustive()
    }
}
