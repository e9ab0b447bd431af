//! `proxy_call_foreign_function`.
//!
//! Functions about the stream or the VM itself are here: `clear_route_cache`, `declare_property` and `set_envoy_filter_state`,
//! which Envoy has. All others belong to the host.

use lockgate_abi::{PropertyPath, Status, protobuf};
use wasmtime::Linker;

use super::{ENV, properties};
use crate::calls::HostCall;
use crate::guest::{self, Caller, HostCallResult, ResultSlot, Span, host_call};
use crate::host::ForeignTarget;
use crate::report::Refusal;
use crate::settings::is_allowed;
use crate::state::{Declaration, PropertyScope, ROOT, State};

/// The functions that are here.
pub const FOREIGN_FUNCTIONS: [&str; 3] = ["clear_route_cache", "declare_property", "set_envoy_filter_state"];

/// The host's function whose failure is a full store.
const KV: &str = "lockgate.kv";
/// Longer names are not found.
const MAX_NAME: usize = 256;
/// Longer declarations are refused.
const MAX_DECLARATION: usize = 16 * 1024;
/// What a call costs besides its function, in steps ([`State::spend`]).
const PER_CALL: usize = 512;

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(
        ENV,
        HostCall::CallForeignFunction.name(),
        |caller: Caller<'_>, name: i32, name_len: i32, argument: i32, argument_len: i32, at: i32, len: i32| {
            host_call(
                caller,
                HostCall::CallForeignFunction,
                || [name, name_len, argument, argument_len, at, len],
                |caller| {
                    let name = Span::new(name, name_len);
                    call(
                        caller,
                        name,
                        Span::new(argument, argument_len),
                        ResultSlot::new(at, len),
                    )
                },
            )
        },
    )?;
    Ok(())
}

fn call(caller: &mut Caller<'_>, name: Span, argument: Span, out: ResultSlot) -> HostCallResult {
    let (memory, state) = guest::parts(caller)?;
    let (name, argument) = (guest::bytes(memory, name)?, guest::bytes(memory, argument)?);
    state.spend(PER_CALL)?;
    // A name that is not UTF-8, or so long, names no function.
    let name = name
        .get(..MAX_NAME.min(name.len()))
        .filter(|known| known.len() == name.len());
    let name = name
        .and_then(|name| std::str::from_utf8(name).ok())
        .ok_or(Status::NotFound)?;
    if !is_allowed(state.plugin.settings().capabilities.foreign_functions.as_deref(), name) {
        state.warn(format_args!("capabilities.foreign_functions does not allow {name:?}"));
        state.refuse(Refusal::CapabilityForeignFunction);
        return Err(Status::NotFound.into());
    }
    let result = match name {
        "clear_route_cache" => {
            state.request_reroute();
            Vec::new()
        }
        "set_envoy_filter_state" => {
            set_filter_state(state, argument)?;
            Vec::new()
        }
        "declare_property" => {
            declare(state, argument)?;
            Vec::new()
        }
        _ => {
            let exchange = state.effective.exchange.as_ref();
            let target = ForeignTarget::new(state.callbacks.clone());
            let budget = &mut state.budget;
            let called = state
                .host
                .foreign(&state.plugin, name, argument, exchange, &target, budget);
            // The function may have given up, or not: the guest is stopped in either case.
            state.spent()?;
            if name == KV && called == Err(Status::InternalFailure) {
                state.warn(format_args!(
                    "lockgate.kv refused a value: the store is full (kv.bytes, kv.plugin_bytes)"
                ));
                state.refuse(Refusal::Kv);
            }
            called?
        }
    };
    if out.is_null() {
        // As in Envoy, null out-pointers mean that the result is not wanted.
        return Ok(());
    }
    guest::write_result_bytes(caller, out, &result)
}

/// Reads Envoy's `SetEnvoyFilterStateArguments`: path and value. The one state that means something here is the cluster of a TCP
/// connection, which is the upstream. Other states are properties below `filter_state`.
fn set_filter_state(state: &mut State, argument: &[u8]) -> Result<(), Status> {
    let (mut path, mut value) = ("", &b""[..]);
    for field in protobuf::Fields::of(argument) {
        let read = field.and_then(|(number, field)| {
            match number {
                1 => path = field.text()?,
                2 => value = field.bytes()?,
                _ => {}
            }
            Ok(())
        });
        read.map_err(|protobuf::Malformed| Status::BadArgument)?;
    }
    let name = match path {
        "" => return Err(Status::BadArgument),
        "envoy.tcp_proxy.cluster" => "lockgate.upstream".to_owned(),
        path => format!("filter_state.{path}"),
    };
    properties::set(state, &name, value)
}

/// Reads Envoy's `DeclarePropertyArguments`: name, whether it can be set only once, how long its values last. Types and schemas
/// are for Envoy's own expressions. As in Envoy, only declarations of the root context count.
fn declare(state: &mut State, argument: &[u8]) -> Result<(), Status> {
    if argument.len() > MAX_DECLARATION {
        return Err(Status::BadArgument);
    }
    let mut name = "";
    let mut declaration = Declaration::default();
    for field in protobuf::Fields::of(argument) {
        let read = field.and_then(|(number, value)| {
            match number {
                1 => name = value.text()?,
                2 => declaration.is_read_only = value.number()? != 0,
                5 if value.number()? == 2 => declaration.scope = PropertyScope::Connection,
                _ => {}
            }
            Ok(())
        });
        read.map_err(|protobuf::Malformed| Status::BadArgument)?;
    }
    if state.running != ROOT {
        return Ok(());
    }
    let name = PropertyPath::parse(name.as_bytes()).ok_or(Status::BadArgument)?;
    state
        .declared
        .add(&name.dotted(), declaration)
        .map_err(|_| Status::BadArgument)
}
