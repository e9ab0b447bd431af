//! `proxy_grpc_*`: offered so that modules link, but gRPC callouts are not supported yet.

use wasmtime::Linker;

use lockgate_abi::Status;

use super::ENV;
use crate::calls::HostCall;
use crate::guest::{Answer, Caller, host_call};
use crate::state::State;

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(
        ENV,
        HostCall::GrpcCall.name(),
        |caller: Caller<'_>,
         _: i32,
         _: i32,
         _: i32,
         _: i32,
         _: i32,
         _: i32,
         _: i32,
         _: i32,
         _: i32,
         _: i32,
         _: i32,
         _: i32| {
            host_call(caller, HostCall::GrpcCall, |caller| {
                unsupported(caller, HostCall::GrpcCall)
            })
        },
    )?;
    linker.func_wrap(
        ENV,
        HostCall::GrpcStream.name(),
        |caller: Caller<'_>, _: i32, _: i32, _: i32, _: i32, _: i32, _: i32, _: i32, _: i32, _: i32| {
            host_call(caller, HostCall::GrpcStream, |caller| {
                unsupported(caller, HostCall::GrpcStream)
            })
        },
    )?;
    // Nothing was ever opened, so there is nothing to send to, to cancel or to close.
    linker.func_wrap(
        ENV,
        HostCall::GrpcSend.name(),
        |caller: Caller<'_>, _: i32, _: i32, _: i32, _: i32| {
            host_call(caller, HostCall::GrpcSend, |_| Err(Status::NotFound.into()))
        },
    )?;
    linker.func_wrap(ENV, HostCall::GrpcCancel.name(), |caller: Caller<'_>, _: i32| {
        host_call(caller, HostCall::GrpcCancel, |_| Err(Status::NotFound.into()))
    })?;
    linker.func_wrap(ENV, HostCall::GrpcClose.name(), |caller: Caller<'_>, _: i32| {
        host_call(caller, HostCall::GrpcClose, |_| Err(Status::NotFound.into()))
    })?;
    Ok(())
}

fn unsupported(caller: &mut Caller<'_>, call: HostCall) -> Answer {
    let state = caller.data_mut();
    if !state.told.has(call) {
        state.told = state.told.with(call);
        state.note(format_args!("gRPC callouts are not supported yet"));
    }
    Err(Status::InternalFailure.into())
}
