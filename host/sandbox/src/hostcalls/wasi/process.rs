//! The process that a guest believes to be: its environment, its random bytes, its end.

use lockgate_abi::Status;
use wasmtime::Linker;

use super::hash_seed::is_hash_seed;
use super::{Errno, call, link_pair, spend};
use crate::guest::{self, Caller, Span};
use crate::state::State;

pub(super) const NAMES: &[&str] = &[
    "random_get",
    "environ_get",
    "environ_sizes_get",
    "args_get",
    "args_sizes_get",
    "sched_yield",
    "proc_exit",
    "proc_raise",
];

/// The guest has ended itself.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the guest called proc_exit({0})")]
pub(crate) struct Exit(pub(crate) i32);

/// More random bytes in one call are refused.
const MAX_RANDOM: i32 = 64 * 1024;

pub(super) fn link(linker: &mut Linker<State>, module: &str) -> wasmtime::Result<()> {
    link_pair(linker, module, "random_get", random)?;
    linker.func_wrap(module, "sched_yield", |caller: Caller<'_>| {
        call(caller, "sched_yield", [], |_| Ok(()))
    })?;
    linker.func_wrap(
        module,
        "proc_exit",
        |caller: Caller<'_>, code: i32| -> wasmtime::Result<()> {
            call(caller, "proc_exit", [code], |_| Ok(()))?;
            Err(wasmtime::Error::new(Exit(code)))
        },
    )?;
    linker.func_wrap(module, "proc_raise", |caller: Caller<'_>, signal: i32| {
        call(caller, "proc_raise", [signal], |_| Err(raise(signal)))
    })?;
    // What a program is started with: an environment, and no arguments.
    link_pair(linker, module, "environ_sizes_get", environment_sizes)?;
    link_pair(linker, module, "environ_get", environment)?;
    link_pair(linker, module, "args_sizes_get", no_arguments)?;
    link_pair(linker, module, "args_get", |_, _, _| Ok(()))
}

/// Signals are not delivered.
fn raise(signal: i32) -> Errno {
    const SIGNALS: i32 = 31;
    if (0..SIGNALS).contains(&signal) {
        Errno::NotSupported
    } else {
        Errno::Invalid
    }
}

fn random(caller: &mut Caller<'_>, at: i32, len: i32) -> Result<(), Errno> {
    let span = Span::new(at, len);
    if !(0..=MAX_RANDOM).contains(&span.len) {
        return Err(Errno::Invalid);
    }
    if let Some(recorder) = caller.data().recorder.clone() {
        recorder.set_seed(is_hash_seed(&*caller));
    }
    let (memory, state) = guest::parts(caller)?;
    // The kernel's random bytes cost more than copied ones.
    spend(state, 512 + 8 * span.len.cast_unsigned() as usize)?;
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
    let env = &state.plugin.settings().env;
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
    spend(state, 64 * state.plugin.settings().env.len())?;
    let (mut pointer, mut at) = (pointers, bytes);
    let advance = |at: i32, by: usize| {
        let by = i32::try_from(by).ok()?;
        at.checked_add(by)
    };
    for entry in &state.plugin.settings().env {
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
