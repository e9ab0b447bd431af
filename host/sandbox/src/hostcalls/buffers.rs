//! `proxy_get_buffer_bytes`, `proxy_get_buffer_status`, `proxy_set_buffer_bytes`.

use bytes::Bytes;
use lockgate_abi::{BufferType, Status};
use lockgate_exchange::{BodyBuffer, Direction, Exchange};
use wasmtime::Linker;

use super::ENV;
use crate::calls::HostCall;
use crate::guest::{self, Caller, HostCallResult, ResultSlot, Span, host_call};
use crate::host::GrpcEvent;
use crate::report::{Refusal, RequestFault};
use crate::state::{Phase, State};

/// What a call costs besides its bytes, in steps ([`State::spend`]): it passes the pieces of a body.
const PER_CALL: usize = 256;

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(
        ENV,
        HostCall::GetBufferBytes.name(),
        |caller: Caller<'_>, kind: i32, start: i32, max: i32, at: i32, len: i32| {
            host_call(
                caller,
                HostCall::GetBufferBytes,
                || [kind, start, max, at, len],
                |caller| read(caller, kind, start, max, ResultSlot::new(at, len)),
            )
        },
    )?;
    linker.func_wrap(
        ENV,
        HostCall::GetBufferStatus.name(),
        |caller: Caller<'_>, kind: i32, length: i32, flags: i32| {
            host_call(
                caller,
                HostCall::GetBufferStatus,
                || [kind, length, flags],
                |caller| status(caller, kind, length, flags),
            )
        },
    )?;
    linker.func_wrap(
        ENV,
        HostCall::SetBufferBytes.name(),
        |caller: Caller<'_>, kind: i32, start: i32, size: i32, at: i32, len: i32| {
            host_call(
                caller,
                HostCall::SetBufferBytes,
                || [kind, start, size, at, len],
                |caller| write(caller, kind, start, size, Span::new(at, len)),
            )
        },
    )?;
    Ok(())
}

/// Reads as many of the bytes as there are.
fn read(caller: &mut Caller<'_>, kind: i32, start: i32, max: i32, out: ResultSlot) -> HostCallResult {
    let kind = BufferType::try_from(kind)?;
    caller.data_mut().spend(PER_CALL)?;
    let start = start.cast_unsigned() as usize;
    let length = length(caller.data(), kind)?
        .saturating_sub(start)
        .min(max.cast_unsigned() as usize);
    guest::write_result(caller, out, length, |target, state| copy(state, kind, start, target))
}

fn status(caller: &mut Caller<'_>, kind: i32, length_out: i32, flags_out: i32) -> HostCallResult {
    let kind = BufferType::try_from(kind)?;
    let (memory, state) = guest::parts(caller)?;
    let length = u32::try_from(length(state, kind)?).map_err(|_| Status::InternalFailure)?;
    guest::write_u32(memory, length_out, length)?;
    Ok(guest::write_u32(memory, flags_out, 0)?)
}

fn write(caller: &mut Caller<'_>, kind: i32, start: i32, size: i32, data: Span) -> HostCallResult {
    let kind = BufferType::try_from(kind)?;
    let (memory, state) = guest::parts(caller)?;
    let data = match guest::bytes(memory, data) {
        Ok(data) => data,
        Err(status) => {
            state.refuse_body(kind);
            return Err(status.into());
        }
    };
    if plain(state, kind).is_some() {
        return Err(Status::BadArgument.into());
    }
    state.spend(PER_CALL)?;
    let (start, size) = (start.cast_unsigned() as usize, size.cast_unsigned() as usize);
    let limit = state.plugin.settings().limits.body_growth.as_usize();
    {
        let exchange = state.effective.exchange.as_ref().ok_or(Status::NotFound)?;
        let mut exchange = exchange.borrow_mut();
        let body = body_mut(&mut exchange, kind, state.effective.position, state.phase).ok_or(Status::NotFound)?;
        let replaced = body.replaced(start, size);
        if data.len() > replaced && (body.len() - replaced).saturating_add(data.len()) > limit {
            // The larger body would be in the host's memory, because of the plugin.
            drop(exchange);
            state.exceed_limit(RequestFault::BodyGrowth, Refusal::Body);
            return Ok(());
        }
    }
    state.spend(data.len())?;
    // What a plugin writes counts as its memory until it is sent. Nothing takes nothing.
    let data = if data.is_empty() {
        Some(Bytes::new())
    } else {
        state.account.copy(data)
    };
    let Some(data) = data else {
        state.exceed_limit(RequestFault::Memory, Refusal::Memory);
        return Ok(());
    };
    let exchange = state.effective.exchange.as_ref().ok_or(Status::NotFound)?;
    let mut exchange = exchange.borrow_mut();
    if let Some(body) = body_mut(&mut exchange, kind, state.effective.position, state.phase) {
        body.replace(start, size, data);
    }
    Ok(())
}

fn length(state: &State, kind: BufferType) -> Result<usize, Status> {
    match kind {
        BufferType::HttpRequestBody
        | BufferType::HttpResponseBody
        | BufferType::DownstreamData
        | BufferType::UpstreamData => {
            let exchange = state.effective.exchange.as_ref().ok_or(Status::NotFound)?.borrow();
            let body = body(&exchange, kind, state.effective.position, state.phase);
            Ok(body.ok_or(Status::NotFound)?.len())
        }
        _ => plain(state, kind).map(<[u8]>::len).ok_or(Status::NotFound),
    }
}

fn copy(state: &State, kind: BufferType, start: usize, target: &mut [u8]) -> Option<()> {
    match kind {
        BufferType::HttpRequestBody
        | BufferType::HttpResponseBody
        | BufferType::DownstreamData
        | BufferType::UpstreamData => {
            let exchange = state.effective.exchange.as_ref()?.borrow();
            let read = body(&exchange, kind, state.effective.position, state.phase)?.read(start, target);
            (read == target.len()).then_some(())
        }
        _ => {
            let bytes = plain(state, kind)?;
            target.copy_from_slice(bytes.get(start..start.checked_add(target.len())?)?);
            Some(())
        }
    }
}

/// Read-only buffers.
fn plain(state: &State, kind: BufferType) -> Option<&[u8]> {
    match kind {
        BufferType::HttpCallResponseBody => Some(&state.callout_response.as_ref()?.as_ref().ok()?.body),
        BufferType::GrpcReceiveBuffer => match state.grpc_event.as_ref()? {
            GrpcEvent::Message(message) => Some(message),
            _ => None,
        },
        BufferType::VmConfiguration => Some(&state.plugin.settings().vm_config),
        BufferType::PluginConfiguration => Some(&state.plugin.settings().config),
        _ => None,
    }
}

/// The bytes of a buffer. A request has bodies: those that its plugin holds, or that of the running body callback. A TCP
/// connection has buffers per plugin.
fn body(exchange: &Exchange, kind: BufferType, position: usize, phase: Phase) -> Option<&BodyBuffer> {
    let (direction, current) = match (kind, &exchange.tcp) {
        (BufferType::HttpRequestBody, None) => (Direction::Request, &exchange.request_body),
        (BufferType::HttpResponseBody, None) => (Direction::Response, &exchange.response_body),
        (kind, Some(plugins)) => {
            let buffer = plugins.get(position)?.of(tcp_direction(kind)?);
            return is_there(phase, kind, buffer.is_empty()).then_some(buffer);
        }
        _ => return None,
    };
    let held = exchange.held.find(position, direction);
    held.or_else(|| is_there(phase, kind, current.is_empty()).then_some(current))
}

fn body_mut(exchange: &mut Exchange, kind: BufferType, position: usize, phase: Phase) -> Option<&mut BodyBuffer> {
    let (direction, current) = match (kind, &mut exchange.tcp) {
        (BufferType::HttpRequestBody, None) => (Direction::Request, &mut exchange.request_body),
        (BufferType::HttpResponseBody, None) => (Direction::Response, &mut exchange.response_body),
        (kind, Some(plugins)) => {
            let buffer = plugins.get_mut(position)?.of_mut(tcp_direction(kind)?);
            return is_there(phase, kind, buffer.is_empty()).then_some(buffer);
        }
        _ => return None,
    };
    let held = exchange.held.find_mut(position, direction);
    held.or_else(|| is_there(phase, kind, current.is_empty()).then_some(current))
}

fn tcp_direction(kind: BufferType) -> Option<Direction> {
    match kind {
        BufferType::DownstreamData => Some(Direction::Request),
        BufferType::UpstreamData => Some(Direction::Response),
        _ => None,
    }
}

/// Whether a body exists: it has bytes, or the running callback is its own.
fn is_there(phase: Phase, kind: BufferType, empty: bool) -> bool {
    !empty
        || matches!(
            (phase, kind),
            (Phase::RequestBody, BufferType::HttpRequestBody)
                | (Phase::ResponseBody, BufferType::HttpResponseBody)
                | (Phase::DownstreamData, BufferType::DownstreamData)
                | (Phase::UpstreamData, BufferType::UpstreamData)
        )
}
