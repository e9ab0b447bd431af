//! Write Lockgate plugins in Rust.
//!
//! A plugin is a type with a configuration and the hooks it wants:
//!
//! ```
//! use lockgate_sdk::prelude::*;
//!
//! struct Block;
//!
//! #[plugin]
//! impl Plugin for Block {
//!     fn new(_: NoConfig) -> Result<Self, ConfigError> {
//!         Ok(Block)
//!     }
//!
//!     fn on_request(&self, request: &mut Request) -> Result<Flow> {
//!         if request.header("x-forbidden")?.is_some() {
//!             return Ok(reply(403).problem("forbidden", "not with this header").into());
//!         }
//!         request.set_header("x-checked", "yes")?;
//!         Ok(Flow::Continue)
//!     }
//! }
//! # fn main() {}
//! ```
//!
//! It is built as a `cdylib` for `wasm32-wasip1` and runs in Lockgate, in Envoy, and wherever proxy-wasm 0.2.1 is
//! spoken. Only what a plugin implements is exported: a host never calls a hook that is not there.
//!
//! Every call to the host returns a `Result`; nothing here panics over what a host answers. A hook that returns an
//! error is answered with a 500, and the log says why. What Lockgate has beyond the standard ([`counter`], [`cache`])
//! is an [`Error::Unsupported`] elsewhere.
//!
//! The SDK speaks the ABI itself, in one small module, rather than through the `proxy-wasm` crate: that crate exports
//! every callback there is, which hosts then call for each request, and panics over statuses that it does not expect.
//! Its numbers are what the tests here compare with.

// The macros name this crate from outside, and its own tests and examples use them.
extern crate self as lockgate_sdk;

mod body;
mod callout;
mod channel;
mod clock;
mod context;
mod error;
mod expected;
#[cfg(target_arch = "wasm32")]
#[allow(
    unsafe_code,
    reason = "the one place where the host's imports and the module's exports are declared"
)]
mod ffi;
mod grpc;
mod grpc_status;
mod headers;
#[cfg(all(test, not(target_arch = "wasm32")))]
#[path = "ffi/heap.rs"]
#[allow(unsafe_code, reason = "the allocator of modules, to be tested")]
mod heap;
mod host;
mod join;
mod logging;
#[cfg(not(target_arch = "wasm32"))]
mod memory;
mod plugin;
mod queue;
mod reply;
mod request;
mod response;
mod size;
mod state;
mod table;
mod task;
mod tcp;
mod timer;
mod wire;

pub mod cache;
pub mod config;
pub mod cookies;
pub mod counter;
pub mod foreign;
#[doc(hidden)]
pub mod guest;
pub mod manifest;
pub mod metrics;
pub mod period;
pub mod property;
pub mod query;
pub mod shared;
pub mod single;
pub mod template;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;

pub use body::{Body, Chunk};
pub use callout::{Answer, Call, Callout, Upstream};
pub use clock::{now, random, tick_every};
pub use config::{Config, NoConfig};
pub use error::{ConfigError, Error, Result};
pub use grpc::{GrpcCall, GrpcCallout, GrpcOpening, GrpcStream};
pub use grpc_status::GrpcStatus;
pub use headers::{HeaderList, Headers};
pub use join::{join, join_all, join3};
pub use lockgate_sdk_macros::plugin;
pub use log;
pub use plugin::{Flow, IntoFlow, Plugin};
pub use queue::Queue;
pub use reply::{Reply, reply};
pub use request::Request;
pub use response::Response;
pub use task::spawn;
pub use tcp::{Peer, TcpPlugin};
pub use timer::{Sleep, sleep, timeout};
pub use wire::Status;

/// What most plugins use.
pub mod prelude {
    pub use crate::{
        Config, ConfigError, Error, Flow, NoConfig, Plugin, Reply, Request, Response, Result, log, plugin, reply,
    };
    pub use serde::Deserialize;
}
