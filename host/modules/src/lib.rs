//! Modules: the `.wasm` files of `plugin_dir`, their signatures, the selection of a plugin's module, the check of a plugin's configuration
//! and capabilities by its module, and the trial VM.
//!
//! Knows files, modules and configured plugins; not snapshots, workers or traffic.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that cannot go on says where"))]

pub mod capabilities;
pub mod compilation;
pub mod files;
pub mod inspect;
mod module_bytes;
pub mod plugin_config;
pub mod selection;
mod signature;
pub mod trial_vm;
pub mod usage;
pub mod warnings;

pub use inspect::{InspectError, Inspection, ManifestReport, inspect, schemas};
