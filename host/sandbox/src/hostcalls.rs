//! The host calls, one file per subject. A host call only decodes, delegates and encodes. What it means is defined in the modules
//! that it calls.

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

/// Adds all host calls to a linker.
///
/// # Errors
/// A name is added twice, which is a fault of the host.
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

/// The module from which the ABI's own calls are imported.
const ENV: &str = "env";

/// Whether there is a function of this name in this module.
pub(crate) fn offers(module: &str, name: &str) -> bool {
    match module {
        ENV => HostCall::exists(name) || configuration::offers(name),
        module => wasi::MODULES.contains(&module) && wasi::offers(name),
    }
}
