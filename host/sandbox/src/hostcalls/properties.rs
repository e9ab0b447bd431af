//! `proxy_get_property`, `proxy_set_property`.

use bytes::Bytes;
use lockgate_abi::{PropertyPath, Status};
use lockgate_exchange::{Exchange, Properties, PropertiesFull};
use wasmtime::Linker;

use super::ENV;
use crate::calls::HostCall;
use crate::guest::{self, Caller, HostCallResult, ResultSlot, Span, host_call};
use crate::report::{Refusal, RequestFault};
use crate::settings::is_allowed;
use crate::state::{PropertyScope, State};
use crate::view::properties;

/// Longer paths lead nowhere.
const MAX_PATH: usize = 4096;
/// Longer values count as memory of the plugin that has set them.
const LONG: usize = 512;
/// What a call costs besides its bytes, in steps ([`State::spend`]).
const PER_CALL: usize = 128;

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
    let path = guest::bytes(memory, path)?;
    if path.len() > MAX_PATH {
        return Err(Status::NotFound.into());
    }
    state.spend(PER_CALL + path.len())?;
    let path = PropertyPath::parse(path).ok_or(Status::NotFound)?;
    let exchange = state.effective.exchange.as_ref().map(|exchange| exchange.borrow());
    let value = properties::read(&state.plugin, exchange.as_deref(), path, &state.filter).ok_or(Status::NotFound)?;
    drop(exchange);
    guest::write_result_bytes(caller, out, &value)
}

/// A null value removes the property.
fn write(caller: &mut Caller<'_>, path: Span, value: Span) -> HostCallResult {
    let (memory, state) = guest::parts(caller)?;
    let path = guest::bytes(memory, path)?;
    if path.len() > MAX_PATH {
        refused(state, format_args!("a property is not set: its name is too long"));
        return Ok(());
    }
    state.spend(PER_CALL + path.len())?;
    let name = PropertyPath::parse(path).ok_or(Status::BadArgument)?.dotted();
    if value.at == 0 && value.len == 0 {
        return Ok(change(state, &name, None)?);
    }
    let value = guest::bytes(memory, value)?;
    state.spend(value.len().min(Properties::MAX_BYTES))?;
    Ok(set(state, &name, value)?)
}

/// Sets a property of the stream in effect, by its dotted name.
pub(super) fn set(state: &mut State, name: &str, value: &[u8]) -> Result<(), Status> {
    change(state, name, Some(value))
}

/// Sets or removes a property.
fn change(state: &mut State, name: &str, value: Option<&[u8]>) -> Result<(), Status> {
    if !is_allowed(state.plugin.settings().capabilities.write_properties.as_deref(), name) {
        // The Rust SDK survives only OK here, so the write is dropped and logged, like other refused calls.
        state.warn(format_args!("capabilities.write_properties does not allow {name}"));
        state.refuse(Refusal::CapabilityProperty);
        return Ok(());
    }
    let exchange = state.effective.exchange.clone().ok_or(Status::NotFound)?;
    if value.is_some() && properties::is_read_only(name) {
        state.warn(format_args!("the property {name} cannot be set"));
        return Err(Status::BadArgument);
    }
    let declared = state.declared.of(name);
    let was_set = declared
        .scope
        .of(&mut exchange.borrow_mut(), |set| set.get(name).is_some());
    if (declared.is_read_only && was_set) || is_fixed(&mut exchange.borrow_mut(), name) {
        // Neither another value, nor none.
        state.warn(format_args!("the property {name} is read-only and was set already"));
        return Err(Status::BadArgument);
    }
    let Some(value) = value else {
        declared.scope.of(&mut exchange.borrow_mut(), |set| set.remove(name));
        return Ok(());
    };
    if value.len() > Properties::MAX_BYTES {
        refused(state, format_args!("the property {name} is not set: {PropertiesFull}"));
        return Ok(());
    }
    if name.starts_with("lockgate.") {
        state.host.check_property(&state.plugin, name, value)?;
    }
    // Others read short values; long ones are this plugin's memory.
    let value = if value.len() > LONG {
        state.account.copy(value)
    } else {
        Some(Bytes::copy_from_slice(value))
    };
    let Some(value) = value else {
        state.exceed_limit(RequestFault::Memory, Refusal::Memory);
        return Ok(());
    };
    let set = declared.scope.of(&mut exchange.borrow_mut(), |properties| {
        properties.set(name, value)?;
        if declared.is_read_only {
            properties.fix(name);
        }
        Ok::<_, PropertiesFull>(())
    });
    if let Err(full) = set {
        refused(state, format_args!("the property {name} is not set: {full}"));
    }
    Ok(())
}

/// Whether a plugin that has declared the property as read-only has set it: for the request, or for the connection. As in Envoy,
/// the value itself knows, so that no other plugin can replace or hide it.
fn is_fixed(exchange: &mut Exchange, name: &str) -> bool {
    let scopes = [PropertyScope::Request, PropertyScope::Connection];
    scopes
        .into_iter()
        .any(|scope| scope.of(exchange, |properties| properties.is_fixed(name)))
}

fn refused(state: &mut State, why: std::fmt::Arguments<'_>) {
    state.warn(why);
    state.refuse(Refusal::Property);
}
