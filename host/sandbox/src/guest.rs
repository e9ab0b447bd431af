//! The guest's memory, and the frame around every host call: nothing here knows what a call means.
//!
//! Pointers and lengths from a guest are checked here and nowhere else. Memory is fetched anew after the guest has run, as it
//! may have grown and moved.

use lockgate_abi::{Status, UnknownKind};

use crate::calls::{CallSet, HostCall};
use crate::incident::Refusal;
use crate::state::State;

/// A guest in the middle of a host call.
pub(crate) type Caller<'a> = wasmtime::Caller<'a, State>;

/// What a host call comes to.
pub(crate) type Answer = Result<(), Halt>;

/// Why a host call did not do what it was asked.
pub(crate) enum Halt {
    /// The guest is told, and goes on.
    Status(Status),
    /// The guest has trapped while it allocated memory for the answer; it is over.
    Trap(wasmtime::Error),
}

impl From<Status> for Halt {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

impl From<UnknownKind> for Halt {
    fn from(_: UnknownKind) -> Self {
        Self::Status(Status::BadArgument)
    }
}

/// A pointer and a length as the guest gave them.
#[derive(Clone, Copy)]
pub(crate) struct Span {
    pub(crate) at: i32,
    pub(crate) len: i32,
}

impl Span {
    pub(crate) const fn new(at: i32, len: i32) -> Self {
        Self { at, len }
    }
}

/// Where the guest wants the pointer to, and the length of, a result.
#[derive(Clone, Copy)]
pub(crate) struct Out {
    pub(crate) at: i32,
    pub(crate) len: i32,
}

impl Out {
    /// The guest wants no result.
    pub(crate) const fn is_null(self) -> bool {
        self.at == 0 && self.len == 0
    }

    pub(crate) const fn new(at: i32, len: i32) -> Self {
        Self { at, len }
    }
}

/// Runs a host call, unless it is not to be had now.
pub(crate) fn host_call(
    mut caller: Caller<'_>,
    call: HostCall,
    body: impl FnOnce(&mut Caller<'_>) -> Answer,
) -> wasmtime::Result<i32> {
    let state = caller.data_mut();
    state.last_call = call.name();
    state.work.calls += 1;
    if !state.callable.has(call) {
        return Ok(refuse(state, call).code());
    }
    match body(&mut caller) {
        Ok(()) => Ok(Status::Ok.code()),
        Err(Halt::Status(status)) => Ok(status.code()),
        Err(Halt::Trap(trap)) => Err(trap),
    }
}

#[cold]
fn refuse(state: &mut State, call: HostCall) -> Status {
    if state.permitted.has(call) {
        state.note(format_args!(
            "the call is not possible while the guest initialises itself or allocates memory"
        ));
        return Status::InternalFailure;
    }
    state.refuse(Refusal::CapabilityHostCall);
    if !state.told.has(call) {
        state.told = state.told.with(call);
        state.note(format_args!(
            "capabilities.host_calls does not name this call, so it is refused"
        ));
    }
    call.accepted().refusal()
}

/// The guest's memory and the VM's state, side by side.
pub(crate) fn parts<'a>(caller: &'a mut Caller<'_>) -> Result<(&'a mut [u8], &'a mut State), Status> {
    let memory = match caller.data().memory {
        Some(memory) => memory,
        // Only while the module's own start function runs: its exports have not been looked up yet.
        None => caller
            .get_export("memory")
            .and_then(wasmtime::Extern::into_memory)
            .ok_or(Status::InvalidMemoryAccess)?,
    };
    Ok(memory.data_and_store_mut(caller))
}

/// The bytes that a span names.
pub(crate) fn bytes(memory: &[u8], span: Span) -> Result<&[u8], Status> {
    let start = span.at.cast_unsigned() as usize;
    let end = start
        .checked_add(span.len.cast_unsigned() as usize)
        .ok_or(Status::InvalidMemoryAccess)?;
    memory.get(start..end).ok_or(Status::InvalidMemoryAccess)
}

/// The same, to be written to.
pub(crate) fn bytes_mut(memory: &mut [u8], span: Span) -> Result<&mut [u8], Status> {
    let start = span.at.cast_unsigned() as usize;
    let end = start
        .checked_add(span.len.cast_unsigned() as usize)
        .ok_or(Status::InvalidMemoryAccess)?;
    memory.get_mut(start..end).ok_or(Status::InvalidMemoryAccess)
}

/// The text that a span names.
pub(crate) fn text(memory: &[u8], span: Span) -> Result<&str, Status> {
    std::str::from_utf8(bytes(memory, span)?).map_err(|_| Status::BadArgument)
}

/// Writes a `u32` where an out-pointer points.
pub(crate) fn write_u32(memory: &mut [u8], at: i32, value: u32) -> Result<(), Status> {
    bytes_mut(memory, Span::new(at, 4))?.copy_from_slice(&value.to_le_bytes());
    Ok(())
}

/// Writes a `u64` where an out-pointer points.
pub(crate) fn write_u64(memory: &mut [u8], at: i32, value: u64) -> Result<(), Status> {
    bytes_mut(memory, Span::new(at, 8))?.copy_from_slice(&value.to_le_bytes());
    Ok(())
}

/// Gives the guest a result of `length` bytes: has it allocate memory, lets `fill` write there, and tells it where that is.
/// Nothing is allocated for an empty result.
///
/// `fill` gets the state too, and looks up again what it copies: while the guest allocates it can change nothing there, but no
/// borrow may last that long.
pub(crate) fn give(
    caller: &mut Caller<'_>,
    out: Out,
    length: usize,
    fill: impl FnOnce(&mut [u8], &State) -> Option<()>,
) -> Answer {
    let (memory, _) = parts(caller)?;
    // A wild out-pointer is told before anything is allocated, which the guest would leak.
    write_u32(memory, out.at, 0)?;
    write_u32(memory, out.len, 0)?;
    if length == 0 {
        return Ok(());
    }
    let size = u32::try_from(length).map_err(|_| Status::InternalFailure)?;
    let at = allocate(caller, size)?;
    let (memory, state) = parts(caller)?;
    let target = bytes_mut(memory, Span::new(at.cast_signed(), size.cast_signed()))?;
    fill(target, state).ok_or(Status::InternalFailure)?;
    state.work.copied += u64::from(size);
    write_u32(memory, out.at, at)?;
    write_u32(memory, out.len, size)?;
    Ok(())
}

/// Gives the guest bytes that the host holds.
pub(crate) fn give_bytes(caller: &mut Caller<'_>, out: Out, bytes: &[u8]) -> Answer {
    give(caller, out, bytes.len(), |target, _| {
        target.copy_from_slice(bytes);
        Some(())
    })
}

fn allocate(caller: &mut Caller<'_>, size: u32) -> Result<u32, Halt> {
    let state = caller.data_mut();
    let function = state.allocate.clone().ok_or(Status::InternalFailure)?;
    let callable = state.callable;
    state.callable = CallSet::ALLOCATING.and(state.permitted);
    let allocated = function.call(&mut *caller, size);
    caller.data_mut().callable = callable;
    match allocated {
        Ok(0) => Err(Halt::Status(Status::InvalidMemoryAccess)),
        Ok(at) => Ok(at),
        Err(trap) => Err(Halt::Trap(trap)),
    }
}
