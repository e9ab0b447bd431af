//! The engine: compiles modules, caches them, and ends epochs.
//!
//! There is one per process. Compiling is slow and happens on control threads, never on a worker. No guest runs here.

mod cache;
pub(crate) mod epoch;
pub(crate) mod pool;
mod ticker;

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use sha2::{Digest, Sha256};
use wasmtime::{
    Config, Enabled, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, Strategy, WasmBacktraceDetails,
};

use self::cache::Cache;
use self::pool::{PoolShare, PoolUse};
use crate::module::{self, Module, inspect, instrument};
use crate::report::{EngineError, LoadError};

/// The magic number of WebAssembly modules.
const MAGIC: &[u8] = b"\0asm";

/// Settings of an engine.
#[derive(Clone, Debug, Default)]
pub struct EngineSettings {
    /// The folder of the compile cache. `None` disables it.
    pub cache_dir: Option<PathBuf>,
    /// Address space that each VM reserves for its memory, in bytes. `None`: 4 GiB and guard pages, with which guests' accesses need no
    /// bounds checks. Less is for processes whose address space is limited: accesses are checked then, and a VM of its own stream has at
    /// most so much memory.
    pub vm_address_space: Option<u64>,
}

/// Compiles modules. One per process; cheap to clone, shared by threads.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    on_demand: wasmtime::Engine,
    /// See [`EngineSettings`].
    vm_address_space: Option<u64>,
    /// For plugins with a VM per stream. It is created when the first of them is linked, because it reserves much address space.
    pooled: OnceLock<Result<wasmtime::Engine, String>>,
    /// How many instances of the pool are in use.
    pool_use: PoolUse,
    cache: Option<Cache>,
}

/// Maximum native stack of a guest. Worker threads have at least 2 MiB.
const MAX_WASM_STACK: usize = 512 * 1024;
/// Instances of the pool, over all workers.
const POOL_INSTANCES: u32 = 1000;

impl Engine {
    /// Creates an engine and starts its epochs, which interrupt guests that run too long.
    ///
    /// # Errors
    /// [`EngineError`]: this machine cannot run WebAssembly, or the cache folder cannot be used.
    pub fn new(settings: EngineSettings) -> Result<Self, EngineError> {
        let cache = match settings.cache_dir {
            None => None,
            Some(folder) => Some(Cache::open(&folder).map_err(|error| EngineError::Cache {
                folder: folder.display().to_string(),
                reason: error.to_string(),
            })?),
        };
        let on_demand = wasmtime::Engine::new(&config(settings.vm_address_space))
            .map_err(|error| EngineError::Engine(format!("{error:#}")))?;
        ticker::start(&on_demand).map_err(EngineError::Ticker)?;
        Ok(Self(Arc::new(Inner {
            on_demand,
            vm_address_space: settings.vm_address_space,
            pooled: OnceLock::new(),
            pool_use: PoolUse::default(),
            cache,
        })))
    }

    /// Compiles a module, or loads it from the cache. Blocks; a large module takes up to a second.
    ///
    /// # Errors
    /// [`LoadError`]: not a module, or not a proxy-wasm module.
    pub fn compile(&self, bytes: &[u8]) -> Result<Module, LoadError> {
        if !bytes.starts_with(MAGIC) {
            return Err(LoadError::Invalid(
                "it lacks the magic number \\0asm that every module begins with".to_owned(),
            ));
        }
        let sha256 = hex(&Sha256::digest(bytes));
        let key = format!("{sha256}-{:016x}", compatibility(&self.0.on_demand));
        let cached = self.0.cache.as_ref().and_then(|cache| cache.load(&key));
        let code = match cached.and_then(|artefact| deserialize(&self.0.on_demand, &artefact).ok()) {
            Some(code) => code,
            None => self.compile_and_store(bytes, &key)?,
        };
        let inspected = inspect(&code)?;
        Ok(Module::new(code, sha256, bytes, inspected))
    }

    fn compile_and_store(&self, bytes: &[u8], key: &str) -> Result<wasmtime::Module, LoadError> {
        // The compiler is a large program, and its input is untrusted. If it panics, only the module is refused.
        let compiled = catch_unwind(AssertUnwindSafe(|| {
            instrument(bytes).map(|bytes| wasmtime::Module::from_binary(&self.0.on_demand, &bytes))
        }));
        let code = match compiled {
            Ok(Ok(Ok(code))) => code,
            Ok(Ok(Err(error))) => return Err(LoadError::Invalid(format!("{error:#}"))),
            Ok(Err(name)) => {
                return Err(LoadError::Invalid(format!(
                    "it exports {name:?}; names that start with lockgate.image. are reserved for the host"
                )));
            }
            Err(_) => return Err(LoadError::Invalid("the compiler gave up on it".to_owned())),
        };
        if let Some(cache) = &self.0.cache {
            match code.serialize() {
                Ok(artefact) => cache.store(key, &artefact),
                Err(error) => tracing::warn!(%error, "compiled module cannot be serialised"),
            }
        }
        Ok(code)
    }

    /// A share of the pool for one more plugin.
    pub(crate) fn pool_share(&self) -> PoolShare {
        PoolShare::new(POOL_INSTANCES as usize, self.0.pool_use.clone())
    }

    /// The module's code for instances of the pool.
    pub(crate) fn pooled(&self, module: &Module) -> Result<wasmtime::Module, LoadError> {
        let pooled = self
            .0
            .pooled
            .get_or_init(|| pooled_engine(self.0.vm_address_space))
            .as_ref()
            .map_err(|error| LoadError::Host(error.clone()))?;
        let host = |error: wasmtime::Error| LoadError::Host(format!("{error:#}"));
        let artefact = module.code().serialize().map_err(host)?;
        deserialize(pooled, &artefact).map_err(host)
    }
}

fn pooled_engine(vm_address_space: Option<u64>) -> Result<wasmtime::Engine, String> {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_core_instances(POOL_INSTANCES)
        .total_memories(POOL_INSTANCES)
        .total_tables(POOL_INSTANCES)
        .max_memories_per_module(1)
        .max_tables_per_module(1)
        .table_elements(100_000)
        // Up to this size, dirty pages are overwritten instead of unmapped, which is cheaper than a page fault each. The kernel
        // reports which pages are dirty, where it can: a Rust guest's lie behind a megabyte of untouched stack.
        .linear_memory_keep_resident(4 * 1024 * 1024)
        .pagemap_scan(Enabled::Auto)
        .table_keep_resident(16 * 1024);
    if let Some(bytes) = vm_address_space {
        pool.max_memory_size(usize::try_from(bytes).unwrap_or(usize::MAX));
    }
    let mut config = config(vm_address_space);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    let engine = wasmtime::Engine::new(&config).map_err(|error| format!("the pool of instances: {error:#}"))?;
    ticker::start(&engine).map_err(|error| format!("the epochs of the pool: {error}"))?;
    Ok(engine)
}

/// Common to both engines, so that code compiled for one runs in the other.
fn config(vm_address_space: Option<u64>) -> Config {
    let mut config = Config::new();
    config
        .strategy(Strategy::Cranelift)
        .cranelift_opt_level(OptLevel::Speed)
        .epoch_interruption(true)
        .max_wasm_stack(MAX_WASM_STACK)
        .memory_init_cow(true)
        .wasm_backtrace_max_frames(NonZeroUsize::new(32))
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        // The ABI's pointers are 32 bits wide and refer to the one memory.
        .wasm_memory64(false)
        .wasm_multi_memory(false);
    if let Some(bytes) = vm_address_space {
        // A memory that grows beyond it moves to a larger reservation, with as much room again.
        config.memory_reservation(bytes).memory_reservation_for_growth(bytes);
    }
    config
}

fn compatibility(engine: &wasmtime::Engine) -> u64 {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    module::EDITION.hash(&mut hasher);
    hasher.finish()
}

fn deserialize(engine: &wasmtime::Engine, artefact: &[u8]) -> wasmtime::Result<wasmtime::Module> {
    #[expect(
        unsafe_code,
        reason = "an artefact is native code, and wasmtime cannot know where it comes from"
    )]
    // SAFETY: the bytes were made by `Module::serialize` of a wasmtime of this very compatibility hash. They come either
    // straight from memory, or from a file in a folder that only this user can write to, which only this user can
    // have written, under a key that holds the hash, and whose SHA-256 with that key was checked after it was read. They are
    // our own copy, so nobody changes them afterwards.
    unsafe {
        wasmtime::Module::deserialize(engine, artefact)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}
