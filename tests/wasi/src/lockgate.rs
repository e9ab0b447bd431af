//! The sandbox, as it runs the guest: as a plugin that comes up.

use crate::{ENVIRONMENT, Outcome, Preview, RESULT_LEVEL, SCRIPT};
use bytes::Bytes;
use lockgate_exchange::SharedExchange;
use lockgate_sandbox::settings::PluginSettings;
use lockgate_sandbox::{
    Callout, CalloutReply, Engine, EngineSettings, Failure, FailureKind, Host, LogLevel, MetricKind, Module, Plugin,
    PluginSpec, QueueTarget, Status, TickTarget, Vm,
};
use std::cell::RefCell;
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
        let host = Rc::new(LogHost::default());
        let started = Vm::new(plugin, host.clone()).start();
        Outcome {
            end: started.err().map(|failure| end(&failure)),
            ..host.outcome.take()
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
        name: "wasi".to_owned(),
        module_name: "wasi".to_owned(),
        module,
        settings: PluginSettings {
            env,
            ..PluginSettings::default()
        },
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

/// What the guest finds around it: a log, and nothing else.
#[derive(Default)]
pub(crate) struct LogHost {
    outcome: RefCell<Outcome>,
}

impl Host for LogHost {
    fn log(&self, _: &Plugin, level: LogLevel, message: &str) {
        let mut outcome = self.outcome.borrow_mut();
        let lines = match level {
            LogLevel::Critical => &mut outcome.results,
            LogLevel::Info => &mut outcome.output,
            LogLevel::Error => &mut outcome.errors,
            other => panic!("{other:?}: {message}"),
        };
        lines.push(message.to_owned());
    }

    fn log_level(&self) -> LogLevel {
        LogLevel::Trace
    }

    fn callout(&self, _: &Plugin, _: Callout, _: CalloutReply) -> Result<(), Status> {
        Err(Status::BadArgument)
    }

    fn set_tick(&self, _: TickTarget, _: Option<std::time::Duration>) {}

    fn shared_data(&self, _: &str, _: &str) -> Option<(Bytes, u32)> {
        None
    }

    fn set_shared_data(&self, _: &str, _: &str, _: &[u8], _: u32) -> Result<(), Status> {
        Err(Status::InternalFailure)
    }

    fn register_queue(&self, _: &str, _: &str, _: QueueTarget) -> Result<u32, Status> {
        Err(Status::InternalFailure)
    }

    fn resolve_queue(&self, _: &str, _: &str) -> Option<u32> {
        None
    }

    fn enqueue(&self, _: u32, _: &[u8]) -> Result<(), Status> {
        Err(Status::NotFound)
    }

    fn dequeue(&self, _: u32) -> Result<Bytes, Status> {
        Err(Status::NotFound)
    }

    fn define_metric(&self, _: &Plugin, _: MetricKind, _: &str) -> Result<u32, Status> {
        Err(Status::InternalFailure)
    }

    fn increment_metric(&self, _: u32, _: i64) -> Result<(), Status> {
        Err(Status::NotFound)
    }

    fn record_metric(&self, _: u32, _: u64) -> Result<(), Status> {
        Err(Status::NotFound)
    }

    fn metric(&self, _: u32) -> Result<u64, Status> {
        Err(Status::NotFound)
    }

    fn foreign(&self, _: &Plugin, _: &str, _: &[u8], _: Option<&SharedExchange>) -> Result<Vec<u8>, Status> {
        Err(Status::NotFound)
    }

    fn check_property(&self, _: &Plugin, _: &str, _: &[u8]) -> Result<(), Status> {
        Err(Status::BadArgument)
    }

    fn failed(&self, _: &Plugin, _: &Failure, _: &str) {}
}

const _: () = assert!(RESULT_LEVEL == LogLevel::Critical as i32);
