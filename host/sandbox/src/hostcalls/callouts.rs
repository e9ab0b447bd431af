//! `proxy_http_call`, `proxy_get_status`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use lockgate_abi::{Status, decode_pairs};
use lockgate_exchange::RequestHead;
use wasmtime::Linker;

use super::ENV;
use crate::calls::HostCall;
use crate::guest::{self, Caller, HostCallError, HostCallResult, ResultSlot, Span, host_call};
use crate::host::{Callout, CalloutFailure, CalloutReply, GrpcEvent};
use crate::report::Refusal;
use crate::state::{OpenCallout, ROOT, State};
use crate::view::headers::{FieldError, HeaderError, callout_head, trailers};

/// Longer names of upstreams are unknown.
const MAX_UPSTREAM: usize = 1024;
/// What a callout costs besides its bytes, in steps ([`State::spend`]).
const PER_CALL: usize = 8192;

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(
        ENV,
        HostCall::HttpCall.name(),
        |caller: Caller<'_>,
         upstream: i32,
         upstream_len: i32,
         headers: i32,
         headers_len: i32,
         body: i32,
         body_len: i32,
         trailers: i32,
         trailers_len: i32,
         milliseconds: i32,
         out: i32| {
            host_call(
                caller,
                HostCall::HttpCall,
                || {
                    [
                        upstream,
                        upstream_len,
                        headers,
                        headers_len,
                        body,
                        body_len,
                        trailers,
                        trailers_len,
                        milliseconds,
                        out,
                    ]
                },
                |caller| {
                    let request = Request {
                        upstream: Span::new(upstream, upstream_len),
                        headers: Span::new(headers, headers_len),
                        body: Span::new(body, body_len),
                        trailers: Span::new(trailers, trailers_len),
                        milliseconds,
                    };
                    http_call(caller, &request, out)
                },
            )
        },
    )?;
    linker.func_wrap(
        ENV,
        HostCall::GetStatus.name(),
        |caller: Caller<'_>, code: i32, at: i32, len: i32| {
            host_call(
                caller,
                HostCall::GetStatus,
                || [code, at, len],
                |caller| status(caller, code, ResultSlot::new(at, len)),
            )
        },
    )?;
    Ok(())
}

struct Request {
    upstream: Span,
    headers: Span,
    body: Span,
    trailers: Span,
    milliseconds: i32,
}

fn http_call(caller: &mut Caller<'_>, request: &Request, out: i32) -> HostCallResult {
    let (memory, state) = guest::parts(caller)?;
    guest::bytes(memory, request.body)?;
    let upstream = upstream(memory, request.upstream)?;
    let timeout = timeout(request.milliseconds)?;
    let (head, trailers) = match heads(memory, state, request, upstream)? {
        Ok(heads) => heads,
        Err(refused) => {
            state.warn(format_args!("callout refused: {refused}"));
            return Err(Status::BadArgument.into());
        }
    };
    if !may_call(state, upstream) {
        return Err(Status::BadArgument.into());
    }
    has_room(state)?;
    let upstream = upstream.to_owned();
    // The out-pointer is checked before anything is sent.
    guest::write_u32(memory, out, 0)?;
    let body = guest::bytes(memory, request.body)?;
    state.spend(body.len())?;
    let callout = Callout {
        upstream,
        head,
        body: held(state, body).ok_or(Status::InternalFailure)?,
        trailers,
        timeout,
        request_id: state.request_id(),
    };
    let id = start(state, callout)?;
    Ok(guest::write_u32(memory, out, id)?)
}

/// The name of an upstream. No upstream has one that is longer than [`MAX_UPSTREAM`].
fn upstream(memory: &[u8], name: Span) -> Result<&str, Status> {
    let name = guest::bytes(memory, name)?;
    if name.len() > MAX_UPSTREAM {
        return Err(Status::BadArgument);
    }
    std::str::from_utf8(name).map_err(|_| Status::BadArgument)
}

/// Headers, and trailers if there are any.
type Heads = (RequestHead, Option<HeaderMap>);

fn heads(
    memory: &[u8],
    state: &mut State,
    request: &Request,
    upstream: &str,
) -> Result<Result<Heads, FieldError>, HostCallError> {
    let (headers, fields) = (
        guest::bytes(memory, request.headers)?,
        guest::bytes(memory, request.trailers)?,
    );
    let limit = state.plugin.settings().limits.header_growth.as_usize();
    let bytes = headers.len().saturating_add(fields.len());
    if bytes > limit {
        return Ok(Err(FieldError::new(b"the map", HeaderError::TooMany)));
    }
    state.spend(PER_CALL + 8 * bytes)?;
    let pairs = |bytes| decode_pairs(bytes).map_err(|_| Status::BadArgument);
    let (head, fields) = (callout_head(pairs(headers)?, upstream), trailers(pairs(fields)?));
    Ok(head.and_then(|head| Ok((head, Some(fields?).filter(|fields| !fields.is_empty())))))
}

/// Whether the guest may call this upstream now. A refusal is logged and counted.
pub(super) fn may_call(state: &mut State, upstream: &str) -> bool {
    let settings = state.plugin.settings();
    let allowed = settings.capabilities.upstreams.as_ref();
    if allowed.is_some_and(|allowed| !allowed.iter().any(|name| name == upstream)) {
        state.warn(format_args!("capabilities.upstreams does not allow {upstream:?}"));
        state.refuse(Refusal::CapabilityUpstream);
        return false;
    }
    true
}

/// Whether the limits on callouts are not reached.
///
/// # Errors
/// [`Status::InternalFailure`]; the refusal is logged and counted.
pub(super) fn has_room(state: &mut State) -> Result<(), Status> {
    let Some(limit) = too_many(state) else { return Ok(()) };
    state.warn(format_args!("callout refused: {limit} are in progress already"));
    state.refuse(Refusal::Callout);
    Err(Status::InternalFailure)
}

/// Bytes to be sent, which count as the plugin's memory until then. `None` without room for them; the refusal is logged and
/// counted.
pub(super) fn held(state: &mut State, bytes: &[u8]) -> Option<Bytes> {
    if bytes.is_empty() {
        return Some(Bytes::new());
    }
    let copy = state.account.copy(bytes);
    if copy.is_none() {
        let bytes = bytes.len();
        state.warn(format_args!(
            "callout refused: limits.memory leaves no room for {bytes} bytes to be sent"
        ));
        state.refuse(Refusal::Memory);
    }
    copy
}

/// The limit on callouts in progress that is reached, if one is.
fn too_many(state: &State) -> Option<&'static str> {
    let limits = &state.plugin.settings().limits;
    let under_way = state.callouts.len() + state.grpc.len();
    if under_way >= limits.callouts as usize {
        return Some("limits.callouts");
    }
    let most = limits.callouts_per_request as usize;
    let owner = state.effective.id;
    let own = || state.callouts_of(owner);
    (owner > ROOT && under_way >= most && own() >= most).then_some("limits.callouts_per_request")
}

/// The timeout of callouts without one of their own, which is 0. So what they hold is released eventually.
const MAX_TIMEOUT: Duration = Duration::from_secs(60 * 60);

/// The timeout of a callout. Negative ones are refused, as in Envoy.
pub(super) fn timeout(milliseconds: i32) -> Result<Duration, Status> {
    match u64::try_from(milliseconds).map_err(|_| Status::BadArgument)? {
        0 => Ok(MAX_TIMEOUT),
        milliseconds => Ok(Duration::from_millis(milliseconds)),
    }
}

fn start(state: &mut State, callout: Callout) -> Result<u32, Status> {
    let callbacks = state.callbacks.clone().ok_or(Status::InternalFailure)?;
    let id = state.free_call_id();
    let account = Arc::clone(&state.account);
    // The guest is running, so that no reply is handled before the callout is noted.
    let guard = state
        .host
        .callout(&state.plugin, callout, CalloutReply::new(callbacks, id, account))?;
    let open = OpenCallout {
        owner: state.owner_of_new_callout(),
        is_of_start: state.works_for_start,
        _guard: guard,
    };
    state.callouts.insert(id, open);
    Ok(id)
}

/// The status of the callout whose response is being handled: 0, or the gRPC code for a timeout or an unreachable upstream. After
/// a gRPC call or stream, the status it has closed with.
fn status(caller: &mut Caller<'_>, code_out: i32, out: ResultSlot) -> HostCallResult {
    let (memory, state) = guest::parts(caller)?;
    let (code, message) = match (&state.callout_response, &state.grpc_event) {
        (Some(Err(CalloutFailure::Timeout)), _) => (4, "timeout".to_owned()),
        (Some(Err(CalloutFailure::Failed)), _) => (14, "upstream failed".to_owned()),
        (_, Some(GrpcEvent::Closed { status, message })) => (*status, message.clone()),
        _ => (0, String::new()),
    };
    guest::write_u32(memory, code_out, code)?;
    guest::write_result_bytes(caller, out, message.as_bytes())
}
