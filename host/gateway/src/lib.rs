//! The data path: workers, listeners, the pipeline of a request, chains of plugins, TCP connections, callouts.
//!
//! What answers a request is a [`Snapshot`]; `pipeline` is the life of a request, `tcp` that of a connection. It opens no file: the
//! control thread (`lockgate-control`) makes snapshots and hands them to workers by a [`worker::Worker`]. See ARCHITECTURE.md.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that cannot go on says where"))]

mod body;
mod callouts;
mod chain;
mod context;
mod downstream;
pub mod embedded;
mod http;
pub mod listener;
mod pipeline;
mod relay;
mod tcp;
pub mod worker;

pub use context::SharedState;
pub use context::plugin_starts::{PluginStarts, StartFailure};
pub use context::snapshot::{LoadedPlugin, PluginIdentity, Snapshot};
