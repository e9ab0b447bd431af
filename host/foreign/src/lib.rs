//! The functions beyond the proxy-wasm standard that plugins call by name: `lockgate.*` and those of Envoy.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that cannot go on says where"))]

mod cache;
mod conditional;
mod counter;
mod dispatch;
mod envoy;
mod json;
mod kv;
mod settings;

pub use dispatch::{Services, call, names, status_of_queue, status_of_shared};
pub use kv::{KvWatches, WatchSender};
pub use settings::{CacheSettings, KvSettings, store_settings};
