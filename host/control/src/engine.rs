//! The WebAssembly engine of the process, and the folder of its compile cache.

use std::path::PathBuf;

use lockgate_sandbox::{Engine, EngineError, EngineSettings};

/// The engine, with a compile cache if there is a folder for it.
pub(crate) fn engine() -> Result<Engine, EngineError> {
    let Some(folder) = cache_folder() else {
        return Engine::new(EngineSettings { cache_dir: None });
    };
    Engine::new(EngineSettings {
        cache_dir: Some(folder),
    })
    .or_else(|error| {
        tracing::warn!("compile cache unavailable, modules are compiled at every start; LOCKGATE_CACHE_DIR sets its folder: {error}");
        Engine::new(EngineSettings { cache_dir: None })
    })
}

/// `$LOCKGATE_CACHE_DIR`, else `lockgate` in the user's cache folder. An empty variable switches the cache off.
fn cache_folder() -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    if let Some(folder) = variable("LOCKGATE_CACHE_DIR") {
        return Some(folder).filter(|folder| !folder.as_os_str().is_empty());
    }
    let caches = variable("XDG_CACHE_HOME").or_else(|| variable("HOME").map(|home| home.join(".cache")))?;
    caches.is_absolute().then(|| caches.join("lockgate"))
}
