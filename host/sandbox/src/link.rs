//! Linking: resolves a module's imports once per plugin, on a control thread.

pub mod interface;

use std::sync::{Arc, OnceLock};

use wasmtime::{ExternType, InstancePre, Linker};

use crate::calls::CallSet;
use crate::diagnostics::{Profile, Profiling};
use crate::engine::Engine;
use crate::engine::pool::PoolShare;
use crate::guest::exports::{ExportIndices, ReservedIndices};
use crate::hostcalls;
use crate::image::Image;
use crate::module::Module;
use crate::plugin::{Plugin, PluginSpec, PoisonRequests};
use crate::report::LoadError;
use crate::settings::Isolation;
use crate::state::State;

/// What linking prepares for the VMs of a plugin.
pub(crate) struct Prepared {
    pub(crate) code: LinkedCode,
    /// The code for instances of the pool: of a plugin with a VM per stream that has no image. Made when it is first needed.
    pooled: OnceLock<Result<LinkedCode, LoadError>>,
    /// How its VMs start. Empty until a trial has said it.
    start: OnceLock<Start>,
    engine: Engine,
    /// The host calls that the capabilities allow.
    pub(crate) permitted: CallSet,
    /// Requests that made VMs of this plugin trap, on all workers.
    pub(crate) poison_requests: Arc<PoisonRequests>,
    /// The plugin's share of the pool, with a VM per stream.
    pub(crate) pool_share: Option<PoolShare>,
    /// The plugin's CPU profile.
    pub(crate) profile: Profile,
}

/// Code with its imports resolved.
pub(crate) struct LinkedCode {
    pub(crate) instance: InstancePre<State>,
    pub(crate) exports: ExportIndices,
    pub(crate) reserved: ReservedIndices,
}

impl LinkedCode {
    fn new(code: &wasmtime::Module, module: &Module) -> Result<Self, LoadError> {
        Ok(Self {
            instance: resolve(code)?,
            exports: ExportIndices::of(code),
            reserved: ReservedIndices::of(code, module.image_exports()),
        })
    }
}

/// How the VMs of a plugin start.
pub(crate) enum Start {
    /// From the image of a trial VM.
    Image(Image),
    /// Each runs its own start, for this reason.
    Configured(String),
}

impl Prepared {
    /// The image from which VMs begin.
    pub(crate) fn image(&self) -> Option<&Image> {
        match self.start.get()? {
            Start::Image(image) => Some(image),
            Start::Configured(_) => None,
        }
    }

    pub(crate) fn start(&self) -> Option<&Start> {
        self.start.get()
    }

    /// Says how VMs start. The first call counts.
    pub(crate) fn set_start(&self, start: Start) {
        // A second trial of the same plugin has the same result.
        let _ = self.start.set(start);
    }

    /// The code for instances of the pool. The first call takes longer, because it reserves the pool.
    ///
    /// # Errors
    /// The pool cannot be reserved.
    pub(crate) fn pooled(&self, module: &Module) -> Result<&LinkedCode, &LoadError> {
        let link = || LinkedCode::new(&self.engine.pooled(module)?, module);
        self.pooled.get_or_init(link).as_ref()
    }
}

impl Plugin {
    /// Resolves a module's imports under a plugin's settings. It takes some hundred microseconds.
    ///
    /// # Errors
    /// [`LoadError`]: all missing imports by name; initial memory beyond the limit; an unknown host call in the capabilities.
    pub fn link(engine: &Engine, spec: PluginSpec) -> Result<Self, LoadError> {
        let permitted = match &spec.settings.capabilities.host_calls {
            None => CallSet::ALL,
            Some(names) => {
                CallSet::parse(names).map_err(|(name, nearest)| LoadError::UnknownHostCall { name, nearest })?
            }
        };
        let (needed, limit) = (spec.module.initial_memory(), spec.settings.limits.memory.bytes());
        if needed > limit {
            return Err(LoadError::Memory { needed, limit });
        }
        let code = LinkedCode::new(spec.module.code(), &spec.module)?;
        let pool_share = (spec.settings.isolation == Isolation::Stream).then(|| engine.pool_share());
        Ok(Self::new(
            spec,
            Box::new(Prepared {
                code,
                pooled: OnceLock::new(),
                start: OnceLock::new(),
                engine: engine.clone(),
                permitted,
                pool_share,
                poison_requests: Arc::new(PoisonRequests::new()),
                profile: Profile::default(),
            }),
        ))
    }

    /// Starts a CPU profile of all VMs of the plugin. `None` while another one is in progress. Dropping it ends the sampling.
    #[must_use]
    pub fn profile(&self) -> Option<Profiling<'_>> {
        self.prepared().profile.begin()
    }

    pub(crate) fn prepared(&self) -> &Prepared {
        self.linked()
            .downcast_ref()
            .expect("Plugin::link alone makes plugins, and gives each a Prepared")
    }
}

fn resolve(code: &wasmtime::Module) -> Result<InstancePre<State>, LoadError> {
    let missing: Vec<_> = code
        .imports()
        .filter(|import| !is_offered(import))
        .map(|import| described(&import))
        .collect();
    if !missing.is_empty() {
        return Err(LoadError::Imports(missing));
    }
    let mut linker = Linker::new(code.engine());
    hostcalls::link(&mut linker).map_err(|error| LoadError::Host(format!("{error:#}")))?;
    // Every name exists, so a failure is about a type.
    linker
        .instantiate_pre(code)
        .map_err(|error| LoadError::Imports(vec![format!("{error:#}")]))
}

fn is_offered(import: &wasmtime::ImportType<'_>) -> bool {
    matches!(import.ty(), ExternType::Func(_)) && hostcalls::offers(import.module(), import.name())
}

fn described(import: &wasmtime::ImportType<'_>) -> String {
    let kind = match import.ty() {
        ExternType::Func(_) => "",
        ExternType::Memory(_) => " (a memory)",
        ExternType::Table(_) => " (a table)",
        ExternType::Global(_) => " (a global)",
        _ => " (no function)",
    };
    format!("{}.{}{kind}", import.module(), import.name())
}
