//! `wasmtime-wasi`, as it runs the guest: without files, with an empty input, and with outputs that are kept.

use crate::{ENVIRONMENT, Outcome, Preview, RESULT_LEVEL, SCRIPT};
use std::thread;
use wasmtime::{Caller, Engine, Linker, Module, Store, Trap};
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::{I32Exit, WasiCtxBuilder, p0, p1};

/// Of each output, this much is kept.
const MAX_OUTPUT: usize = 64 * 1024;

/// A store's data.
pub(crate) struct Reference {
    wasi: WasiP1Ctx,
    results: Vec<String>,
}

impl Reference {
    pub(crate) fn new() -> Self {
        Self {
            wasi: WasiCtxBuilder::new().build_p1(),
            results: Vec::new(),
        }
    }
}

/// Both previews.
pub(crate) fn linker(engine: &Engine) -> Linker<Reference> {
    let mut linker = Linker::new(engine);
    p0::add_to_linker_sync(&mut linker, |reference: &mut Reference| &mut reference.wasi).expect("preview 0 is linked");
    p1::add_to_linker_sync(&mut linker, |reference: &mut Reference| &mut reference.wasi).expect("preview 1 is linked");
    linker
}

/// A guest that is ready to run scripts.
pub(crate) struct Guest {
    engine: Engine,
    module: Module,
}

impl Guest {
    pub(crate) fn new(preview: Preview) -> Self {
        let engine = Engine::default();
        let module = Module::new(&engine, preview.guest()).expect("the guest is a module");
        Self { engine, module }
    }

    /// Runs a script in a fresh instance. It has a thread of its own, as the reference blocks on a runtime of its own.
    pub(crate) fn run(&self, script: &str) -> Outcome {
        thread::scope(|scope| scope.spawn(|| self.run_here(script)).join()).expect("the reference does not panic")
    }

    fn run_here(&self, script: &str) -> Outcome {
        let [output, errors] = [(); 2].map(|()| MemoryOutputPipe::new(MAX_OUTPUT));
        let mut reference = Reference::new();
        reference.wasi = WasiCtxBuilder::new()
            .env(ENVIRONMENT.0, ENVIRONMENT.1)
            .env(SCRIPT, script)
            .stdout(output.clone())
            .stderr(errors.clone())
            .build_p1();
        let mut linker = linker(&self.engine);
        linker.func_wrap("env", "proxy_log", log).expect("the name is free");
        let mut store = Store::new(&self.engine, reference);
        let instance = linker
            .instantiate(&mut store, &self.module)
            .expect("every import is there");
        let start = instance.get_typed_func::<(i32, i32), i32>(&mut store, "proxy_on_vm_start");
        let end = start
            .expect("the guest starts")
            .call(&mut store, (1, 0))
            .err()
            .map(|error| end(&error));
        let lines = |pipe: &MemoryOutputPipe| {
            let text = String::from_utf8(pipe.contents().to_vec()).expect("the guest prints text");
            text.lines()
                .filter(|line| !line.is_empty())
                .map(str::to_owned)
                .collect()
        };
        Outcome {
            end,
            output: lines(&output),
            errors: lines(&errors),
            results: store.into_data().results,
        }
    }
}

/// The host's own log, into which the guest writes its results.
fn log(mut caller: Caller<'_, Reference>, level: i32, text: u32, len: u32) -> i32 {
    assert_eq!(level, RESULT_LEVEL);
    let memory = caller.get_export("memory").and_then(wasmtime::Extern::into_memory);
    let (memory, reference) = memory.expect("the guest has a memory").data_and_store_mut(&mut caller);
    let text = &memory[text as usize..][..len as usize];
    reference.results.push(String::from_utf8_lossy(text).into_owned());
    0
}

fn end(error: &wasmtime::Error) -> String {
    // The guest's own traps are what the script is wrong with.
    assert!(
        error.downcast_ref::<Trap>().is_none(),
        "the guest cannot run the script: {error:?}"
    );
    match error.downcast_ref::<I32Exit>() {
        Some(I32Exit(code)) => format!("exit {code}"),
        None => "trap".to_owned(),
    }
}
