//! From a module and its settings to a plugin that is ready to run: imports are resolved once, before any worker sees it.

pub mod interface;

use std::sync::Arc;

use wasmtime::{ExternType, InstancePre, Linker};

use crate::calls::CallSet;
use crate::diagnostics::{Profile, Profiling};
use crate::engine::Engine;
use crate::guest::exports::ExportIndices;
use crate::hostcalls;
use crate::plugin::{Plugin, PluginSpec, PoisonRequests};
use crate::report::LoadError;
use crate::settings::Isolation;
use crate::state::State;

/// What linking prepares for the VMs of a plugin.
pub(crate) struct Prepared {
    pub(crate) instance: InstancePre<State>,
    pub(crate) exports: ExportIndices,
    /// The host calls that the operator allows.
    pub(crate) permitted: CallSet,
    /// Requests that ended VMs of this plugin, on whichever worker.
    pub(crate) poison_requests: Arc<PoisonRequests>,
    /// Where its guests spend their time, if somebody wants to know.
    pub(crate) profile: Profile,
}

impl Plugin {
    /// Resolves a module's imports under a plugin's settings. Takes some hundred microseconds; the first plugin with a VM per
    /// stream takes longer, as it reserves their pool.
    ///
    /// # Errors
    /// [`LoadError`]: every import that is missing, by name; memory beyond the limit; an unknown host call in the
    /// capabilities.
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
        let code = match spec.settings.isolation {
            Isolation::Shared => spec.module.code().clone(),
            Isolation::Stream => engine.pooled(&spec.module)?,
        };
        let instance = resolve(&code)?;
        let exports = ExportIndices::of(&code);
        Ok(Self::new(
            spec,
            Box::new(Prepared {
                instance,
                exports,
                permitted,
                poison_requests: Arc::new(PoisonRequests::new()),
                profile: Profile::default(),
            }),
        ))
    }

    /// Begins a CPU profile of all its VMs; `None` while another one is being taken. Samples are taken until it is dropped.
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
    // Every name exists, so what is wrong now is a type.
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
