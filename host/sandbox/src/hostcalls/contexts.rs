//! `proxy_set_effective_context`, `proxy_done`.

use std::rc::Rc;

use lockgate_abi::Status;
use wasmtime::Linker;

use super::ENV;
use crate::calls::HostCall;
use crate::guest::{Caller, HostCallResult, host_call};
use crate::state::{DoneState, EffectiveContext, Phase, ROOT, State};

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(
        ENV,
        HostCall::SetEffectiveContext.name(),
        |caller: Caller<'_>, id: i32| {
            host_call(
                caller,
                HostCall::SetEffectiveContext,
                || [id],
                |caller| set_effective(caller, id),
            )
        },
    )?;
    linker.func_wrap(ENV, HostCall::Done.name(), |caller: Caller<'_>| {
        host_call(caller, HostCall::Done, || [], done)
    })?;
    Ok(())
}

fn set_effective(caller: &mut Caller<'_>, id: i32) -> HostCallResult {
    let state = caller.data_mut();
    // In Envoy, 0 is the VM itself: from then on the guest works for the context whose callback is running.
    let id = match id.cast_unsigned() {
        0 => state.running,
        id => id,
    };
    state.effective = match state.contexts.get(id) {
        Some(context) => EffectiveContext {
            id,
            exchange: Some(Rc::clone(&context.exchange)),
            position: context.position,
        },
        None if id == ROOT => EffectiveContext {
            id,
            exchange: None,
            position: 0,
        },
        None => return Err(Status::BadArgument.into()),
    };
    state.update_trace();
    Ok(())
}

/// The context in effect is done, after its `done` had returned false. Its `log` and `delete` follow when this callback has
/// returned.
fn done(caller: &mut Caller<'_>) -> HostCallResult {
    let state = caller.data_mut();
    let id = state.effective.id;
    let in_done = state.phase == Phase::Done && state.running == id;
    match state.contexts.get_mut(id) {
        Some(context) if context.done == DoneState::Waiting => {
            // A second call finds a context whose end has begun.
            context.done = DoneState::DoneEarly;
            state.completed.push(id);
            Ok(())
        }
        Some(context) if context.done == DoneState::Open && in_done => {
            context.done = DoneState::DoneEarly;
            Ok(())
        }
        None if id == ROOT => {
            if in_done {
                state.is_root_done_early = true;
            } else if std::mem::take(&mut state.is_root_waiting) {
                state.completed.push(ROOT);
            }
            // The root context is still in use. This is no error: the Rust SDK would panic on one.
            Ok(())
        }
        _ => Err(Status::NotFound.into()),
    }
}
