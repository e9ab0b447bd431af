//! Bytes as a whole module: loading answers; it neither panics nor hangs, and what loads can be started and called. Where the bytes
//! come from is another matter: `smith` beside this crate makes well-formed modules of any content.

use crate::world::{World, exchange};
use lockgate_sandbox::settings::{Capabilities, Isolation, Limits, OnError};
use lockgate_sandbox::{Engine, EngineSettings, Module, Plugin, PluginSpec, Vm};
use lockgate_units::{Period, Size};
use std::rc::Rc;

/// Loads generated modules.
pub struct Modules {
    engine: Engine,
    world: Rc<World>,
}

impl Default for Modules {
    fn default() -> Self {
        Self::new()
    }
}

impl Modules {
    /// Gets an engine.
    ///
    /// # Panics
    /// When there is none to be had.
    #[must_use]
    pub fn new() -> Self {
        Self {
            engine: Engine::new(EngineSettings::default()).expect("this machine runs WebAssembly"),
            world: Rc::default(),
        }
    }

    /// Loads, starts and calls a module, if it is one.
    pub fn run(&mut self, wasm: &[u8]) {
        if let Ok(module) = self.engine.compile(wasm) {
            self.start(module);
        }
    }

    fn start(&self, module: Module) {
        let spec = PluginSpec {
            name: "generated".to_owned(),
            module_name: "generated".to_owned(),
            module,
            config: Vec::new(),
            root_id: String::new(),
            vm_id: String::new(),
            vm_config: Vec::new(),
            env: Vec::new(),
            limits: Limits {
                memory: Size::mib(1),
                deadline: Period::millis(5),
                start_deadline: Period::millis(5),
                ..Limits::default()
            },
            on_error: OnError::Deny,
            isolation: Isolation::Shared,
            capabilities: Capabilities::default(),
        };
        let Ok(plugin) = Plugin::link(&self.engine, spec) else {
            return;
        };
        let vm = Vm::new(plugin, self.world.clone());
        if vm.start().is_ok()
            && let Ok(stream) = vm.open(&exchange())
        {
            let _answer = stream.request_headers(true);
        }
        self.world.failure.take();
        self.world.clear();
    }
}
