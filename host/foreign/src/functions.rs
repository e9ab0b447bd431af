//! The functions of the host's own that plugins call by `proxy_call_foreign_function`: `lockgate.counter` and
//! `lockgate.cache`, JSON in, JSON out, which are done in `lockgate-store`; and those of Envoy.
//!
//! Names are scoped by the plugin's name, so plugins cannot reach into each other's. Malformed calls answer
//! BAD_ARGUMENT, unknown functions NOT_FOUND: a plugin can tell from that what this host offers.

use std::sync::Arc;

use lockgate_abi::Status;
use lockgate_exchange::SharedExchange;
use lockgate_sandbox::Plugin;
use lockgate_store::{KeyError, QueueError, Store};

use crate::{cache, counter, envoy};

/// Every function that a plugin can call, those of the sandbox included.
pub fn names() -> impl Iterator<Item = &'static str> {
    ["lockgate.counter", "lockgate.cache"]
        .into_iter()
        .chain(envoy::NAMES)
        .chain(lockgate_sandbox::FOREIGN_FUNCTIONS)
}

/// Calls the function `name` for a plugin, on behalf of the stream with this exchange, if there is one.
///
/// # Errors
/// [`Status::NotFound`] for an unknown function, [`Status::BadArgument`] for an argument that it does not take or a phase in
/// which it cannot be called.
pub fn call(
    store: &Arc<Store>,
    plugin: &Plugin,
    name: &str,
    argument: &[u8],
    exchange: Option<&SharedExchange>,
) -> Result<Vec<u8>, Status> {
    let limit = plugin.settings().limits.memory.as_usize();
    let plugin = plugin.name();
    match name {
        "lockgate.counter" => counter::call(store, plugin, argument),
        "lockgate.cache" => cache::call(store, plugin, argument, exchange),
        _ => envoy::call(name, argument, limit).unwrap_or(Err(Status::NotFound)),
    }
}

/// What a guest is told when shared data cannot be written.
pub fn status_of_shared(error: KeyError) -> Status {
    match error {
        KeyError::CasMismatch => Status::CasMismatch,
        KeyError::Full | KeyError::TooLong => Status::InternalFailure,
    }
}

/// What a guest is told when a queue does not do what it wants.
pub fn status_of_queue(error: QueueError) -> Status {
    match error {
        QueueError::Unknown => Status::NotFound,
        QueueError::Full => Status::InternalFailure,
        QueueError::Empty => Status::Empty,
    }
}
