//! What there is to know of a module's file without running it, for the command line.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use lockgate_sandbox::manifest::Manifest;
use lockgate_sandbox::{Engine, EngineError, EngineSettings, LoadError};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::files::{MAX_BYTES, module_name};

/// Why a module's file cannot be looked into.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// It cannot be read.
    #[error("{}: {source}", .file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It holds no module that could be loaded.
    #[error("{}: {source}", .file.display())]
    Module {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        source: LoadError,
    },
    /// This machine cannot run WebAssembly.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// A module, looked into.
#[derive(Debug, Clone, Serialize)]
pub struct Inspection {
    /// The file.
    pub file: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its SHA-256 in hex, as the plugin setting `sha256` wants it.
    pub sha256: String,
    /// The edition of the proxy-wasm ABI that it speaks.
    pub abi: String,
    /// Linear memory that it starts with, in bytes.
    pub initial_memory: u64,
    /// The callbacks that it exports.
    pub callbacks: Vec<String>,
    /// What it imports, as `module.name`.
    pub imports: Vec<String>,
    /// What it says about itself; none if it says nothing that can be read.
    pub manifest: Option<ManifestReport>,
    /// Why what it says about itself cannot be used.
    pub manifest_error: Option<String>,
}

/// What a module says about itself.
#[derive(Debug, Clone, Serialize)]
pub struct ManifestReport {
    /// Its name.
    pub name: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// What it does.
    pub description: Option<String>,
    /// The hooks that it has, by the names of its SDK.
    pub hooks: Vec<String>,
    /// What it needs, in the shape of the plugin setting `capabilities`.
    pub capabilities: Map<String, Value>,
    /// The JSON Schema of its configuration.
    pub config_schema: Option<Value>,
}

/// Looks into a module's file. Compiles it, and runs nothing of it.
///
/// # Errors
/// [`InspectError`]
pub fn inspect(file: &Path) -> Result<Inspection, InspectError> {
    let bytes = read(file).map_err(|source| InspectError::Unreadable {
        file: file.to_owned(),
        source,
    })?;
    let engine = Engine::new(EngineSettings::default())?;
    let module = engine.compile(&bytes).map_err(|source| InspectError::Module {
        file: file.to_owned(),
        source,
    })?;
    let is_callback = |name: &String| name.starts_with("proxy_on_") && name != "proxy_on_memory_allocate";
    Ok(Inspection {
        file: file.to_owned(),
        bytes: module.size(),
        sha256: module.sha256().to_owned(),
        abi: module.abi().to_string(),
        initial_memory: module.initial_memory(),
        callbacks: module.exports().into_iter().filter(is_callback).collect(),
        imports: module.imports(),
        manifest: module.manifest().cloned().map(ManifestReport::from),
        manifest_error: module.manifest_error().map(ToString::to_string),
    })
}

impl From<Manifest> for ManifestReport {
    fn from(manifest: Manifest) -> Self {
        Self {
            name: manifest.name,
            version: manifest.version,
            description: manifest.description,
            hooks: manifest.hooks,
            capabilities: manifest.capabilities,
            config_schema: manifest.config_schema,
        }
    }
}

/// The schemas of the modules' configurations in a plugin folder, by the modules' names. Nothing is compiled; files that are
/// no modules, and modules that say nothing, are left out.
///
/// # Errors
/// The folder cannot be read.
pub fn schemas(folder: &Path) -> io::Result<BTreeMap<String, Value>> {
    let mut schemas = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let Some(name) = module_name(&path) else { continue };
        let manifest = read(&path)
            .ok()
            .and_then(|bytes| Manifest::of_module(&bytes).ok().flatten());
        if let Some(schema) = manifest.and_then(|manifest| manifest.config_schema) {
            schemas.insert(name, schema);
        }
    }
    Ok(schemas)
}

fn read(file: &Path) -> io::Result<Vec<u8>> {
    let bytes = fs::metadata(file)?.len();
    if bytes > MAX_BYTES {
        let message = format!("the file has {bytes} bytes, more than the maximum of {MAX_BYTES}");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    fs::read(file)
}
