//! `proxy_continue_stream`, `proxy_close_stream`, `proxy_send_local_response`, and the calls that ABI 0.1.0 has instead.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use lockgate_abi::{Status, StreamType, decode_pairs};
use lockgate_exchange::LocalResponse;
use wasmtime::Linker;

use super::ENV;
use crate::calls::HostCall;
use crate::guest::{self, Caller, HostCallError, HostCallResult, Span, host_call};
use crate::report::{Refusal, RequestFault};
use crate::state::{State, text};
use crate::view::headers::local_headers;

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(
        ENV,
        HostCall::ContinueStream.name(),
        |caller: Caller<'_>, stream: i32| {
            host_call(
                caller,
                HostCall::ContinueStream,
                || [stream],
                |caller| resume(caller, StreamType::try_from(stream)?),
            )
        },
    )?;
    linker.func_wrap(ENV, HostCall::CloseStream.name(), |caller: Caller<'_>, stream: i32| {
        host_call(
            caller,
            HostCall::CloseStream,
            || [stream],
            |caller| close(caller, StreamType::try_from(stream)?),
        )
    })?;
    link_0_1_0(linker)?;
    link_local_response(linker)
}

/// Longer bodies of local responses count as memory of the plugin until they are sent.
const SMALL: usize = 4096;

/// The calls of ABI 0.1.0.
fn link_0_1_0(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(ENV, HostCall::ContinueRequest.name(), |caller: Caller<'_>| {
        host_call(
            caller,
            HostCall::ContinueRequest,
            || [],
            |caller| resume(caller, StreamType::HttpRequest),
        )
    })?;
    linker.func_wrap(ENV, HostCall::ContinueResponse.name(), |caller: Caller<'_>| {
        host_call(
            caller,
            HostCall::ContinueResponse,
            || [],
            |caller| resume(caller, StreamType::HttpResponse),
        )
    })?;
    linker.func_wrap(ENV, HostCall::ClearRouteCache.name(), |caller: Caller<'_>| {
        host_call(
            caller,
            HostCall::ClearRouteCache,
            || [],
            |caller| {
                caller.data_mut().request_reroute();
                Ok(())
            },
        )
    })?;
    Ok(())
}

fn link_local_response(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(
        ENV,
        HostCall::SendLocalResponse.name(),
        |caller: Caller<'_>,
         code: i32,
         details: i32,
         details_len: i32,
         body: i32,
         body_len: i32,
         headers: i32,
         headers_len: i32,
         grpc_status: i32| {
            host_call(
                caller,
                HostCall::SendLocalResponse,
                || {
                    [
                        code,
                        details,
                        details_len,
                        body,
                        body_len,
                        headers,
                        headers_len,
                        grpc_status,
                    ]
                },
                |caller| {
                    let details = Span::new(details, details_len);
                    let body = Span::new(body, body_len);
                    let headers = Span::new(headers, headers_len);
                    respond(caller, code, details, body, headers, grpc_status)
                },
            )
        },
    )?;
    Ok(())
}

fn resume(caller: &mut Caller<'_>, stream: StreamType) -> HostCallResult {
    let state = caller.data_mut();
    match stream {
        _ if !is_of(state, stream) => Ok(()),
        StreamType::HttpRequest | StreamType::Downstream => {
            Ok(state.request(|pending, position| pending.resume_request.set(position))?)
        }
        StreamType::HttpResponse | StreamType::Upstream => {
            Ok(state.request(|pending, position| pending.resume_response.set(position))?)
        }
    }
}

/// Whether the stream in effect is of this type: a request or a TCP connection. Continuing and closing the other type has no
/// effect, as in Envoy.
fn is_of(state: &State, stream: StreamType) -> bool {
    let exchange = state.effective.exchange.as_ref();
    let is_tcp = exchange.is_some_and(|exchange| exchange.borrow().tcp.is_some());
    is_tcp == matches!(stream, StreamType::Downstream | StreamType::Upstream)
}

fn close(caller: &mut Caller<'_>, stream: StreamType) -> HostCallResult {
    let state = caller.data_mut();
    if !is_of(state, stream) {
        return Ok(());
    }
    let closed = state.request(|pending, position| pending.close.set(position));
    match closed {
        Ok(()) => state.stopped(),
        Err(_) => state.refuse_stop(),
    }
    Ok(closed?)
}

/// Sends a local response. Only the first one of a stream counts. One that is refused must not let the request pass.
fn respond(
    caller: &mut Caller<'_>,
    code: i32,
    details: Span,
    body: Span,
    headers: Span,
    grpc_status: i32,
) -> HostCallResult {
    let (memory, state) = guest::parts(caller)?;
    let sent = match local_response(memory, state, code, details, body, headers) {
        Ok(None) => return Ok(()),
        Ok(Some(response)) => {
            let grpc_status = u32::try_from(grpc_status).ok();
            state.request(|pending, position| {
                pending.local_response.get_or_insert(LocalResponse {
                    grpc_status,
                    position,
                    ..response
                });
            })
        }
        Err(HostCallError::Status(status)) => Err(status),
        Err(trap) => return Err(trap),
    };
    match sent {
        Ok(()) => state.stopped(),
        Err(_) => state.refuse_stop(),
    }
    Ok(sent?)
}

/// Decodes a local response. `None` if it exceeds a limit, which ends the plugin's part in the stream.
fn local_response(
    memory: &[u8],
    state: &mut State,
    code: i32,
    details: Span,
    body: Span,
    headers: Span,
) -> Result<Option<LocalResponse>, HostCallError> {
    /// Maximum bytes of the details, which end up in a log line. The rest is cut off.
    const MAX_DETAILS: usize = 1024;
    if !is_of(state, StreamType::HttpRequest) {
        state.warn(format_args!("local response refused: a TCP connection has no response"));
        return Err(Status::BadArgument.into());
    }
    let status = u16::try_from(code)
        .ok()
        .and_then(|code| StatusCode::from_u16(code).ok());
    let Some(status) = status.filter(|status| (200..600).contains(&status.as_u16())) else {
        state.warn(format_args!("local response refused: {code} is no final status"));
        return Err(Status::BadArgument.into());
    };
    let details = text(guest::bytes(memory, details)?, MAX_DETAILS);
    let (body, headers) = (guest::bytes(memory, body)?, guest::bytes(memory, headers)?);
    let limits = &state.plugin.settings().limits;
    if body.len() as u64 > limits.local_response.bytes() {
        state.exceed_limit(RequestFault::LocalResponse, Refusal::LocalResponse);
        return Ok(None);
    }
    if headers.len() as u64 > limits.header_growth.bytes() {
        state.exceed_limit(RequestFault::HeaderGrowth, Refusal::Headers);
        return Ok(None);
    }
    state.spend(body.len() + 8 * headers.len())?;
    let pairs = decode_pairs(headers).map_err(|_| Status::BadArgument)?;
    let mut headers = match local_headers(pairs) {
        Ok(headers) => headers,
        Err(refused) => {
            state.warn(format_args!("local response refused: {refused}"));
            return Err(Status::BadArgument.into());
        }
    };
    if !body.is_empty() {
        headers
            .entry(CONTENT_TYPE)
            .or_insert(HeaderValue::from_static("text/plain"));
    }
    let body = if body.len() > SMALL {
        state.account.copy(body)
    } else {
        Some(Bytes::copy_from_slice(body))
    };
    let Some(body) = body else {
        state.exceed_limit(RequestFault::Memory, Refusal::Memory);
        return Ok(None);
    };
    Ok(Some(LocalResponse {
        status,
        details,
        headers,
        body,
        grpc_status: None,
        position: 0,
    }))
}
