//! `proxy_log`, `proxy_get_log_level`.

use lockgate_abi::LogLevel;
use wasmtime::Linker;

use super::ENV;
use crate::calls::HostCall;
use crate::guest::{self, Caller, HostCallResult, Span, host_call};
use crate::state::State;

/// What a line costs, in steps ([`State::spend`](crate::state::State::spend)): it is cut before it is looked at.
const PER_LINE: usize = 512;

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(
        ENV,
        HostCall::Log.name(),
        |caller: Caller<'_>, level: i32, at: i32, len: i32| {
            host_call(
                caller,
                HostCall::Log,
                || [level, at, len],
                |caller| log(caller, level, Span::new(at, len)),
            )
        },
    )?;
    linker.func_wrap(ENV, HostCall::GetLogLevel.name(), |caller: Caller<'_>, out: i32| {
        host_call(caller, HostCall::GetLogLevel, || [out], |caller| level(caller, out))
    })?;
    Ok(())
}

fn log(caller: &mut Caller<'_>, level: i32, message: Span) -> HostCallResult {
    let level = LogLevel::try_from(level)?;
    let (memory, state) = guest::parts(caller)?;
    let message = guest::bytes(memory, message)?;
    state.spend(PER_LINE)?;
    state.log_guest_line(level, message);
    Ok(())
}

fn level(caller: &mut Caller<'_>, out: i32) -> HostCallResult {
    let (memory, state) = guest::parts(caller)?;
    Ok(guest::write_u32(memory, out, state.host.log_level() as u32)?)
}
