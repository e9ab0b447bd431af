//! `proxy_http_call`, `proxy_get_status`.

use std::time::Duration;

use bytes::Bytes;
use lockgate_abi::{Status, decode_pairs};
use wasmtime::Linker;

use super::ENV;
use crate::calls::HostCall;
use crate::guest::{self, Caller, HostCallError, HostCallResult, ResultSlot, Span, host_call};
use crate::host::{Callout, CalloutFailure, CalloutReply, GrpcEvent};
use crate::report::Refusal;
use crate::state::{OpenCallout, ROOT, State};
use crate::view::headers::{FieldError, callout_head, trailers};

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
    let callout = match decode(memory, request)? {
        Ok(callout) => callout,
        Err(refused) => {
            state.warn(format_args!("callout refused: {refused}"));
            return Err(Status::BadArgument.into());
        }
    };
    let settings = state.plugin.settings();
    if settings
        .capabilities
        .upstreams
        .as_ref()
        .is_some_and(|allowed| !allowed.contains(&callout.upstream))
    {
        state.warn(format_args!(
            "capabilities.upstreams does not allow {:?}",
            callout.upstream
        ));
        state.refuse(Refusal::CapabilityUpstream);
        return Err(Status::BadArgument.into());
    }
    if let Some(limit) = too_many(state) {
        state.warn(format_args!("callout refused: {limit} are in progress already"));
        state.refuse(Refusal::Callout);
        return Err(Status::InternalFailure.into());
    }
    // The out-pointer is checked before anything is sent.
    guest::write_u32(memory, out, 0)?;
    let id = start(state, callout)?;
    Ok(guest::write_u32(memory, out, id)?)
}

fn decode(memory: &[u8], request: &Request) -> Result<Result<Callout, FieldError>, HostCallError> {
    let pairs = |span| -> Result<_, HostCallError> {
        Ok(decode_pairs(guest::bytes(memory, span)?).map_err(|_| Status::BadArgument)?)
    };
    let upstream = guest::text(memory, request.upstream)?.to_owned();
    let timeout = timeout(request.milliseconds)?;
    let body = Bytes::copy_from_slice(guest::bytes(memory, request.body)?);
    let head = callout_head(pairs(request.headers)?, &upstream);
    let trailers = trailers(pairs(request.trailers)?);
    Ok(head.and_then(|head| {
        let trailers = Some(trailers?).filter(|trailers| !trailers.is_empty());
        Ok(Callout {
            upstream,
            head,
            body,
            trailers,
            timeout,
        })
    }))
}

/// The limit on callouts in progress that is reached, if one is.
pub(super) fn too_many(state: &State) -> Option<&'static str> {
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
    // The guest is running, so that no reply is handled before the callout is noted.
    let guard = state
        .host
        .callout(&state.plugin, callout, CalloutReply::new(callbacks, id))?;
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
