//! The process that a guest believes to be: its clocks, its environment, its random bytes, its end.

use lockgate_abi::Status;
use wasmtime::Linker;

use super::super::clock::since_1970;
use super::{Errno, call, link_pair};
use crate::guest::{self, Caller, Span};
use crate::state::State;

pub(super) const NAMES: &[&str] = &[
    "clock_time_get",
    "clock_res_get",
    "random_get",
    "environ_get",
    "environ_sizes_get",
    "args_get",
    "args_sizes_get",
    "sched_yield",
    "poll_oneoff",
    "proc_exit",
];

/// The guest has ended itself.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the guest called proc_exit({0})")]
pub(crate) struct Exit(pub(crate) i32);

/// More random bytes in one call are refused.
const MAX_RANDOM: i32 = 64 * 1024;

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
    link_pair(linker, module, "clock_res_get", resolution)?;
    link_pair(linker, module, "random_get", random)?;
    linker.func_wrap(module, "sched_yield", |caller: Caller<'_>| {
        call(caller, "sched_yield", [], |_| Ok(()))
    })?;
    // Nobody waits in here: nothing is ready, and the guest goes on.
    linker.func_wrap(
        module,
        "poll_oneoff",
        |caller: Caller<'_>, _: i32, _: i32, _: i32, out: i32| {
            call(caller, "poll_oneoff", [out], |caller| nothing_ready(caller, out))
        },
    )?;
    linker.func_wrap(
        module,
        "proc_exit",
        |caller: Caller<'_>, code: i32| -> wasmtime::Result<()> {
            call(caller, "proc_exit", [code], |_| Ok(()));
            Err(wasmtime::Error::new(Exit(code)))
        },
    )?;
    // What a program is started with: an environment, and no arguments.
    link_pair(linker, module, "environ_sizes_get", environment_sizes)?;
    link_pair(linker, module, "environ_get", environment)?;
    link_pair(linker, module, "args_sizes_get", no_arguments)?;
    link_pair(linker, module, "args_get", |_, _, _| Ok(()))
}

fn time(caller: &mut Caller<'_>, clock: i32, out: i32) -> Result<(), Errno> {
    let (memory, state) = guest::parts(caller)?;
    let now = match clock {
        0 => since_1970(state.host.time()),
        1 => {
            let age = state.host.now().saturating_duration_since(state.started_at);
            u64::try_from(age.as_nanos()).unwrap_or(u64::MAX)
        }
        _ => return Err(Errno::Invalid),
    };
    Ok(guest::write_u64(memory, out, now)?)
}

fn resolution(caller: &mut Caller<'_>, clock: i32, out: i32) -> Result<(), Errno> {
    if !(0..=1).contains(&clock) {
        return Err(Errno::Invalid);
    }
    let (memory, _) = guest::parts(caller)?;
    Ok(guest::write_u64(memory, out, 1)?)
}

fn random(caller: &mut Caller<'_>, at: i32, len: i32) -> Result<(), Errno> {
    let span = Span::new(at, len);
    if !(0..=MAX_RANDOM).contains(&span.len) {
        return Err(Errno::Invalid);
    }
    let (memory, state) = guest::parts(caller)?;
    if state.host.random(guest::bytes_mut(memory, span)?) {
        Ok(())
    } else {
        Err(Errno::Io)
    }
}

/// Bytes that `NAME=value` and its NUL take.
fn entry_size((name, value): &(String, String)) -> usize {
    name.len() + value.len() + 2
}

fn environment_sizes(caller: &mut Caller<'_>, count: i32, bytes: i32) -> Result<(), Errno> {
    let (memory, state) = guest::parts(caller)?;
    let env = &state.plugin.spec().env;
    let size = env.iter().map(entry_size).sum::<usize>();
    guest::write_u32(memory, count, u32::try_from(env.len()).map_err(|_| Errno::Invalid)?)?;
    Ok(guest::write_u32(
        memory,
        bytes,
        u32::try_from(size).map_err(|_| Errno::Invalid)?,
    )?)
}

fn environment(caller: &mut Caller<'_>, pointers: i32, bytes: i32) -> Result<(), Errno> {
    let (memory, state) = guest::parts(caller)?;
    let (mut pointer, mut at) = (pointers, bytes);
    let advance = |at: i32, by: usize| {
        let by = i32::try_from(by).ok()?;
        at.checked_add(by)
    };
    for entry in &state.plugin.spec().env {
        let text = format!("{}={}\0", entry.0, entry.1);
        let len = i32::try_from(text.len()).map_err(|_| Errno::Invalid)?;
        guest::write_u32(memory, pointer, at.cast_unsigned())?;
        guest::bytes_mut(memory, Span::new(at, len))?.copy_from_slice(text.as_bytes());
        pointer = advance(pointer, 4).ok_or(Status::InvalidMemoryAccess)?;
        at = advance(at, text.len()).ok_or(Status::InvalidMemoryAccess)?;
    }
    Ok(())
}

fn no_arguments(caller: &mut Caller<'_>, count: i32, bytes: i32) -> Result<(), Errno> {
    let (memory, _) = guest::parts(caller)?;
    guest::write_u32(memory, count, 0)?;
    Ok(guest::write_u32(memory, bytes, 0)?)
}

fn nothing_ready(caller: &mut Caller<'_>, out: i32) -> Result<(), Errno> {
    let (memory, _) = guest::parts(caller)?;
    Ok(guest::write_u32(memory, out, 0)?)
}
