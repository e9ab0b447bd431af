//! The `.wasm` files of `plugin_dir`, compiled: what each file holds now, what served before, and why a new one was
//! not taken. Knows files and modules; what a plugin makes of a module is `load`'s matter.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::time::SystemTime;

use lockgate_sandbox::{Engine, Module};

/// Larger files are not read: nothing of that size is a plugin.
pub(crate) const MAX_BYTES: u64 = 256 * 1024 * 1024;

/// What tells one state of a file from the next without reading it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    bytes: u64,
    inode: u64,
}

/// One module's file.
#[derive(Default)]
pub(crate) struct ModuleFile {
    stamp: Option<Stamp>,
    /// What the file holds, compiled.
    pub(crate) newest: Option<Module>,
    /// What served last, while that is another.
    pub(crate) proven: Option<Module>,
    /// Why the file's content is not used.
    pub(crate) error: Option<String>,
    /// The file is gone; a module that is in use lives on.
    pub(crate) removed: bool,
}

/// All modules by name.
pub(crate) struct Modules {
    engine: Engine,
    files: BTreeMap<String, ModuleFile>,
    refusals: u64,
}

impl Modules {
    /// No modules yet.
    pub(crate) fn new(engine: Engine) -> Self {
        Self {
            engine,
            files: BTreeMap::new(),
            refusals: 0,
        }
    }

    /// What compiles them.
    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Looks at every file again and compiles what has changed. Blocks for as long as compiling takes.
    pub(crate) fn scan(&mut self, folder: &Path) -> io::Result<()> {
        let mut seen = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if let Some(name) = module_name(&path) {
                self.look(&name, &path);
                seen.push(name);
            }
        }
        for (name, file) in &mut self.files {
            if !seen.contains(name) && !file.removed {
                file.removed = true;
                file.stamp = None;
                tracing::warn!(module = %name, "module file removed; plugins that use it keep serving");
            }
        }
        Ok(())
    }

    /// Looks at the file at `path`, as the module called `name`; whatever the file is called.
    pub(crate) fn add(&mut self, name: &str, path: &Path) {
        self.look(name, path);
    }

    /// The module called `name`.
    pub(crate) fn get(&self, name: &str) -> Option<&ModuleFile> {
        self.files.get(name)
    }

    /// Names of all files, in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.files
            .iter()
            .filter(|(_, file)| !file.removed)
            .map(|(name, _)| name.as_str())
    }

    /// Every module.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &ModuleFile)> {
        self.files.iter().map(|(name, file)| (name.as_str(), file))
    }

    /// How often a file's content was not taken so far.
    pub(crate) fn refusals(&self) -> u64 {
        self.refusals
    }

    /// A plugin could not work with what the file holds now.
    pub(crate) fn reject(&mut self, name: &str, reason: String) {
        self.refusals += 1;
        if let Some(file) = self.files.get_mut(name) {
            file.error = Some(reason);
        }
    }

    /// Plugins that serve from now on use `module`.
    pub(crate) fn prove(&mut self, name: &str, module: &Module) {
        if let Some(file) = self.files.get_mut(name) {
            file.proven = Some(module.clone());
        }
    }

    fn look(&mut self, name: &str, path: &Path) {
        let file = self.files.entry(name.to_owned()).or_default();
        let stamp = stamp(path);
        if file.stamp.is_some() && stamp.as_ref().ok() == file.stamp.as_ref() {
            return;
        }
        file.removed = false;
        file.stamp = stamp.as_ref().ok().copied();
        let compiled =
            read(path, &stamp).and_then(|bytes| self.engine.compile(&bytes).map_err(|error| error.to_string()));
        match compiled {
            Ok(module) => {
                file.error = None;
                let known = file
                    .newest
                    .as_ref()
                    .is_some_and(|before| before.sha256() == module.sha256());
                if !known {
                    tell(name, &module);
                }
                file.newest = Some(module);
            }
            Err(error) => {
                tracing::error!(module = name, file = %path.display(), "module not taken: {error}");
                self.refusals += 1;
                file.error = Some(error);
                file.newest = None;
            }
        }
    }
}

/// A module that was compiled, and what it says about itself.
fn tell(name: &str, module: &Module) {
    let manifest = module.manifest();
    let version = manifest.and_then(|manifest| manifest.version.as_deref());
    tracing::info!(
        module = name,
        version,
        sha256 = module.sha256(),
        bytes = module.size(),
        "module compiled"
    );
    if let Some(error) = module.manifest_error() {
        tracing::warn!(
            module = name,
            "its section {} is left aside: {error}",
            lockgate_sandbox::manifest::SECTION
        );
    }
}

/// The module that a file holds, by its name: what stands before `.wasm`, unless it is hidden.
pub(crate) fn module_name(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let stem = name.strip_suffix(".wasm")?;
    (!stem.is_empty() && !stem.starts_with('.')).then(|| stem.to_owned())
}

fn stamp(path: &Path) -> io::Result<Stamp> {
    use std::os::unix::fs::MetadataExt;
    let meta = fs::metadata(path)?;
    Ok(Stamp {
        modified: meta.modified().ok(),
        bytes: meta.len(),
        inode: meta.ino(),
    })
}

fn read(path: &Path, stamp: &io::Result<Stamp>) -> Result<Vec<u8>, String> {
    let stamp = stamp
        .as_ref()
        .map_err(|error| format!("the file cannot be read: {error}"))?;
    if stamp.bytes > MAX_BYTES {
        return Err(format!(
            "the file has {} bytes, and {MAX_BYTES} is the most",
            stamp.bytes
        ));
    }
    fs::read(path).map_err(|error| format!("the file cannot be read: {error}"))
}
