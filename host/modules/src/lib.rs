//! The `.wasm` files of `plugin_dir`: compiled, with which state of each file serves, who has signed it, what a plugin's configuration
//! means to it, and a trial VM that proves it before it goes live.
//!
//! Knows files, modules and plugins as they are configured; not snapshots, workers or traffic.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that cannot go on says where"))]

pub mod files;
pub mod inspect;
pub mod plugin_config;
pub mod selection;
mod signature;
pub mod trial_vm;
pub mod usage;

pub use inspect::{InspectError, Inspection, ManifestReport, inspect, schemas};
