//! `proxy_grpc_*`: gRPC calls and streams.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use lockgate_abi::protobuf::{Fields, Malformed};
use lockgate_abi::{Status, decode_pairs};
use wasmtime::Linker;

use super::ENV;
use super::callouts::{has_room, held, may_call};
use crate::calls::HostCall;
use crate::guest::{self, Caller, HostCallResult, Span, host_call};
use crate::host::{GrpcCall, GrpcKind, GrpcReply};
use crate::report::Refusal;
use crate::state::{OpenGrpcCall, State};
use crate::view::headers;

/// Longer messages are refused: as long as those that a plugin may get.
const MAX_MESSAGE: usize = 4 * 1024 * 1024 - 5;
/// What a call or stream costs besides its bytes, in steps ([`State::spend`]).
const PER_CALL: usize = 8192;
/// What a message costs besides its bytes, in steps.
const PER_MESSAGE: usize = 512;

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    link_call(linker)?;
    link_stream(linker)?;
    linker.func_wrap(
        ENV,
        HostCall::GrpcSend.name(),
        |caller: Caller<'_>, id: i32, at: i32, len: i32, end: i32| {
            host_call(
                caller,
                HostCall::GrpcSend,
                || [id, at, len, end],
                |caller| send(caller, id.cast_unsigned(), Span::new(at, len), end != 0),
            )
        },
    )?;
    linker.func_wrap(ENV, HostCall::GrpcCancel.name(), |caller: Caller<'_>, id: i32| {
        host_call(
            caller,
            HostCall::GrpcCancel,
            || [id],
            |caller| cancel(caller, id.cast_unsigned()),
        )
    })?;
    linker.func_wrap(ENV, HostCall::GrpcClose.name(), |caller: Caller<'_>, id: i32| {
        host_call(
            caller,
            HostCall::GrpcClose,
            || [id],
            |caller| close(caller, id.cast_unsigned()),
        )
    })?;
    Ok(())
}

fn link_call(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(
        ENV,
        HostCall::GrpcCall.name(),
        // `a` to `h` are the parts of the target.
        |caller: Caller<'_>,
         a: i32,
         b: i32,
         c: i32,
         d: i32,
         e: i32,
         f: i32,
         g: i32,
         h: i32,
         message: i32,
         len: i32,
         milliseconds: i32,
         out: i32| {
            let all = || [a, b, c, d, e, f, g, h, message, len, milliseconds, out];
            host_call(caller, HostCall::GrpcCall, all, |caller| {
                let target = Target::new([a, b, c, d, e, f, g, h]);
                call(caller, &target, Span::new(message, len), milliseconds, out)
            })
        },
    )?;
    Ok(())
}

fn link_stream(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(
        ENV,
        HostCall::GrpcStream.name(),
        // `a` to `h` are the parts of the target.
        |caller: Caller<'_>, a: i32, b: i32, c: i32, d: i32, e: i32, f: i32, g: i32, h: i32, out: i32| {
            let all = || [a, b, c, d, e, f, g, h, out];
            host_call(caller, HostCall::GrpcStream, all, |caller| {
                let target = Target::new([a, b, c, d, e, f, g, h]);
                open(caller, &target, None, out)
            })
        },
    )?;
    Ok(())
}

/// Upstream, service, method and metadata, as the guest gave them.
struct Target {
    upstream: Span,
    service: Span,
    method: Span,
    metadata: Span,
}

impl Target {
    /// Pointer and length of each part, in the order of the call's parameters.
    const fn new(
        [
            upstream,
            upstream_len,
            service,
            service_len,
            method,
            method_len,
            metadata,
            metadata_len,
        ]: [i32; 8],
    ) -> Self {
        Self {
            upstream: Span::new(upstream, upstream_len),
            service: Span::new(service, service_len),
            method: Span::new(method, method_len),
            metadata: Span::new(metadata, metadata_len),
        }
    }
}

/// A unary call.
fn call(caller: &mut Caller<'_>, target: &Target, message: Span, milliseconds: i32, out: i32) -> HostCallResult {
    let milliseconds = u64::from(milliseconds.cast_unsigned());
    let timeout = (milliseconds != 0).then(|| Duration::from_millis(milliseconds));
    open(caller, target, Some((message, timeout)), out)
}

/// Opens a call with a message, or a stream. As in Envoy, an invalid argument is a parse failure, also an unknown upstream.
fn open(
    caller: &mut Caller<'_>,
    target: &Target,
    message: Option<(Span, Option<Duration>)>,
    out: i32,
) -> HostCallResult {
    let (memory, state) = guest::parts(caller)?;
    if let Some((message, _)) = message {
        guest::bytes(memory, message)?;
    }
    let mut call = decode(memory, state, target)?;
    if !may_call(state, &call.upstream) {
        return Err(Status::ParseFailure.into());
    }
    has_room(state)?;
    // The out-pointer is checked before anything is sent.
    guest::write_u32(memory, out, 0)?;
    if let Some((message, timeout)) = message {
        let message = sendable(memory, state, message)?.ok_or(Status::InternalFailure)?;
        call.kind = GrpcKind::Call { message, timeout };
    }
    let id = start(state, call)?;
    Ok(guest::write_u32(memory, out, id)?)
}

/// A message to be sent. `None` for one that is too long, or without room for it; the refusal is logged and counted.
fn sendable(memory: &[u8], state: &mut State, message: Span) -> Result<Option<Bytes>, guest::HostCallError> {
    let message = guest::bytes(memory, message)?;
    if message.len() > MAX_MESSAGE {
        let bytes = message.len();
        state.warn(format_args!(
            "gRPC message refused: {bytes} bytes, more than {MAX_MESSAGE}"
        ));
        state.refuse(Refusal::Callout);
        return Ok(None);
    }
    state.spend(PER_MESSAGE + message.len())?;
    Ok(held(state, message))
}

/// The target of a call or stream, as a stream's.
fn decode(memory: &[u8], state: &mut State, target: &Target) -> Result<GrpcCall, guest::HostCallError> {
    let parts = [target.upstream, target.service, target.method, target.metadata];
    let bytes = parts
        .iter()
        .fold(0, |sum, part| sum + part.len.cast_unsigned() as usize);
    if bytes > state.plugin.settings().limits.header_growth.as_usize() {
        state.warn(format_args!(
            "gRPC call refused: its names and metadata exceed limits.header_growth"
        ));
        return Err(Status::ParseFailure.into());
    }
    state.spend(PER_CALL + 8 * bytes)?;
    let upstream = guest::bytes(memory, target.upstream)?;
    let (service, method) = (
        guest::bytes(memory, target.service)?,
        guest::bytes(memory, target.method)?,
    );
    let pairs = decode_pairs(guest::bytes(memory, target.metadata)?).map_err(|_| Status::ParseFailure)?;
    let Some((upstream, authority)) = named(upstream) else {
        state.warn(format_args!("gRPC call refused: the service names no upstream"));
        return Err(Status::ParseFailure.into());
    };
    let authority = headers::grpc_authority(authority.as_deref().unwrap_or_default());
    let checked = authority.and_then(|authority| Ok((authority, headers::trailers(pairs)?)));
    let (authority, metadata) = match checked {
        Ok(checked) => checked,
        Err(refused) => {
            state.warn(format_args!("gRPC call refused: {refused}"));
            return Err(Status::ParseFailure.into());
        }
    };
    Ok(GrpcCall {
        upstream,
        authority,
        path: headers::grpc_path(service, method),
        metadata,
        kind: GrpcKind::Stream,
        request_id: state.request_id(),
    })
}

/// The upstream's name and the authority of Envoy's `GrpcService { envoy_grpc { cluster_name, authority } }`. Bytes that are no
/// such message are the plain name.
fn named(bytes: &[u8]) -> Option<(String, Option<String>)> {
    match envoy_grpc(bytes) {
        Ok(Some(named)) => Some(named),
        Ok(None) | Err(Malformed) => {
            let name = std::str::from_utf8(bytes).ok()?;
            (!name.is_empty()).then(|| (name.to_owned(), None))
        }
    }
}

fn envoy_grpc(bytes: &[u8]) -> Result<Option<(String, Option<String>)>, Malformed> {
    let mut named = None;
    for field in Fields::of(bytes) {
        let (1, service) = field? else { continue };
        let (mut cluster, mut authority) = (None, None);
        for field in Fields::of(service.bytes()?) {
            match field? {
                (1, value) => cluster = Some(value.text()?.to_owned()),
                (2, value) => authority = Some(value.text()?.to_owned()),
                _ => {}
            }
        }
        named = cluster.map(|cluster| (cluster, authority));
    }
    Ok(named)
}

fn start(state: &mut State, call: GrpcCall) -> Result<u32, Status> {
    let callbacks = state.callbacks.clone().ok_or(Status::InternalFailure)?;
    let id = state.free_call_id();
    let is_stream = matches!(call.kind, GrpcKind::Stream);
    let account = Arc::clone(&state.account);
    let opened = state
        .host
        .grpc(&state.plugin, call, GrpcReply::new(callbacks, id, account))?;
    let open = OpenGrpcCall {
        owner: state.owner_of_new_callout(),
        is_stream,
        is_closed: !is_stream,
        // A stream may stay open for as long as the VM lives.
        is_of_start: state.works_for_start && !is_stream,
        stream: opened,
    };
    state.grpc.insert(id, open);
    Ok(id)
}

fn send(caller: &mut Caller<'_>, id: u32, message: Span, end: bool) -> HostCallResult {
    let (memory, state) = guest::parts(caller)?;
    guest::bytes(memory, message)?;
    if state.grpc.get(&id).ok_or(Status::NotFound)?.is_closed {
        return Err(Status::BadArgument.into());
    }
    let message = sendable(memory, state, message)?.ok_or(Status::BadArgument)?;
    let open = state.grpc.get_mut(&id).ok_or(Status::NotFound)?;
    open.stream.send(message, end)?;
    open.is_closed = end;
    Ok(())
}

/// Cancels a call or stream. No events follow. Without effect in its last callback, as in Envoy, where it is known until that returns.
fn cancel(caller: &mut Caller<'_>, id: u32) -> HostCallResult {
    let state = caller.data_mut();
    match state.grpc.remove(&id) {
        None if state.ended_grpc != Some(id) => Err(Status::NotFound.into()),
        gone => {
            drop(gone);
            Ok(())
        }
    }
}

/// Closes the sending direction of a stream. Cancels a call.
fn close(caller: &mut Caller<'_>, id: u32) -> HostCallResult {
    let state = caller.data_mut();
    match state.grpc.get_mut(&id) {
        Some(open) if open.is_stream => {
            open.is_closed = true;
            open.stream.close();
            Ok(())
        }
        _ => cancel(caller, id),
    }
}

#[cfg(test)]
mod tests {
    use lockgate_abi::protobuf::Message;

    use super::named;

    #[test]
    fn a_service_is_named_plainly_or_by_envoys_message() {
        let envoy = Message::default().bytes(1, b"grpc-side").bytes(2, b"a.test");
        let service = Message::default()
            .bytes(1, &envoy.finish())
            .bytes(3, b"\x08\x01")
            .finish();
        assert_eq!(
            named(&service),
            Some(("grpc-side".to_owned(), Some("a.test".to_owned())))
        );
        assert_eq!(named(b"grpc"), Some(("grpc".to_owned(), None)));
        let google = Message::default().bytes(2, b"\x0a\x01a\xff").finish();
        assert_eq!((named(b""), named(&google)), (None, None));
    }
}
