//! `proxy_set_tick_period_milliseconds`.

use std::time::Duration;

use lockgate_abi::Status;
use wasmtime::Linker;

use super::ENV;
use crate::calls::HostCall;
use crate::guest::{Caller, HostCallResult, host_call};
use crate::host::TickTarget;
use crate::report::Refusal;
use crate::state::State;

/// What a timer costs, in steps ([`State::spend`](crate::state::State::spend)).
const PER_TIMER: usize = 4096;

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(
        ENV,
        HostCall::SetTickPeriod.name(),
        |caller: Caller<'_>, period: i32| {
            host_call(
                caller,
                HostCall::SetTickPeriod,
                || [period],
                |caller| set_period(caller, period),
            )
        },
    )?;
    Ok(())
}

/// Sets the timer of the VM. Zero stops it.
fn set_period(caller: &mut Caller<'_>, milliseconds: i32) -> HostCallResult {
    let state = caller.data_mut();
    state.spend(PER_TIMER)?;
    let callbacks = state.callbacks.clone().ok_or(Status::InternalFailure)?;
    let mut period = Duration::from_millis(u64::from(milliseconds.cast_unsigned()));
    let shortest = state.plugin.settings().limits.tick.duration();
    if !period.is_zero() && period < shortest {
        state.refuse(Refusal::Tick);
        period = shortest;
    }
    // The timer before ends first.
    state.ticks = None;
    if !period.is_zero() {
        state.ticks = Some(state.host.start_ticks(TickTarget::new(callbacks), period));
    }
    Ok(())
}
