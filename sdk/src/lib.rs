//! The SDK for Lockgate plugins in Rust.
//!
//! A plugin is a type with a configuration and hooks:
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
//! The crate type is `cdylib`, the target `wasm32-wasip1`. The module runs in Lockgate, in Envoy, and in every other
//! host of proxy-wasm 0.2.1. It exports only the hooks that the plugin implements, so that a host calls no others.
//!
//! Every call to the host returns a `Result`; the SDK panics on no status of a host. When a hook returns an error, the
//! client gets a 500 and the log the reason. Functions that only Lockgate has ([`counter`], [`cache`]) return
//! [`Error::Unsupported`] in other hosts.
//!
//! The SDK declares the ABI itself, in the module `host`, instead of using the `proxy-wasm` crate. That crate exports
//! every callback, which a host then calls for each request, and panics on unexpected statuses. Tests compare the SDK's
//! numbers with those of that crate.

// The macros name this crate by its external name; the crate's own tests and examples use them, too.
extern crate self as lockgate_sdk;

mod abi;
mod batcher;
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
mod shared_cache;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
mod text;

pub use abi::Status;
pub use abi::grpc_status::GrpcStatus;
pub use batcher::Batcher;
pub use callout::grpc::{GrpcCall, GrpcCallout, GrpcOpening, GrpcStream};
pub use callout::{Call, Callout, CalloutResponse, Upstream};
pub use config::{Config, NoConfig};
pub use error::{ConfigError, Error, ReplyError, Result};
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
pub use serde;
pub use serde_json;
pub use services::clock::{now, random};
pub use services::queue::Queue;
pub use services::{cache, counter, foreign, kv, metrics, property, shared};
pub use shared_cache::Cache;
pub use text::base64;

/// The names that plugins use.
pub mod prelude {
    pub use crate::http::template::Template;
    pub use crate::kv::Kv;
    pub use crate::single::Single;
    pub use crate::{
        Batcher, Body, Cache, CalloutResponse, Chunk, Config, ConfigError, Error, Flow, NoConfig, Peer, Plugin, Queue,
        Reply, Request, Response, Result, TcpPlugin, Upstream, join, join_all, log, plugin, property, reply, sleep,
        spawn, tick_every, timeout,
    };
    pub use std::time::Duration;
}
