//! Plugins and chains as they are written.

use std::collections::BTreeMap;

use lockgate_sandbox::settings::{Capabilities, Isolation, Limits, OnError};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// A module with its configuration and limits.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plugin {
    /// The module: its file's name in `plugin_dir`, without `.wasm`.
    #[schemars(required, example = &"auth", length(min = 1))]
    pub(crate) module: Option<String>,
    /// What the plugin is configured with: any JSON, handed over as JSON text (a string as the text itself).
    #[expect(
        dead_code,
        reason = "taken from the tree as it is written: key order and digits are the plugin's business"
    )]
    config: Option<Value>,
    /// Which of the module's root contexts is meant, if it registers several.
    #[serde(default)]
    pub(crate) root_id: String,
    /// The name space of shared data and queues: plugins with the same one see the same.
    #[serde(default)]
    pub(crate) vm_id: String,
    /// What the module's VM is started with; written like `config`.
    #[expect(dead_code, reason = "taken from the tree as it is written, like `config`")]
    vm_config: Option<Value>,
    /// Environment variables that the module sees. It sees no others.
    #[serde(default)]
    pub(crate) env: BTreeMap<String, String>,
    /// Refuse any other file: the module's SHA-256 in 64 hex digits.
    pub(crate) sha256: Option<String>,
    /// Refuse a module that none of these keys of `signatures.keys` has signed.
    #[schemars(length(min = 1))]
    pub(crate) signed_by: Option<Vec<String>>,
    /// What the plugin's failure means for the request.
    #[serde(default)]
    pub(crate) on_error: OnError,
    /// Who shares a VM.
    #[serde(default)]
    pub(crate) isolation: Isolation,
    /// What the plugin may use up.
    #[serde(default)]
    pub(crate) limits: Limits,
    /// What the plugin may call, see and reach.
    #[serde(default)]
    pub(crate) capabilities: Capabilities,
}

/// A chain's name, or a list of plugins in the order of the request phase; the response phase runs in reverse.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "chains are read from the tree, item by item")]
pub(crate) enum Chain {
    /// A name in `chains`.
    Name(String),
    /// Plugins, one after the other.
    Steps(Vec<Step>),
}

/// A plugin's name, or a plugin of this place alone.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "chains are read from the tree, item by item")]
pub(crate) enum Step {
    /// A name in `plugins`.
    Name(String),
    /// A plugin that stands only here.
    Inline(Box<Plugin>),
}
