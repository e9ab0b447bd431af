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

mod abi;
mod callout;
pub mod config;
mod error;
mod futures;
#[doc(hidden)]
pub mod guest;
mod host;
mod http;
mod plugin;
mod services;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
mod text;

pub use abi::Status;
pub use abi::grpc_status::GrpcStatus;
pub use callout::grpc::{GrpcCall, GrpcCallout, GrpcOpening, GrpcStream};
pub use callout::{Call, Callout, CalloutResponse, Upstream};
pub use config::{Config, NoConfig};
pub use error::{ConfigError, Error, Result};
pub use futures::join::{join, join_all, join3};
pub use futures::single;
pub use futures::timer::{Sleep, sleep, tick_every, timeout};
pub use guest::task::spawn;
pub use http::body::{Body, Chunk};
pub use http::headers::{HeaderList, Headers};
pub use http::reply::{Reply, reply};
pub use http::request::Request;
pub use http::response::Response;
pub use http::{cookies, query, template};
pub use lockgate_sdk_macros::plugin;
pub use log;
pub use plugin::tcp::{Peer, TcpPlugin};
pub use plugin::{Flow, IntoFlow, Plugin, manifest};
pub use services::clock::{now, random};
pub use services::queue::Queue;
pub use services::{cache, counter, foreign, metrics, property, shared};

/// What most plugins use.
pub mod prelude {
    pub use crate::{
        Config, ConfigError, Error, Flow, NoConfig, Plugin, Reply, Request, Response, Result, log, plugin, reply,
    };
    pub use serde::Deserialize;
}
