//! `proxy_get_configuration` of ABI 0.1.0, and two functions that C++ guests import besides the ABI.

use wasmtime::Linker;

use super::ENV;
use crate::calls::HostCall;
use crate::guest::{self, Caller, HostCallResult, ResultSlot, host_call};
use crate::state::{Phase, ROOT, State};

/// Emscripten calls it after its memory has grown.
const GROWTH_NOTICE: &str = "emscripten_notify_memory_growth";
/// Whether two threads are the same.
const SAME_THREAD: &str = "pthread_equal";

/// Whether a function besides the ABI has this name.
pub(super) fn offers(name: &str) -> bool {
    name == GROWTH_NOTICE || name == SAME_THREAD
}

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(
        ENV,
        HostCall::GetConfiguration.name(),
        |caller: Caller<'_>, at: i32, len: i32| {
            host_call(
                caller,
                HostCall::GetConfiguration,
                || [at, len],
                |caller| configuration(caller, ResultSlot::new(at, len)),
            )
        },
    )?;
    // There is nothing to do: memory is fetched again after every call anyway.
    linker.func_wrap(ENV, GROWTH_NOTICE, |_: i32| {})?;
    linker.func_wrap(ENV, SAME_THREAD, |left: i32, right: i32| i32::from(left == right))?;
    Ok(())
}

/// The plugin's configuration during `configure` and the root context's creation, otherwise the VM's, as in Envoy.
fn configuration(caller: &mut Caller<'_>, out: ResultSlot) -> HostCallResult {
    let state = caller.data();
    let plugin = state.plugin.clone();
    let is_configured = match state.phase {
        Phase::Configure => true,
        Phase::ContextCreate => state.running == ROOT,
        _ => false,
    };
    let settings = plugin.settings();
    guest::write_result_bytes(
        caller,
        out,
        if is_configured {
            &settings.config
        } else {
            &settings.vm_config
        },
    )
}
