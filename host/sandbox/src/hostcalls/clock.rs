//! `proxy_get_current_time_nanoseconds`.

use std::time::SystemTime;

use wasmtime::Linker;

use super::ENV;
use crate::calls::HostCall;
use crate::guest::{self, Caller, HostCallResult, host_call};
use crate::state::State;

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(ENV, HostCall::GetTime.name(), |caller: Caller<'_>, out: i32| {
        host_call(caller, HostCall::GetTime, || [out], |caller| now(caller, out))
    })?;
    Ok(())
}

fn now(caller: &mut Caller<'_>, out: i32) -> HostCallResult {
    let (memory, state) = guest::parts(caller)?;
    Ok(guest::write_u64(memory, out, since_1970(state.host.time()))?)
}

/// Nanoseconds since 1970. An earlier time counts as 1970.
pub(super) fn since_1970(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
