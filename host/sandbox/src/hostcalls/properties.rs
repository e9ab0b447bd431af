//! `proxy_get_property`, `proxy_set_property`.

use bytes::Bytes;
use lockgate_abi::{PropertyPath, Status};
use wasmtime::Linker;

use super::ENV;
use crate::calls::HostCall;
use crate::guest::{self, Caller, HostCallResult, ResultSlot, Span, host_call};
use crate::report::Refusal;
use crate::settings::is_allowed;
use crate::state::{PropertyScope, State};
use crate::view::properties;

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(
        ENV,
        HostCall::GetProperty.name(),
        |caller: Caller<'_>, path: i32, path_len: i32, at: i32, len: i32| {
            host_call(
                caller,
                HostCall::GetProperty,
                || [path, path_len, at, len],
                |caller| read(caller, Span::new(path, path_len), ResultSlot::new(at, len)),
            )
        },
    )?;
    linker.func_wrap(
        ENV,
        HostCall::SetProperty.name(),
        |caller: Caller<'_>, path: i32, path_len: i32, value: i32, value_len: i32| {
            host_call(
                caller,
                HostCall::SetProperty,
                || [path, path_len, value, value_len],
                |caller| write(caller, Span::new(path, path_len), Span::new(value, value_len)),
            )
        },
    )?;
    Ok(())
}

fn read(caller: &mut Caller<'_>, path: Span, out: ResultSlot) -> HostCallResult {
    let (memory, state) = guest::parts(caller)?;
    let path = PropertyPath::parse(guest::bytes(memory, path)?).ok_or(Status::NotFound)?;
    let exchange = state.effective.exchange.as_ref().map(|exchange| exchange.borrow());
    let value = properties::read(&state.plugin, exchange.as_deref(), path).ok_or(Status::NotFound)?;
    drop(exchange);
    guest::write_result_bytes(caller, out, &value)
}

/// A null value removes the property.
fn write(caller: &mut Caller<'_>, path: Span, value: Span) -> HostCallResult {
    let (memory, state) = guest::parts(caller)?;
    let name = PropertyPath::parse(guest::bytes(memory, path)?)
        .ok_or(Status::BadArgument)?
        .dotted();
    if value.at == 0 && value.len == 0 {
        if is_permitted(state, &name) {
            let exchange = state.effective.exchange.as_ref().ok_or(Status::NotFound)?;
            exchange.borrow_mut().properties.remove(&name);
        }
        return Ok(());
    }
    Ok(set(state, &name, guest::bytes(memory, value)?)?)
}

fn is_permitted(state: &mut State, name: &str) -> bool {
    let is_permitted = is_allowed(state.plugin.settings().capabilities.write_properties.as_deref(), name);
    if !is_permitted {
        // The Rust SDK survives only OK here, so the write is dropped and logged, like other refused calls.
        state.warn(format_args!("capabilities.write_properties does not allow {name}"));
        state.refuse(Refusal::CapabilityProperty);
    }
    is_permitted
}

/// Sets a property of the stream in effect, by its dotted name.
pub(super) fn set(state: &mut State, name: &str, value: &[u8]) -> Result<(), Status> {
    if !is_permitted(state, name) {
        return Ok(());
    }
    let exchange = state.effective.exchange.as_ref().ok_or(Status::NotFound)?;
    if properties::is_read_only(name) {
        state.warn(format_args!("the property {name} cannot be set"));
        return Err(Status::BadArgument);
    }
    if name.starts_with("lockgate.") {
        state.host.check_property(&state.plugin, name, value)?;
    }
    let declared = state.declared.of(name);
    let mut exchange = exchange.borrow_mut();
    let connection = exchange.info.connection.clone();
    let mut connections = connection.properties.borrow_mut();
    let properties = match declared.scope {
        PropertyScope::Request => &mut exchange.properties,
        PropertyScope::Connection => &mut connections,
    };
    if declared.is_read_only && properties.get(name).is_some() {
        return Err(Status::BadArgument);
    }
    let set = properties.set(name, Bytes::copy_from_slice(value));
    drop((exchange, connections));
    if let Err(full) = set {
        state.warn(format_args!("the property {name} is not set: {full}"));
        state.refuse(Refusal::Property);
        return Ok(());
    }
    Ok(())
}
