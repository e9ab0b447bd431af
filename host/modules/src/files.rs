//! The `.wasm` files of `plugin_dir`, compiled: the latest content of each, the last good one, and why the latest was refused. Knows files
//! and modules, not plugins.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{fs, io};

use lockgate_config::model::SigningKey;
use lockgate_sandbox::{Engine, Module};

use crate::compilation::{Compilation, Compiled, CompiledModule, Fingerprint, Refused};
use crate::signature::{self, SignatureState};

/// The reason while a new file is being written.
const BEING_WRITTEN: &str = "the file is still being written; it is loaded once it is complete";

/// A module file.
#[derive(Default)]
pub struct ModuleFile {
    fingerprint: Option<Fingerprint>,
    /// The content of the file; none if it is invalid, or not compiled yet.
    pub latest: Option<CompiledModule>,
    /// The content that plugins last started with.
    pub last_good: Option<CompiledModule>,
    /// Why the latest content is not used.
    pub error: Option<String>,
    /// The file was removed. A module in use stays loaded.
    pub removed: bool,
}

/// All module files, by name.
pub struct Modules {
    engine: Engine,
    files: BTreeMap<String, ModuleFile>,
    /// The files of the folder at the last scan, compiled or not.
    present: BTreeMap<String, PathBuf>,
    /// Names of those that were neither wanted nor being written, and may have changed.
    settled: Vec<String>,
    refused: u64,
    keys: Vec<SigningKey>,
    /// Unsigned modules are refused before they are compiled.
    only_signed: bool,
}

impl Modules {
    /// No modules.
    pub fn new(engine: Engine) -> Self {
        Self {
            engine,
            files: BTreeMap::new(),
            present: BTreeMap::new(),
            settled: Vec::new(),
            refused: 0,
            keys: Vec::new(),
            only_signed: false,
        }
    }

    /// Sets the keys that signatures are verified with. After a change, every file is verified again.
    pub fn set_signing_keys(&mut self, keys: &[SigningKey], only_signed: bool) {
        if self.keys != keys || self.only_signed != only_signed {
            self.keys = keys.to_vec();
            self.only_signed = only_signed;
            self.files.values_mut().for_each(|file| file.fingerprint = None);
        }
    }

    /// The engine that compiles them.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Lists the folder, and compiles the changed ones of the modules in `wanted`. Blocks while it compiles. The other modules are left to
    /// [`Modules::next_rest`]. A file that `is_being_written` keeps its last content.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn scan(
        &mut self,
        folder: &Path,
        wanted: &BTreeSet<&str>,
        is_being_written: &dyn Fn(&Path) -> bool,
    ) -> io::Result<()> {
        self.present = present(folder)?;
        let files = std::mem::take(&mut self.present);
        self.settled.clear();
        for (name, path) in &files {
            let file = self.files.entry(name.clone()).or_default();
            // After a change of keys, a known content is verified again, whatever happens to the file.
            let can_wait = file.fingerprint.is_some() || file.latest.is_none();
            if can_wait && (is_being_written(path) || is_being_written(&signature::path_of(path))) {
                if file.fingerprint.is_none() {
                    file.error = Some(BEING_WRITTEN.to_owned());
                }
            } else if wanted.contains(&**name) {
                self.refresh(name, path);
            } else {
                self.settled.push(name.clone());
            }
        }
        self.present = files;
        for (name, file) in &mut self.files {
            if !self.present.contains_key(name) && !file.removed {
                file.removed = true;
                file.fingerprint = None;
                tracing::warn!(module = %name, "module file removed; its plugins keep the loaded module until the next start");
            }
        }
        Ok(())
    }

    /// The next changed module of the last scan that was not wanted; none when all are compiled. It is compiled apart from this, so that it
    /// delays nothing, and goes to [`Modules::adopt`].
    pub fn next_rest(&mut self) -> Option<Compilation> {
        while let Some(name) = self.settled.pop() {
            let path = self.present.get(&name).cloned();
            if let Some(compilation) = path.and_then(|path| self.compilation(&name, &path)) {
                return Some(compilation);
            }
        }
        None
    }

    /// Compiles the file at `path` as the module `name`, unless it is unchanged. The file may have any name.
    pub fn add(&mut self, name: &str, path: &Path) {
        self.refresh(name, path);
    }

    /// The file of the module `name`.
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

    /// Every module with its name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &ModuleFile)> {
        self.files.iter().map(|(name, file)| (name.as_str(), file))
    }

    /// Number of refused contents so far.
    pub fn refused_count(&self) -> u64 {
        self.refused
    }

    /// Refuses the latest content of a file, because a plugin cannot run with it.
    pub fn refuse(&mut self, name: &str, reason: String) {
        self.refused += 1;
        if let Some(file) = self.files.get_mut(name) {
            file.error = Some(reason);
        }
    }

    /// Makes `module` the last good content: plugins have started with it.
    pub fn set_last_good(&mut self, name: &str, module: &Module) {
        let Some(file) = self.files.get_mut(name) else { return };
        let known = [&file.latest, &file.last_good].into_iter().flatten();
        let same = known
            .filter(|known| known.module.sha256() == module.sha256())
            .max_by_key(|known| known.signature);
        file.last_good = Some(same.cloned().unwrap_or_else(|| CompiledModule {
            module: module.clone(),
            signature: SignatureState::Unsigned,
        }));
    }

    fn refresh(&mut self, name: &str, path: &Path) {
        if let Some(compilation) = self.compilation(name, path) {
            self.adopt(compilation.run());
        }
    }

    /// The compilation of a file; none if it is unchanged.
    fn compilation(&self, name: &str, path: &Path) -> Option<Compilation> {
        let fingerprint = Fingerprint::of(path, !self.keys.is_empty());
        let known = self.files.get(name).and_then(|file| file.fingerprint);
        if known.is_some() && fingerprint.as_ref().ok() == known.as_ref() {
            return None;
        }
        Some(Compilation {
            name: name.to_owned(),
            path: path.to_owned(),
            fingerprint,
            engine: self.engine.clone(),
            keys: self.keys.clone(),
            only_signed: self.only_signed,
        })
    }

    /// Takes the result of a compilation. One that was made with other keys, or whose file has been compiled meanwhile, is discarded.
    pub fn adopt(&mut self, compiled: Compiled) {
        let Compiled { of, result } = compiled;
        let fingerprint = of.fingerprint.ok();
        let file = self.files.entry(of.name.clone()).or_default();
        let is_known = file.fingerprint.is_some() && file.fingerprint == fingerprint;
        if is_known || of.keys != self.keys || of.only_signed != self.only_signed {
            return;
        }
        file.removed = false;
        match result {
            Ok(compiled) => {
                file.fingerprint = fingerprint;
                file.error = None;
                let known = file
                    .latest
                    .as_ref()
                    .is_some_and(|before| before.module.sha256() == compiled.module.sha256());
                if !known {
                    log_compiled(&of.name, &compiled.module);
                }
                file.latest = Some(compiled);
            }
            Err(Refused { reason, may_pass }) => {
                // What the system refuses now it may grant later, without a change of the file.
                file.fingerprint = fingerprint.filter(|_| !may_pass);
                if !may_pass || file.error.as_ref() != Some(&reason) {
                    tracing::error!(module = of.name, file = %of.path.display(), "module refused: {reason}");
                    self.refused += 1;
                }
                file.error = Some(reason);
                file.latest = None;
            }
        }
    }
}

/// Logs a new module with its manifest.
fn log_compiled(name: &str, module: &Module) {
    let manifest = module.manifest();
    let version = manifest.and_then(|manifest| manifest.version.as_deref());
    tracing::info!(
        module = name,
        version,
        sha256 = module.sha256(),
        bytes = module.size(),
        "module compiled"
    );
    if !module.absent_functions().is_empty() {
        tracing::warn!(
            module = name,
            "the module names foreign functions of Envoy that this gateway does not have: {}; calls of them return NOT_FOUND",
            module.absent_functions().join(", ")
        );
    }
    if let Some(error) = module.manifest_error() {
        tracing::warn!(
            module = name,
            "manifest ignored, the section {} is invalid: {error}",
            lockgate_sandbox::manifest::SECTION
        );
    }
}

/// The module files of a folder, by module name.
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

/// The module name of a file: the part before `.wasm`. None for hidden and other files.
pub fn module_name(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let stem = name.strip_suffix(".wasm")?;
    (!stem.is_empty() && !stem.starts_with('.')).then(|| stem.to_owned())
}
