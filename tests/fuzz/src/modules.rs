//! Bytes as a module. Loading returns without a panic or a hang, and what loads can be started and called. `smith` beside this
//! crate generates well-formed modules.

use crate::host::{exchange, host};
use lockgate_sandbox::settings::Limits;
use lockgate_sandbox::testing::{MemoryHost, plugin_spec};
use lockgate_sandbox::{Engine, EngineSettings, Module, Plugin, Vm};
use lockgate_units::{Period, Size};
use std::rc::Rc;

/// Loads generated modules.
pub struct Modules {
    engine: Engine,
    host: Rc<MemoryHost>,
}

impl Default for Modules {
    fn default() -> Self {
        Self::new()
    }
}

impl Modules {
    /// Creates an engine.
    ///
    /// # Panics
    /// This machine cannot run WebAssembly.
    #[must_use]
    pub fn new() -> Self {
        Self {
            engine: Engine::new(EngineSettings::default()).expect("this machine runs WebAssembly"),
            host: host(),
        }
    }

    /// Loads, starts and calls a module, if it is one.
    pub fn run(&mut self, wasm: &[u8]) {
        if let Ok(module) = self.engine.compile(wasm) {
            self.start(module);
        }
    }

    fn start(&self, module: Module) {
        let mut spec = plugin_spec("generated", module);
        spec.settings.limits = Limits {
            memory: Size::mib(1),
            deadline: Period::millis(5),
            start_deadline: Period::millis(5),
            ..Limits::default()
        };
        let Ok(plugin) = Plugin::link(&self.engine, spec) else {
            return;
        };
        let vm = Vm::new(plugin, self.host.clone());
        if vm.start().is_ok()
            && let Ok(stream) = vm.open(&exchange())
        {
            let _action = stream.request_headers(true);
        }
        self.host.clear();
    }
}
