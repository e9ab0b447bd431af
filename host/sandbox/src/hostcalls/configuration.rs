//! `proxy_get_configuration` of ABI 0.1.0, and a notice that C++ guests send.

use wasmtime::Linker;

use super::ENV;
use crate::calls::HostCall;
use crate::guest::{self, Answer, Caller, Out, host_call};
use crate::state::State;

/// What Emscripten calls when it has grown its memory.
pub(super) const GROWTH_NOTICE: &str = "emscripten_notify_memory_growth";

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(
        ENV,
        HostCall::GetConfiguration.name(),
        |caller: Caller<'_>, at: i32, len: i32| {
            host_call(caller, HostCall::GetConfiguration, |caller| {
                configuration(caller, Out::new(at, len))
            })
        },
    )?;
    // It needs no answer: memory is fetched anew anyway.
    linker.func_wrap(ENV, GROWTH_NOTICE, |_: i32| {})?;
    Ok(())
}

fn configuration(caller: &mut Caller<'_>, out: Out) -> Answer {
    let plugin = caller.data().plugin.clone();
    guest::give_bytes(caller, out, &plugin.spec().config)
}
