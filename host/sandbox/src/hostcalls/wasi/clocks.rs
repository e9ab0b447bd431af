//! The clocks of a guest: the time of day, and the time since its VM came up.

use wasmtime::Linker;

use super::super::clock::since_1970;
use super::{Errno, call, link_pair};
use crate::guest::{self, Caller};
use crate::state::State;

pub(super) const NAMES: &[&str] = &["clock_time_get", "clock_res_get"];

pub(super) fn link(linker: &mut Linker<State>, module: &str) -> wasmtime::Result<()> {
    linker.func_wrap(
        module,
        "clock_time_get",
        |caller: Caller<'_>, clock: i32, _: i64, out: i32| {
            call(caller, "clock_time_get", [clock, out], |caller| {
                time(caller, clock, out)
            })
        },
    )?;
    link_pair(linker, module, "clock_res_get", resolution)
}

/// What a clock shows, in nanoseconds. There are no clocks of CPU time.
pub(super) fn now(state: &State, clock: i32) -> Result<u64, Errno> {
    match clock {
        0 => Ok(since_1970(state.host.time())),
        1 => {
            let age = state.host.now().saturating_duration_since(state.started_at);
            Ok(u64::try_from(age.as_nanos()).unwrap_or(u64::MAX))
        }
        _ => Err(Errno::Invalid),
    }
}

fn time(caller: &mut Caller<'_>, clock: i32, out: i32) -> Result<(), Errno> {
    let (memory, state) = guest::parts(caller)?;
    let now = now(state, clock)?;
    Ok(guest::write_u64(memory, out, now)?)
}

fn resolution(caller: &mut Caller<'_>, clock: i32, out: i32) -> Result<(), Errno> {
    if !(0..=1).contains(&clock) {
        return Err(Errno::Invalid);
    }
    let (memory, _) = guest::parts(caller)?;
    Ok(guest::write_u64(memory, out, 1)?)
}
