//! `proxy_*_header_map_*`: reading and writing header maps.

use lockgate_abi::{AbiVersion, MapType, PairsWriter, Status, decode_pairs};
use lockgate_exchange::Exchange;
use smallvec::SmallVec;
use wasmtime::Linker;

use super::ENV;
use crate::calls::HostCall;
use crate::guest::{self, Caller, HostCallError, HostCallResult, ResultSlot, Span, host_call};
use crate::report::{Refusal, RequestFault};
use crate::state::{Phase, State, Written};
use crate::view::headers::{HeaderError, MapMut, MapView};

/// A whole map above this size counts as header growth.
const LARGE_MAP: usize = 32 * 1024;
/// Less header growth of a request counts nowhere.
const SMALL_GROWTH: u64 = 16 * 1024;

/// A value while the guest allocates memory for it. Most are short, and copying them costs less than sharing them.
type Copied = SmallVec<[u8; 64]>;

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    link_maps(linker)?;
    link_entries(linker)
}

/// The calls about a whole map.
fn link_maps(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(
        ENV,
        HostCall::GetHeaderMapSize.name(),
        |caller: Caller<'_>, map: i32, out: i32| {
            host_call(
                caller,
                HostCall::GetHeaderMapSize,
                || [map, out],
                |caller| size(caller, map, out),
            )
        },
    )?;
    linker.func_wrap(
        ENV,
        HostCall::GetHeaderMapPairs.name(),
        |caller: Caller<'_>, map: i32, at: i32, len: i32| {
            host_call(
                caller,
                HostCall::GetHeaderMapPairs,
                || [map, at, len],
                |caller| pairs(caller, map, ResultSlot::new(at, len)),
            )
        },
    )?;
    linker.func_wrap(
        ENV,
        HostCall::SetHeaderMapPairs.name(),
        |caller: Caller<'_>, map: i32, at: i32, len: i32| {
            host_call(
                caller,
                HostCall::SetHeaderMapPairs,
                || [map, at, len],
                |caller| set_pairs(caller, map, Span::new(at, len)),
            )
        },
    )?;
    Ok(())
}

/// The calls about one name.
fn link_entries(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(
        ENV,
        HostCall::GetHeaderMapValue.name(),
        |caller: Caller<'_>, map: i32, name: i32, name_len: i32, at: i32, len: i32| {
            host_call(
                caller,
                HostCall::GetHeaderMapValue,
                || [map, name, name_len, at, len],
                |caller| value(caller, map, Span::new(name, name_len), ResultSlot::new(at, len)),
            )
        },
    )?;
    linker.func_wrap(
        ENV,
        HostCall::AddHeaderMapValue.name(),
        |caller: Caller<'_>, map: i32, name: i32, name_len: i32, value: i32, value_len: i32| {
            host_call(
                caller,
                HostCall::AddHeaderMapValue,
                || [map, name, name_len, value, value_len],
                |caller| {
                    let entry = (Span::new(name, name_len), Span::new(value, value_len));
                    change(
                        caller,
                        map,
                        |name| Written::Added(name),
                        entry,
                        |map, name, value| map.add(name, value),
                    )
                },
            )
        },
    )?;
    linker.func_wrap(
        ENV,
        HostCall::ReplaceHeaderMapValue.name(),
        |caller: Caller<'_>, map: i32, name: i32, name_len: i32, value: i32, value_len: i32| {
            host_call(
                caller,
                HostCall::ReplaceHeaderMapValue,
                || [map, name, name_len, value, value_len],
                |caller| {
                    let entry = (Span::new(name, name_len), Span::new(value, value_len));
                    change(
                        caller,
                        map,
                        |name| Written::Replaced(name),
                        entry,
                        |map, name, value| map.replace(name, value),
                    )
                },
            )
        },
    )?;
    linker.func_wrap(
        ENV,
        HostCall::RemoveHeaderMapValue.name(),
        |caller: Caller<'_>, map: i32, name: i32, name_len: i32| {
            host_call(
                caller,
                HostCall::RemoveHeaderMapValue,
                || [map, name, name_len],
                |caller| {
                    let entry = (Span::new(name, name_len), Span::new(0, 0));
                    change(
                        caller,
                        map,
                        |name| Written::Replaced(name),
                        entry,
                        |map, name, _| map.remove(name),
                    )
                },
            )
        },
    )?;
    Ok(())
}

/// Reads a map of the exchange in effect, or of a callout's response.
fn see<R>(state: &State, map: MapType, look: impl FnOnce(MapView<'_>) -> R) -> Result<R, Status> {
    match map {
        MapType::HttpCallResponseHeaders | MapType::HttpCallResponseTrailers => {
            let response = state
                .callout_response
                .as_ref()
                .and_then(|response| response.as_ref().ok())
                .ok_or(Status::NotFound)?;
            let view = MapView::of_callout(response, map, &state.filter);
            view.map(look).ok_or(Status::NotFound)
        }
        MapType::GrpcReceiveInitialMetadata | MapType::GrpcReceiveTrailingMetadata => {
            let event = state.grpc_event.as_ref().ok_or(Status::NotFound)?;
            let view = MapView::of_grpc(event, map, &state.filter);
            view.map(look).ok_or(Status::NotFound)
        }
        _ => {
            let exchange = state.effective.exchange.as_ref().ok_or(Status::NotFound)?.borrow();
            MapView::of(&exchange, map, &state.filter)
                .map(look)
                .ok_or(Status::NotFound)
        }
    }
}

fn size(caller: &mut Caller<'_>, map: i32, out: i32) -> HostCallResult {
    let map = MapType::try_from(map)?;
    let (memory, state) = guest::parts(caller)?;
    let bytes = see(state, map, |view| view.bytes())?;
    state.spend(bytes)?;
    Ok(guest::write_u32(
        memory,
        out,
        u32::try_from(bytes).map_err(|_| Status::InternalFailure)?,
    )?)
}

fn pairs(caller: &mut Caller<'_>, map: i32, out: ResultSlot) -> HostCallResult {
    let map = MapType::try_from(map)?;
    // A map that does not exist in this phase reads as an empty one, as in Envoy. The Rust SDK panics on anything but OK.
    let (count, bytes) = match see(caller.data(), map, |view| (view.len(), view.bytes())) {
        Err(Status::NotFound) => (0, 0),
        seen => seen?,
    };
    // An empty map has no bytes. Otherwise there are a count, two lengths and two NULs per pair, and the bytes.
    let length = if count == 0 { 0 } else { 4 + 10 * count + bytes };
    caller.data_mut().spend(length)?;
    guest::write_result(caller, out, length, |target, state| {
        let mut writer = PairsWriter::new(target, count)?;
        let mut whole = Some(());
        see(state, map, |view| {
            view.each(|name, value| whole = whole.and_then(|()| writer.push(name, value)))
        })
        .ok()?;
        whole.and_then(|()| writer.finish())
    })
}

fn value(caller: &mut Caller<'_>, map: i32, name: Span, out: ResultSlot) -> HostCallResult {
    let map = MapType::try_from(map)?;
    let (memory, state) = guest::parts(caller)?;
    let name = guest::bytes(memory, name)?;
    match see(state, map, |view| view.get(name, Copied::from_slice))? {
        Some(found) => guest::write_result_bytes(caller, out, &found),
        // ABI 0.1.0 has no status for an absent value.
        None if state.plugin.spec().module.abi() == AbiVersion::V0_1_0 => guest::write_result_bytes(caller, out, &[]),
        None => Err(Status::NotFound.into()),
    }
}

fn set_pairs(caller: &mut Caller<'_>, map: i32, pairs: Span) -> HostCallResult {
    let map = MapType::try_from(map)?;
    let (memory, state) = guest::parts(caller)?;
    let bytes = match guest::bytes(memory, pairs) {
        Ok(bytes) => bytes,
        Err(status) => {
            state.refuse_write(map, &Written::Map);
            return Err(status.into());
        }
    };
    // A map that is written back as it was read does not grow, so only the largest maps count here.
    let growth = if bytes.len() > LARGE_MAP { bytes.len() } else { 0 };
    state.spend(4 * bytes.len().min(LARGE_MAP))?;
    write(state, map, Written::Map, growth, |map| {
        map.set_all(decode_pairs(bytes).map_err(|_| HeaderError::Undecodable)?)
    })?;
    state.map_written(map);
    Ok(())
}

fn change(
    caller: &mut Caller<'_>,
    map: i32,
    written: impl for<'m> FnOnce(&'m [u8]) -> Written<'m>,
    (name, value): (Span, Span),
    how: impl FnOnce(MapMut<'_>, &[u8], &[u8]) -> Result<(), HeaderError>,
) -> HostCallResult {
    let map = MapType::try_from(map)?;
    let (memory, state) = guest::parts(caller)?;
    let name = guest::bytes(memory, name)?;
    let written = written(name);
    let value = match guest::bytes(memory, value) {
        Ok(value) => value,
        Err(status) => {
            state.refuse_write(map, &written);
            return Err(status.into());
        }
    };
    let growth = name.len() + value.len();
    write(state, map, written, growth, |map| how(map, name, value))
}

/// Creates trailers for a message without them, while the plugin sees the message's end.
fn begin_trailers(exchange: &mut Exchange, map: MapType) {
    let trailers = match map {
        MapType::HttpRequestTrailers => &mut exchange.request_trailers,
        _ => &mut exchange.response_trailers,
    };
    trailers.get_or_insert_default();
}

/// Whether a map belongs to the response to a callout.
fn is_received(map: MapType) -> bool {
    matches!(
        map,
        MapType::HttpCallResponseHeaders
            | MapType::HttpCallResponseTrailers
            | MapType::GrpcReceiveInitialMetadata
            | MapType::GrpcReceiveTrailingMetadata
    )
}

/// Changes a map of the exchange in effect. A refused write is logged, and the guest gets its status. What would have overwritten
/// what is there, or what a capability forbids, fails the request besides.
fn write(
    state: &mut State,
    map: MapType,
    written: Written<'_>,
    growth: usize,
    change: impl FnOnce(MapMut<'_>) -> Result<(), HeaderError>,
) -> Result<(), HostCallError> {
    if state.phase == Phase::Log {
        state.warn(format_args!("{written} cannot be written: the stream has ended"));
        return Err(Status::BadArgument.into());
    }
    if is_received(map) {
        // The response to a callout is read-only.
        see(state, map, |_| ())?;
        return Err(Status::BadArgument.into());
    }
    let changed = {
        let mut exchange = state.effective.exchange.as_ref().ok_or(Status::NotFound)?.borrow_mut();
        exchange.header_growth += growth as u64;
        let total = exchange.header_growth;
        if total > SMALL_GROWTH.min(state.plugin.settings().limits.header_growth.bytes()) {
            drop(exchange);
            if !state.may_grow_headers(total) {
                return Ok(());
            }
            exchange = state.effective.exchange.as_ref().ok_or(Status::NotFound)?.borrow_mut();
        }
        if state.sees_end_of(map) {
            begin_trailers(&mut exchange, map);
        }
        let view = MapMut::of(&mut exchange, map, &state.filter).ok_or(Status::NotFound)?;
        let changed = change(view);
        if map == MapType::HttpRequestHeaders && changed.is_ok() {
            // As in Envoy, a request whose head was changed is routed anew.
            exchange.changed.pseudo_headers |= written.is_of_pseudo_headers();
            exchange.changed.headers |= written.is_of_fields();
        }
        changed
    };
    match changed {
        Ok(()) => Ok(()),
        Err(refused) => refuse(state, map, &written, refused),
    }
}

#[cold]
fn refuse(state: &mut State, map: MapType, written: &Written<'_>, refused: HeaderError) -> HostCallResult {
    match refused {
        HeaderError::NotPermitted => {
            // The Rust SDK survives only OK here.
            state.warn(format_args!("write of {written} refused: {refused}"));
            state.refuse(Refusal::CapabilityHeader);
            state.fail_request(state.effective.id, RequestFault::Write);
            Ok(())
        }
        HeaderError::TooMany => {
            state.exceed_limit(RequestFault::HeaderGrowth, Refusal::Headers);
            Ok(())
        }
        HeaderError::Framing => {
            // Body rewriters do this as a matter of course. The message's framing follows its body all the same.
            state.warn(format_args!("write of {written} has no effect: {refused}"));
            Ok(())
        }
        _ => {
            state.warn(format_args!("write of {written} refused: {refused}"));
            state.refuse_write(map, written);
            Err(Status::BadArgument.into())
        }
    }
}
