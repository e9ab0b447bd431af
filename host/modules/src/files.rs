//! The `.wasm` files of `plugin_dir`, compiled: what each file holds now, what served before, and why a new one was
//! not taken. Knows files and modules; what a plugin makes of a module is `load`'s matter.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use std::{fs, io};

use lockgate_config::model::SigningKey;
use lockgate_sandbox::{Engine, Module};

use crate::signature::{self, Signed};

/// Larger files are not read: nothing of that size is a plugin.
pub const MAX_BYTES: u64 = 256 * 1024 * 1024;

/// What tells one state of a module's file, and of the signature beside it, from the next without reading them.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamps {
    module: Stamp,
    signature: Option<Stamp>,
}

/// The same of one file.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    bytes: u64,
    inode: u64,
}

/// What a file holds, or held.
#[derive(Clone)]
pub struct Candidate {
    /// Compiled.
    pub module: Module,
    /// Who has signed the bytes that were compiled.
    pub signed: Signed,
}

/// One module's file.
#[derive(Default)]
pub struct ModuleFile {
    stamps: Option<Stamps>,
    /// What the file holds.
    pub newest: Option<Candidate>,
    /// What served last, while that is another.
    pub proven: Option<Candidate>,
    /// Why the file's content is not used.
    pub error: Option<String>,
    /// The file is gone; a module that is in use lives on.
    pub removed: bool,
}

/// All modules by name.
pub struct Modules {
    engine: Engine,
    files: BTreeMap<String, ModuleFile>,
    /// What the folder held at the last look, read or not.
    present: BTreeMap<String, PathBuf>,
    refusals: u64,
    keys: Vec<SigningKey>,
    /// What none of the keys has signed is not even compiled.
    only_signed: bool,
}

impl Modules {
    /// No modules yet.
    pub fn new(engine: Engine) -> Self {
        Self {
            engine,
            files: BTreeMap::new(),
            present: BTreeMap::new(),
            refusals: 0,
            keys: Vec::new(),
            only_signed: false,
        }
    }

    /// From now on signatures are looked for that these keys have made. If they are others than before, so is what every file
    /// may be signed with.
    pub fn trust(&mut self, keys: &[SigningKey], only_signed: bool) {
        if self.keys != keys || self.only_signed != only_signed {
            self.keys = keys.to_vec();
            self.only_signed = only_signed;
            self.files.values_mut().for_each(|file| file.stamps = None);
        }
    }

    /// What compiles them.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Sees what the folder holds, and compiles what has changed of the modules that are `wanted`. Blocks for as long as compiling takes.
    /// What else is there waits for [`Modules::scan_rest`].
    pub fn scan(&mut self, folder: &Path, wanted: &BTreeSet<&str>) -> io::Result<()> {
        self.present = present(folder)?;
        self.look_at(|name| wanted.contains(name));
        for (name, file) in &mut self.files {
            if !self.present.contains_key(name) && !file.removed {
                file.removed = true;
                file.stamps = None;
                tracing::warn!(module = %name, "module file removed; plugins keep using the loaded module");
            }
        }
        Ok(())
    }

    /// Compiles what has changed of all that the last scan saw.
    pub fn scan_rest(&mut self) {
        self.look_at(|_| true);
    }

    fn look_at(&mut self, is_wanted: impl Fn(&str) -> bool) {
        let files = std::mem::take(&mut self.present);
        for (name, path) in files.iter().filter(|(name, _)| is_wanted(name)) {
            self.look(name, path);
        }
        self.present = files;
    }

    /// Looks at the file at `path`, as the module called `name`; whatever the file is called.
    pub fn add(&mut self, name: &str, path: &Path) {
        self.look(name, path);
    }

    /// The module called `name`.
    pub fn get(&self, name: &str) -> Option<&ModuleFile> {
        self.files.get(name)
    }

    /// Names of all files, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let added = self
            .files
            .iter()
            .filter(|(_, file)| !file.removed)
            .map(|(name, _)| name);
        let names: BTreeSet<&String> = self.present.keys().chain(added).collect();
        names.into_iter().map(String::as_str)
    }

    /// Every module.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &ModuleFile)> {
        self.files.iter().map(|(name, file)| (name.as_str(), file))
    }

    /// How often a file's content was not taken so far.
    pub fn refusals(&self) -> u64 {
        self.refusals
    }

    /// A plugin could not work with what the file holds now.
    pub fn reject(&mut self, name: &str, reason: String) {
        self.refusals += 1;
        if let Some(file) = self.files.get_mut(name) {
            file.error = Some(reason);
        }
    }

    /// Plugins that serve from now on use `module`.
    pub fn prove(&mut self, name: &str, module: &Module) {
        let Some(file) = self.files.get_mut(name) else { return };
        let known = [&file.newest, &file.proven].into_iter().flatten();
        let same = known
            .filter(|known| known.module.sha256() == module.sha256())
            .max_by_key(|known| known.signed);
        file.proven = Some(same.cloned().unwrap_or_else(|| Candidate {
            module: module.clone(),
            signed: Signed::Not,
        }));
    }

    fn look(&mut self, name: &str, path: &Path) {
        let file = self.files.entry(name.to_owned()).or_default();
        let stamps = stamps(path, !self.keys.is_empty());
        if file.stamps.is_some() && stamps.as_ref().ok() == file.stamps.as_ref() {
            return;
        }
        file.removed = false;
        file.stamps = stamps.as_ref().ok().copied();
        let compiled = read(path, &stamps).and_then(|bytes| {
            let signed = signature::verify(path, &bytes, &self.keys)
                .map_err(|error| format!("its signature cannot be read: {error}"))?;
            if self.only_signed {
                signed.check(&self.keys)?;
            }
            let module = self.engine.compile(&bytes).map_err(|error| error.to_string())?;
            Ok(Candidate { module, signed })
        });
        match compiled {
            Ok(candidate) => {
                file.error = None;
                let known = file
                    .newest
                    .as_ref()
                    .is_some_and(|before| before.module.sha256() == candidate.module.sha256());
                if !known {
                    tell(name, &candidate.module);
                }
                file.newest = Some(candidate);
            }
            Err(error) => {
                tracing::error!(module = name, file = %path.display(), "module refused: {error}");
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
            "its section {} is ignored: {error}",
            lockgate_sandbox::manifest::SECTION
        );
    }
}

/// The modules in a folder, by name.
fn present(folder: &Path) -> io::Result<BTreeMap<String, PathBuf>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if let Some(name) = module_name(&path) {
            found.insert(name, path);
        }
    }
    Ok(found)
}

/// The module that a file holds, by its name: what stands before `.wasm`, unless it is hidden.
pub fn module_name(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let stem = name.strip_suffix(".wasm")?;
    (!stem.is_empty() && !stem.starts_with('.')).then(|| stem.to_owned())
}

fn stamps(module: &Path, with_signature: bool) -> io::Result<Stamps> {
    Ok(Stamps {
        module: stamp(module)?,
        signature: with_signature.then(|| stamp(&signature::place(module)).ok()).flatten(),
    })
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

fn read(path: &Path, stamps: &io::Result<Stamps>) -> Result<Vec<u8>, String> {
    let stamps = stamps
        .as_ref()
        .map_err(|error| format!("the file cannot be read: {error}"))?;
    let bytes = stamps.module.bytes;
    if bytes > MAX_BYTES {
        return Err(format!(
            "the file has {bytes} bytes, more than the maximum of {MAX_BYTES}"
        ));
    }
    fs::read(path).map_err(|error| format!("the file cannot be read: {error}"))
}
