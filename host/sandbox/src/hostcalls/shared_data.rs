//! `proxy_get_shared_data`, `proxy_set_shared_data`: values that plugins of one `vm_id` share.

use lockgate_abi::Status;
use wasmtime::Linker;

use super::ENV;
use crate::calls::HostCall;
use crate::guest::{self, Answer, Caller, Out, Span, host_call};
use crate::incident::Refusal;
use crate::state::State;

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(
        ENV,
        HostCall::GetSharedData.name(),
        |caller: Caller<'_>, key: i32, key_len: i32, at: i32, len: i32, cas: i32| {
            host_call(caller, HostCall::GetSharedData, |caller| {
                read(caller, Span::new(key, key_len), Out::new(at, len), cas)
            })
        },
    )?;
    linker.func_wrap(
        ENV,
        HostCall::SetSharedData.name(),
        |caller: Caller<'_>, key: i32, key_len: i32, value: i32, value_len: i32, cas: i32| {
            host_call(caller, HostCall::SetSharedData, |caller| {
                write(caller, Span::new(key, key_len), Span::new(value, value_len), cas)
            })
        },
    )?;
    Ok(())
}

fn read(caller: &mut Caller<'_>, key: Span, out: Out, cas_out: i32) -> Answer {
    let (memory, state) = guest::parts(caller)?;
    let key = guest::text(memory, key).map_err(absent_if_no_text)?;
    let (value, cas) = state
        .outside
        .shared_data(&state.plugin.spec().vm_id, key)
        .ok_or(Status::NotFound)?;
    guest::write_u32(memory, cas_out, cas)?;
    guest::give_bytes(caller, out, &value)
}

fn write(caller: &mut Caller<'_>, key: Span, value: Span, cas: i32) -> Answer {
    let (memory, state) = guest::parts(caller)?;
    let key = guest::text(memory, key)?;
    let value = guest::bytes(memory, value)?;
    let set = state
        .outside
        .set_shared_data(&state.plugin.spec().vm_id, key, value, cas.cast_unsigned());
    match set {
        Err(Status::InternalFailure) => {
            // A bound is reached. A mismatch would make guests try again and again, so the value is dropped and that is told.
            state.note(format_args!(
                "the shared value is not kept: there are too many, or it is too large"
            ));
            state.refuse(Refusal::SharedData);
            Ok(())
        }
        set => Ok(set?),
    }
}

/// Keys are text; nothing can ever have been stored under another.
fn absent_if_no_text(status: Status) -> Status {
    if status == Status::BadArgument {
        Status::NotFound
    } else {
        status
    }
}
