//! Cases: tests in JSON, run against a plugin's `.wasm` in the gateway's own data path.
//!
//! A cases file (`cases`) contains the configuration of plugins, the requests of clients, the responses of upstreams and the expected
//! results. Each case runs in a worker of its own (`run`, on `lockgate_gateway::embedded`): new VMs, an empty store, scripted upstreams
//! (`script`, `upstreams`), and a clock that stops while anything happens and jumps when nothing does. Results are compared with the
//! expectations (`assert`), then reported (`report`, `junit`) or written back (`update`). No command line and no output here.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that cannot go on says where"))]

mod assert;
mod bodies;
pub mod cases;
mod check;
mod client;
mod cpu;
mod gateway_config;
mod handshake;
mod junit;
mod log_capture;
mod memory_stream;
mod report;
mod run;
mod script;
mod tcp_end;
mod times;
mod update;
mod upstreams;

pub use cpu::PhaseTime;
pub use junit::junit;
pub use run::{CaseResult, FileResult, Options, Runner};
pub use update::update;

/// The JSON Schema (draft 2020-12) of a cases file, for editors.
pub fn schema() -> serde_json::Value {
    lockgate_json::typed::schema_of::<cases::Cases>()
}
