//! The host calls, one file per noun. Each only decodes, delegates, encodes: meaning lives in the modules that they call.

mod buffers;
mod callouts;
mod clock;
mod configuration;
mod contexts;
mod foreign;
mod grpc;
mod headers;
mod log;
mod metrics;
mod properties;
mod queues;
mod shared_data;
mod streams;
mod timers;
mod wasi;

use wasmtime::Linker;

use crate::calls::HostCall;
use crate::state::State;

pub use foreign::FOREIGN_FUNCTIONS;
pub(crate) use wasi::Exit;

/// Offers every host call to modules.
///
/// # Errors
/// A name is offered twice, which is a fault of ours.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    log::link(linker)?;
    clock::link(linker)?;
    timers::link(linker)?;
    buffers::link(linker)?;
    headers::link(linker)?;
    streams::link(linker)?;
    contexts::link(linker)?;
    callouts::link(linker)?;
    grpc::link(linker)?;
    shared_data::link(linker)?;
    queues::link(linker)?;
    metrics::link(linker)?;
    properties::link(linker)?;
    foreign::link(linker)?;
    configuration::link(linker)?;
    wasi::link(linker)
}

/// The module that the ABI's own calls are imported from.
const ENV: &str = "env";

/// Whether a function of this name can be imported from this module.
pub(crate) fn offers(module: &str, name: &str) -> bool {
    match module {
        ENV => HostCall::exists(name) || configuration::offers(name),
        module => wasi::MODULES.contains(&module) && wasi::offers(name),
    }
}
