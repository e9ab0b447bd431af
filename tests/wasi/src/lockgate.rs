//! The sandbox, as it runs the guest: as a plugin that comes up.

use crate::{ENVIRONMENT, Outcome, Preview, RESULT_LEVEL, SCRIPT};
use lockgate_sandbox::settings::PluginSettings;
use lockgate_sandbox::testing::{MemoryHost, plugin_spec};
use lockgate_sandbox::{Engine, EngineSettings, Failure, FailureKind, LogLevel, Module, Plugin, PluginSpec, Vm};
use std::rc::Rc;
use std::sync::LazyLock;

static ENGINE: LazyLock<Engine> =
    LazyLock::new(|| Engine::new(EngineSettings::default()).expect("this machine runs WebAssembly"));

/// A guest that is ready to run scripts.
pub(crate) struct Guest(Module);

impl Guest {
    pub(crate) fn new(preview: Preview) -> Self {
        Self(compile(&preview.guest()))
    }

    /// Runs a script in a fresh VM.
    pub(crate) fn run(&self, script: &str) -> Outcome {
        let environment = [ENVIRONMENT, (SCRIPT, script)].map(|(name, value)| (name.to_owned(), value.to_owned()));
        let plugin = link(self.0.clone(), environment.to_vec());
        let host = Rc::new(MemoryHost::default());
        let started = Vm::new(plugin, host.clone()).start();
        Outcome {
            end: started.err().map(|failure| end(&failure)),
            ..outcome(&host)
        }
    }
}

/// Compiles a module.
pub(crate) fn compile(wasm: &[u8]) -> Module {
    ENGINE.compile(wasm).unwrap_or_else(|error| panic!("{error}"))
}

/// Links a module, which fails if it imports anything that is not there with just that type.
pub(crate) fn link(module: Module, env: Vec<(String, String)>) -> Plugin {
    let spec = PluginSpec {
        settings: PluginSettings {
            env,
            ..PluginSettings::default()
        },
        ..plugin_spec("wasi", module)
    };
    Plugin::link(&ENGINE, spec).unwrap_or_else(|error| panic!("{error}"))
}

fn end(failure: &Failure) -> String {
    let code = failure
        .message
        .split_once("proc_exit(")
        .and_then(|(_, rest)| rest.split_once(')'));
    match code {
        Some((code, _)) if failure.kind == FailureKind::Exit => format!("exit {code}"),
        // The sandbox's WASI answers everything with a number: any other end is the guest's, which cannot run the script.
        _ => panic!("{failure}"),
    }
}

/// The guest's results, output and errors by the level of its log lines.
fn outcome(host: &MemoryHost) -> Outcome {
    let mut outcome = Outcome::default();
    for (level, line) in host.lines.take() {
        let lines = match level {
            LogLevel::Critical => &mut outcome.results,
            LogLevel::Info => &mut outcome.output,
            LogLevel::Error => &mut outcome.errors,
            other => panic!("{other:?}: {line}"),
        };
        lines.push(line);
    }
    outcome
}

const _: () = assert!(RESULT_LEVEL == LogLevel::Critical as i32);
