//! Dispatch of `proxy_call_foreign_function` by name: to `lockgate.counter`, `lockgate.kv` and `lockgate.cache`, which `lockgate-store`
//! does, and to Envoy's functions.
//!
//! Keys are scoped by the plugin's name, so that no plugin reaches another's. A malformed call gets BAD_ARGUMENT, an unknown function
//! NOT_FOUND: from these a plugin learns what the host offers.

use std::sync::Arc;

use lockgate_abi::Status;
use lockgate_exchange::SharedExchange;
use lockgate_exchange::clock::WallClock;
use lockgate_sandbox::{CpuBudget, ForeignTarget, OutOfTime, Plugin};
use lockgate_store::{KvError, QueueError, Store};

use crate::kv::KvWatches;
use crate::{cache, counter, envoy, kv};

/// What the functions work on.
#[derive(Clone, Copy)]
pub struct Services<'a> {
    /// What they keep.
    pub store: &'a Arc<Store>,
    /// The watches of the worker.
    pub watches: &'a KvWatches,
    /// The time of day.
    pub clock: &'a WallClock,
}

/// Names of all functions that a plugin can call, including the sandbox's.
pub fn names() -> impl Iterator<Item = &'static str> {
    ["lockgate.counter", kv::NAME, "lockgate.cache"]
        .into_iter()
        .chain(envoy::NAMES)
        .chain(lockgate_sandbox::FOREIGN_FUNCTIONS)
}

/// Calls the function `name` for a plugin, and for the stream with this exchange, if any. `caller` learns later of what it
/// watches.
///
/// # Errors
/// [`Status::NotFound`] for an unknown function, [`Status::BadArgument`] for an argument that it does not take or a phase in
/// which it cannot be called. Any status when `budget` is used up.
pub fn call(
    services: &Services<'_>,
    plugin: &Plugin,
    name: &str,
    argument: &[u8],
    exchange: Option<&SharedExchange>,
    caller: &ForeignTarget,
    budget: &mut CpuBudget,
) -> Result<Vec<u8>, Status> {
    let Services { store, watches, clock } = *services;
    if name == kv::NAME {
        let spent = budget.spend(argument.len());
        spent.map_err(|OutOfTime| Status::InternalFailure)?;
        let names = (&**plugin.name(), &*plugin.settings().vm_id);
        return kv::call(store.kv(), watches, names, argument, caller);
    }
    let limit = plugin.settings().limits.memory.as_usize();
    let plugin = plugin.name();
    match name {
        "lockgate.counter" => counter::call(store, plugin, bounded(argument, budget)?),
        "lockgate.cache" => cache::call(store, plugin, bounded(argument, budget)?, exchange, clock),
        _ => envoy::call(name, argument, limit, budget).unwrap_or(Err(Status::NotFound)),
    }
}

/// An argument in JSON, before it is read. It is never long, and reading it costs far more than copying.
fn bounded<'a>(argument: &'a [u8], budget: &mut CpuBudget) -> Result<&'a [u8], Status> {
    const MAX_ARGUMENT: usize = 256 * 1024;
    const STEPS_PER_BYTE: usize = 16;
    if argument.len() > MAX_ARGUMENT {
        return Err(Status::BadArgument);
    }
    // Without time the guest is stopped, whatever status it would get.
    let spent = budget.spend(STEPS_PER_BYTE * argument.len());
    spent.map_err(|OutOfTime| Status::BadArgument)?;
    Ok(argument)
}

/// Status for a guest whose shared data cannot be written.
pub fn status_of_shared(error: KvError) -> Status {
    match error {
        KvError::Conflict(_) => Status::CasMismatch,
        KvError::Full | KvError::TooLarge => Status::InternalFailure,
    }
}

/// Status for a guest whose queue call has failed.
pub fn status_of_queue(error: QueueError) -> Status {
    match error {
        QueueError::Unknown => Status::NotFound,
        QueueError::Full => Status::InternalFailure,
        QueueError::Empty => Status::Empty,
    }
}
