//! `proxy_*_shared_queue`.

use lockgate_abi::Status;
use wasmtime::Linker;

use super::ENV;
use crate::calls::HostCall;
use crate::guest::{self, Caller, HostCallError, HostCallResult, ResultSlot, Span, host_call};
use crate::host::QueueTarget;
use crate::report::Refusal;
use crate::state::State;

/// The id for a guest when there are too many queues. Such a queue does not exist.
const NO_QUEUE: u32 = u32::MAX;

/// Longer names are refused, and not found.
const MAX_NAME: usize = 4096;
/// What a call costs besides its bytes, in steps ([`State::spend`]).
const PER_CALL: usize = 512;

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(
        ENV,
        HostCall::RegisterSharedQueue.name(),
        |caller: Caller<'_>, at: i32, len: i32, out: i32| {
            host_call(
                caller,
                HostCall::RegisterSharedQueue,
                || [at, len, out],
                |caller| register(caller, Span::new(at, len), out),
            )
        },
    )?;
    linker.func_wrap(
        ENV,
        HostCall::ResolveSharedQueue.name(),
        |caller: Caller<'_>, vm: i32, vm_len: i32, name: i32, name_len: i32, out: i32| {
            host_call(
                caller,
                HostCall::ResolveSharedQueue,
                || [vm, vm_len, name, name_len, out],
                |caller| resolve(caller, Span::new(vm, vm_len), Span::new(name, name_len), out),
            )
        },
    )?;
    linker.func_wrap(
        ENV,
        HostCall::EnqueueSharedQueue.name(),
        |caller: Caller<'_>, queue: i32, at: i32, len: i32| {
            host_call(
                caller,
                HostCall::EnqueueSharedQueue,
                || [queue, at, len],
                |caller| enqueue(caller, queue, Span::new(at, len)),
            )
        },
    )?;
    linker.func_wrap(
        ENV,
        HostCall::DequeueSharedQueue.name(),
        |caller: Caller<'_>, queue: i32, at: i32, len: i32| {
            host_call(
                caller,
                HostCall::DequeueSharedQueue,
                || [queue, at, len],
                |caller| dequeue(caller, queue, ResultSlot::new(at, len)),
            )
        },
    )?;
    Ok(())
}

/// The name of a queue or a VM. `None` for one that is too long.
fn name<'m>(memory: &'m [u8], state: &mut State, name: Span) -> Result<Option<&'m str>, HostCallError> {
    let name = guest::bytes(memory, name)?;
    state.spend(PER_CALL)?;
    if name.len() > MAX_NAME {
        return Ok(None);
    }
    Ok(Some(std::str::from_utf8(name).map_err(|_| Status::BadArgument)?))
}

fn register(caller: &mut Caller<'_>, name: Span, out: i32) -> HostCallResult {
    let (memory, state) = guest::parts(caller)?;
    let callbacks = state.callbacks.clone().ok_or(Status::InternalFailure)?;
    let registered = match self::name(memory, state, name)? {
        Some(name) => state
            .host
            .register_queue(&state.plugin.settings().vm_id, name, QueueTarget::new(callbacks)),
        None => Err(Status::InternalFailure),
    };
    let queue = match registered {
        Ok((queue, subscription)) => {
            // The subscription before, to the same queue, ends after it.
            state.queues.insert(queue, subscription);
            state.ids.guest_queue(queue)
        }
        Err(Status::InternalFailure) => {
            state.warn(format_args!(
                "queue refused: too many queues, or a name above {MAX_NAME} bytes"
            ));
            state.refuse(Refusal::Queue);
            NO_QUEUE
        }
        Err(status) => return Err(status.into()),
    };
    Ok(guest::write_u32(memory, out, queue)?)
}

fn resolve(caller: &mut Caller<'_>, vm: Span, name: Span, out: i32) -> HostCallResult {
    let (memory, state) = guest::parts(caller)?;
    let (vm, name) = (self::name(memory, state, vm)?, self::name(memory, state, name)?);
    let (vm, name) = vm.zip(name).ok_or(Status::NotFound)?;
    // As in Envoy, an empty `vm_id` is the plugin's own.
    let vm = if vm.is_empty() {
        &state.plugin.settings().vm_id
    } else {
        vm
    };
    let queue = state.host.resolve_queue(vm, name).ok_or(Status::NotFound)?;
    Ok(guest::write_u32(memory, out, state.ids.guest_queue(queue))?)
}

fn enqueue(caller: &mut Caller<'_>, queue: i32, value: Span) -> HostCallResult {
    let (memory, state) = guest::parts(caller)?;
    let value = guest::bytes(memory, value)?;
    state.spend(PER_CALL + value.len())?;
    // A queue holds the value for its sender.
    let put = match state.account.copy(value) {
        Some(value) => state.host.enqueue(state.ids.queue(queue.cast_unsigned()), value),
        None => Err(Status::InternalFailure),
    };
    if put == Err(Status::InternalFailure) {
        state.refuse(Refusal::Queue);
        return Err(HostCall::EnqueueSharedQueue.accepted().refusal().into());
    }
    Ok(put?)
}

fn dequeue(caller: &mut Caller<'_>, queue: i32, out: ResultSlot) -> HostCallResult {
    let state = caller.data();
    let value = state.host.dequeue(state.ids.queue(queue.cast_unsigned()))?;
    guest::write_result_bytes(caller, out, &value)
}
