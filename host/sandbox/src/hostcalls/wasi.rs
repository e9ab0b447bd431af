//! WASI, as far as run-times of languages need it to come up: clocks, random bytes, the environment, the standard streams.
//!
//! There are no files and no sockets: those calls exist, so that modules link, and answer that there is no such descriptor.
//! Offered under both of its module names. Source: the witx of preview 0 and preview 1 in the WebAssembly/WASI repository.
//! `tests/wasi` compares every function with wasmtime's own implementation; docs/decisions/wasi.md has the differences' reasons.

mod absent;
mod clocks;
mod descriptors;
mod hash_seed;
mod poll;
mod process;
mod streams;

use lockgate_abi::Status;
use wasmtime::Linker;

use crate::budget::OutOfTime;
use crate::guest::Caller;
use crate::state::State;

pub(crate) use process::Exit;

/// The names under which modules import WASI.
pub(super) const MODULES: [&str; 2] = ["wasi_snapshot_preview1", "wasi_unstable"];

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let [one, zero] = MODULES;
    for (module, preview) in [(one, Preview::One), (zero, Preview::Zero)] {
        streams::link(linker, module)?;
        descriptors::link(linker, module, preview)?;
        clocks::link(linker, module)?;
        poll::link(linker, module, preview)?;
        process::link(linker, module)?;
        absent::link(linker, module)?;
    }
    Ok(())
}

/// The edition of WASI: some records have another layout in each.
#[derive(Clone, Copy)]
enum Preview {
    Zero,
    One,
}

/// Whether there is a function of this name.
pub(super) fn offers(name: &str) -> bool {
    let known = [
        streams::NAMES,
        descriptors::NAMES,
        clocks::NAMES,
        poll::NAMES,
        process::NAMES,
    ];
    known.iter().any(|names| names.contains(&name)) || absent::offers(name)
}

/// WASI's own error numbers.
#[derive(Clone, Copy)]
enum Errno {
    Success = 0,
    BadDescriptor = 8,
    Fault = 21,
    Invalid = 28,
    Io = 29,
    NotDirectory = 54,
    NotSocket = 57,
    NotSupported = 58,
    InvalidSeek = 70,
}

impl Errno {
    /// WASI's name for it.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "OK",
            Self::BadDescriptor => "BADF",
            Self::Fault => "FAULT",
            Self::Invalid => "INVAL",
            Self::Io => "IO",
            Self::NotDirectory => "NOTDIR",
            Self::NotSocket => "NOTSOCK",
            Self::NotSupported => "NOTSUP",
            Self::InvalidSeek => "SPIPE",
        }
    }
}

/// Whatever is wrong with a pointer is a fault here.
impl From<Status> for Errno {
    fn from(_: Status) -> Self {
        Self::Fault
    }
}

fn errno(result: Result<(), Errno>) -> i32 {
    match result {
        Ok(()) => Errno::Success as i32,
        Err(errno) => errno as i32,
    }
}

/// Charges the callback with work of the host. The call ends, and the guest with it, when the time is used up.
fn spend(state: &mut State, steps: usize) -> Result<(), Errno> {
    state.spend(steps).map_err(|OutOfTime| Errno::Io)
}

/// Runs a call of WASI's, which nobody restricts.
fn call<const N: usize>(
    mut caller: Caller<'_>,
    name: &'static str,
    arguments: [i32; N],
    body: impl FnOnce(&mut Caller<'_>) -> Result<(), Errno>,
) -> wasmtime::Result<i32> {
    let state = caller.data_mut();
    state.last_call = name;
    let trace = state.traced().map(|(trace, _)| (trace, state.host.now()));
    let answer = body(&mut caller);
    if let Some((trace, begun)) = trace {
        let (state, word) = (caller.data(), answer.map_or_else(Errno::as_str, |()| "OK"));
        let took = state.host.now().saturating_duration_since(begun);
        state.log_call(&trace, &format!("{name}{arguments:?}"), word, took);
    }
    if caller.data().budget.exceeded {
        return Err(wasmtime::Error::new(OutOfTime));
    }
    Ok(errno(answer))
}

/// Links a call that takes two numbers, as most do.
fn link_pair(
    linker: &mut Linker<State>,
    module: &str,
    name: &'static str,
    body: fn(&mut Caller<'_>, i32, i32) -> Result<(), Errno>,
) -> wasmtime::Result<()> {
    let wrapped =
        move |caller: Caller<'_>, one: i32, two: i32| call(caller, name, [one, two], |caller| body(caller, one, two));
    linker.func_wrap(module, name, wrapped).map(drop)
}
