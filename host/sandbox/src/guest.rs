//! The frame of every host call: permission, statistics, trace, results in guest memory. It does not know what a call does.
//!
//! Memory is fetched again whenever the guest has run, because it may have grown and moved. `memory` checks all accesses.

pub(crate) mod exports;

use lockgate_abi::{Status, UnknownKind};

use crate::budget::OutOfTime;
use crate::calls::trace::CallLine;
use crate::calls::{CallSet, HostCall};
use crate::report::Refusal;
use crate::state::State;

pub(crate) use crate::memory::{SCRATCH, Span, bytes, bytes_mut, write_u32, write_u64};

/// A guest in a host call.
pub(crate) type Caller<'a> = wasmtime::Caller<'a, State>;

/// The result of a host call.
pub(crate) type HostCallResult = Result<(), HostCallError>;

/// Why a host call failed.
pub(crate) enum HostCallError {
    /// The guest gets the status and continues.
    Status(Status),
    /// The guest trapped while it allocated memory for the result, or the host's work has used up its CPU time.
    Trap(wasmtime::Error),
}

impl From<OutOfTime> for HostCallError {
    fn from(error: OutOfTime) -> Self {
        Self::Trap(wasmtime::Error::new(error))
    }
}

impl From<Status> for HostCallError {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

impl From<UnknownKind> for HostCallError {
    fn from(_: UnknownKind) -> Self {
        Self::Status(Status::BadArgument)
    }
}

/// Out-pointers for the address and length of a result.
#[derive(Clone, Copy)]
pub(crate) struct ResultSlot {
    pub(crate) at: i32,
    pub(crate) len: i32,
}

impl ResultSlot {
    /// Whether the guest wants no result.
    pub(crate) const fn is_null(self) -> bool {
        self.at == 0 && self.len == 0
    }

    pub(crate) const fn new(at: i32, len: i32) -> Self {
        Self { at, len }
    }
}

/// Runs a host call, unless it is not callable now. `arguments` are its `i32` arguments, for traces. A 64-bit argument counts as
/// two, low half first.
pub(crate) fn host_call<const N: usize>(
    mut caller: Caller<'_>,
    call: HostCall,
    arguments: impl FnOnce() -> [i32; N],
    body: impl FnOnce(&mut Caller<'_>) -> HostCallResult,
) -> wasmtime::Result<i32> {
    let state = caller.data_mut();
    state.last_call = call.name();
    state.host_calls.calls += 1;
    if !state.callable.has(call) {
        return host_call_slow(&mut caller, call, &arguments(), body);
    }
    code(body(&mut caller))
}

fn code(result: HostCallResult) -> wasmtime::Result<i32> {
    match result {
        Ok(()) => Ok(Status::Ok.code()),
        Err(HostCallError::Status(status)) => Ok(status.code()),
        Err(HostCallError::Trap(trap)) => Err(trap),
    }
}

/// The slow path: the call is refused, or traced.
#[cold]
#[inline(never)]
fn host_call_slow(
    caller: &mut Caller<'_>,
    call: HostCall,
    arguments: &[i32],
    body: impl FnOnce(&mut Caller<'_>) -> HostCallResult,
) -> wasmtime::Result<i32> {
    let Some((trace, callable)) = caller.data().traced() else {
        return Ok(refuse(caller, call, arguments).code());
    };
    let memory = parts(caller).map_or(&[][..], |(memory, _)| memory);
    let line = CallLine::begin(memory, call, arguments, trace.payloads());
    let begun = caller.data().host.now();
    let result = if callable.has(call) {
        body(caller)
    } else {
        Err(refuse(caller, call, arguments).into())
    };
    let took = caller.data().host.now().saturating_duration_since(begun);
    let status = match &result {
        Ok(()) => Status::Ok.name(),
        Err(HostCallError::Status(status)) => status.name(),
        Err(HostCallError::Trap(_)) => "TRAP",
    };
    let memory = parts(caller).map_or(&[][..], |(memory, _)| memory);
    let line = line.end(memory, arguments, result.is_ok());
    caller.data().log_call(&trace, &line, status, took);
    code(result)
}

#[cold]
fn refuse(caller: &mut Caller<'_>, call: HostCall, arguments: &[i32]) -> Status {
    // Without memory there is no name of a header, either.
    if let Ok((memory, state)) = parts(caller) {
        state.refuse_call(memory, call, arguments);
    }
    let state = caller.data_mut();
    if state.permitted.has(call) {
        state.warn(format_args!(
            "the call is not possible while the guest initialises itself or allocates memory"
        ));
        return Status::InternalFailure;
    }
    state.refuse(Refusal::CapabilityHostCall);
    if !state.logged_refusals.has(call) {
        state.logged_refusals = state.logged_refusals.with(call);
        state.warn(format_args!("capabilities.host_calls does not allow this call"));
    }
    call.accepted().refusal()
}

/// The guest's memory and the VM's state.
pub(crate) fn parts<'a>(caller: &'a mut Caller<'_>) -> Result<(&'a mut [u8], &'a mut State), Status> {
    let memory = match caller.data().memory {
        Some(memory) => memory,
        // During the module's start function: exports have not been looked up yet.
        None => caller
            .get_export("memory")
            .and_then(wasmtime::Extern::into_memory)
            .ok_or(Status::InvalidMemoryAccess)?,
    };
    Ok(memory.data_and_store_mut(caller))
}

/// Returns a result of `length` bytes to the guest: allocates guest memory, lets `fill` write to it, and writes the out-pointers.
/// An empty result allocates nothing.
///
/// `fill` gets the state and looks up again what it copies, because no borrow can last while the guest allocates. The guest
/// cannot change it meanwhile.
pub(crate) fn write_result(
    caller: &mut Caller<'_>,
    out: ResultSlot,
    length: usize,
    fill: impl FnOnce(&mut [u8], &State) -> Option<()>,
) -> HostCallResult {
    let (memory, state) = parts(caller)?;
    // A wild out-pointer is reported before the allocation, which would leak in the guest.
    write_u32(memory, out.at, 0)?;
    write_u32(memory, out.len, 0)?;
    if length == 0 {
        return Ok(());
    }
    let size = u32::try_from(length).map_err(|_| Status::InternalFailure)?;
    let lent = state.scratch.filter(|_| length <= SCRATCH);
    if let Some(at) = lent {
        return write_at(memory, state, out, (at.get(), size), fill);
    }
    state.spend(length)?;
    let at = allocate(caller, size)?;
    let (memory, state) = parts(caller)?;
    write_at(memory, state, out, (at, size), fill)
}

/// Lets `fill` write a result of `size` bytes to `at`, and writes the out-pointers.
fn write_at(
    memory: &mut [u8],
    state: &mut State,
    out: ResultSlot,
    (at, size): (u32, u32),
    fill: impl FnOnce(&mut [u8], &State) -> Option<()>,
) -> HostCallResult {
    let target = bytes_mut(memory, Span::new(at.cast_signed(), size.cast_signed()))?;
    fill(target, state).ok_or(Status::InternalFailure)?;
    state.host_calls.copied_bytes += u64::from(size);
    write_u32(memory, out.at, at)?;
    write_u32(memory, out.len, size)?;
    Ok(())
}

/// Returns bytes to the guest.
pub(crate) fn write_result_bytes(caller: &mut Caller<'_>, out: ResultSlot, bytes: &[u8]) -> HostCallResult {
    write_result(caller, out, bytes.len(), |target, _| {
        target.copy_from_slice(bytes);
        Some(())
    })
}

fn allocate(caller: &mut Caller<'_>, size: u32) -> Result<u32, HostCallError> {
    let state = caller.data_mut();
    let function = state.allocate.clone().ok_or(Status::InternalFailure)?;
    let callable = state.callable;
    state.callable = CallSet::ALLOCATING.and(state.permitted);
    let allocated = function.call(&mut *caller, size);
    caller.data_mut().callable = callable;
    match allocated {
        Ok(0) => Err(HostCallError::Status(Status::InvalidMemoryAccess)),
        Ok(at) => Ok(at),
        Err(trap) => Err(HostCallError::Trap(trap)),
    }
}
