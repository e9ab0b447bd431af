//! The functions beyond the proxy-wasm standard that plugins call by name: `lockgate.*` and those of Envoy.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that cannot go on says where"))]

pub mod functions;

pub use functions::{call, names, status_of_queue, status_of_shared};
