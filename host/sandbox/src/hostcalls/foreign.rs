//! `proxy_call_foreign_function`: the door to what the standard lacks.

use lockgate_abi::Status;
use wasmtime::Linker;

use super::ENV;
use crate::calls::HostCall;
use crate::guest::{self, Answer, Caller, Out, Span, host_call};
use crate::incident::Refusal;
use crate::settings::is_allowed;
use crate::state::State;

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(
        ENV,
        HostCall::CallForeignFunction.name(),
        |caller: Caller<'_>, name: i32, name_len: i32, argument: i32, argument_len: i32, at: i32, len: i32| {
            host_call(caller, HostCall::CallForeignFunction, |caller| {
                let name = Span::new(name, name_len);
                call(caller, name, Span::new(argument, argument_len), Out::new(at, len))
            })
        },
    )?;
    Ok(())
}

fn call(caller: &mut Caller<'_>, name: Span, argument: Span, out: Out) -> Answer {
    let (memory, state) = guest::parts(caller)?;
    // A name that is no text names no function.
    let name = std::str::from_utf8(guest::bytes(memory, name)?).map_err(|_| Status::NotFound)?;
    if !is_allowed(state.plugin.spec().capabilities.foreign_functions.as_deref(), name) {
        state.note(format_args!("capabilities.foreign_functions does not name {name:?}"));
        state.refuse(Refusal::CapabilityForeignFunction);
        return Err(Status::NotFound.into());
    }
    let argument = guest::bytes(memory, argument)?;
    let result = state
        .outside
        .foreign(&state.plugin, name, argument, state.effective.exchange.as_ref())?;
    guest::give_bytes(caller, out, &result)
}
