//! Imports: configurations of other gateways and meshes become the text of a gateway.json, with a list of what it does not carry.
//!
//! It reads texts and returns texts: no file, no socket, and nothing of the gateway below. Whether gateway.json is right is decided by
//! `lockgate check`; the tests here ask the same judge.
//!
//! Floors: `istio` above `fields` above `yaml` above `losses`; `output`, `durations` and `patterns` stand alone.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that cannot go on says where"))]

mod durations;
mod fields;
mod istio;
mod losses;
mod output;
mod patterns;
mod yaml;

pub use istio::{Options, Prefixes, istio};
pub use losses::{Loss, LossKind};
pub use yaml::YamlError;

/// One file to import.
#[derive(Debug, Clone)]
pub struct Source {
    /// Name of the file in messages.
    pub name: String,
    /// Its text: YAML, also of many documents, or JSON.
    pub text: String,
}

/// Result of an import.
#[derive(Debug, Clone)]
pub struct Import {
    /// Number of resources that were read. 0: the files have nothing to import.
    pub resources: usize,
    /// Text of a gateway.json.
    pub gateway: String,
    /// What it does not carry, or carries in another way, in the order of the files.
    pub losses: Vec<Loss>,
}
