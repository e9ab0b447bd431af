//! Inspection of a module file without running it, for the command line.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use lockgate_sandbox::manifest::Manifest;
use lockgate_sandbox::{Engine, EngineError, EngineSettings, LoadError};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::files::module_name;
use crate::module_bytes::read;

/// Why a module file cannot be inspected.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// The file cannot be read.
    #[error("{}: {source}", .file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The file is not a loadable module.
    #[error("{}: {source}", .file.display())]
    Module {
        /// The file.
        file: PathBuf,
        /// The mistake in it.
        source: LoadError,
    },
    /// This machine cannot run WebAssembly.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// An inspected module.
#[derive(Debug, Clone, Serialize)]
pub struct Inspection {
    /// The file.
    pub file: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its SHA-256 in hex, as in the plugin setting `sha256`.
    pub sha256: String,
    /// Its version of the proxy-wasm ABI.
    pub abi: String,
    /// Its initial linear memory, in bytes.
    pub initial_memory: u64,
    /// Its exported callbacks.
    pub callbacks: Vec<String>,
    /// Its imports, as `module.name`.
    pub imports: Vec<String>,
    /// Its manifest; none if it has no valid one.
    pub manifest: Option<ManifestReport>,
    /// Why its manifest is invalid.
    pub manifest_error: Option<String>,
}

/// The manifest of a module.
#[derive(Debug, Clone, Serialize)]
pub struct ManifestReport {
    /// Its name.
    pub name: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// Its description.
    pub description: Option<String>,
    /// Its hooks, by their SDK names.
    pub hooks: Vec<String>,
    /// The capabilities that it needs, in the form of the plugin setting `capabilities`.
    pub capabilities: Map<String, Value>,
    /// The JSON Schema of its configuration.
    pub config_schema: Option<Value>,
}

/// Inspects a module file. Compiles it, and runs nothing of it.
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

/// The configuration schemas of the modules in a folder, by module name. Nothing is compiled. Files that are not modules, and modules
/// without a schema, are left out.
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
