//! The WebAssembly engine of the process: the folder of its compile cache, and the address space of its VMs.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use lockgate_sandbox::{Engine, EngineError, EngineSettings};
use lockgate_units::Size;

/// Bytes that a VM may reserve.
const VM_ADDRESS_SPACE: RangeInclusive<u64> = (64 << 10)..=(4 << 30);

/// The engine, with a compile cache if there is a folder for it.
pub(crate) fn engine() -> Result<Engine, EngineError> {
    let vm_address_space = vm_address_space();
    let settings = |cache_dir| EngineSettings {
        cache_dir,
        vm_address_space,
    };
    let Some(folder) = cache_folder() else {
        return Engine::new(settings(None));
    };
    Engine::new(settings(Some(folder))).or_else(|error| {
        tracing::warn!("compile cache unavailable, modules are compiled at every start; LOCKGATE_CACHE_DIR sets its folder: {error}");
        Engine::new(settings(None))
    })
}

/// `$LOCKGATE_VM_ADDRESS_SPACE`, a size from 64KiB to 4GiB. Anything else is ignored with a warning.
fn vm_address_space() -> Option<u64> {
    let text = std::env::var("LOCKGATE_VM_ADDRESS_SPACE")
        .ok()
        .filter(|text| !text.is_empty())?;
    let size = text.parse::<Size>().ok().map(|Size(bytes)| bytes);
    let size = size.filter(|bytes| VM_ADDRESS_SPACE.contains(bytes));
    if size.is_none() {
        tracing::warn!("LOCKGATE_VM_ADDRESS_SPACE ignored: found \"{text}\", expected a size from 64KiB to 4GiB");
    }
    size
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
