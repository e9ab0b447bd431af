//! Fixtures: cases in JSON, run against a plugin's `.wasm` in the gateway's own data path.
//!
//! A cases file (`cases`) says how plugins are configured, what clients send, what upstreams answer and what must come of it. Each
//! case is a worker of its own (`lockgate_gateway::embedded`): fresh VMs, an empty store, scripted upstreams (`script`), a clock that
//! stands still while anything happens and jumps when nothing does. What was seen is judged (`judge`) and told (`report`,
//! `junit`), or written back (`update`). It parses no command line and prints nothing.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that cannot go on says where"))]

mod bodies;
pub mod cases;
mod check;
mod client;
mod compose;
mod handshake;
mod judge;
mod junit;
mod logbook;
mod pipe;
mod play;
mod report;
mod run;
mod script;
mod times;
mod update;
mod upstreams;
mod wire;

pub use junit::junit;
pub use run::{CaseResult, FileResult, Options, Runner};
pub use update::update;

/// The JSON Schema (draft 2020-12) of a cases file, for editors.
pub fn schema() -> serde_json::Value {
    lockgate_json::typed::schema_of::<cases::Cases>()
}
