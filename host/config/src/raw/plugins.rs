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
    /// Module of the plugin: a file name in `plugin_dir` without `.wasm`.
    #[schemars(required, example = &"auth", length(min = 1))]
    pub(crate) module: Option<String>,
    /// Configuration that the plugin reads: any JSON, passed as JSON text (a string: as the text itself).
    #[expect(
        dead_code,
        reason = "taken from the tree as it is written: key order and digits are the plugin's business"
    )]
    config: Option<Value>,
    /// Root context to use, for a module that registers several.
    #[serde(default)]
    pub(crate) root_id: String,
    /// Namespace of shared data, queues and shared values of `lockgate.kv`: plugins with the same `vm_id` share them. Absent: the
    /// plugin's name, so that it shares them with no other plugin.
    pub(crate) vm_id: Option<String>,
    /// VM configuration that the plugin reads in `on_vm_start`; written like `config`.
    #[expect(dead_code, reason = "taken from the tree as it is written, like `config`")]
    vm_config: Option<Value>,
    /// Environment variables of the module. It sees no others.
    #[serde(default)]
    pub(crate) env: BTreeMap<String, String>,
    /// SHA-256 of the module file in 64 hex digits. A file with another digest is refused.
    pub(crate) sha256: Option<String>,
    /// Names of keys in `signatures.keys`. A module that none of them has signed is refused.
    #[schemars(length(min = 1))]
    pub(crate) signed_by: Option<Vec<String>>,
    /// Handling of a request whose plugin failed.
    #[serde(default)]
    pub(crate) on_error: OnError,
    /// Which streams share a VM.
    #[serde(default)]
    pub(crate) isolation: Isolation,
    /// Limits of the plugin.
    #[serde(default)]
    pub(crate) limits: Limits,
    /// Host calls, headers, properties and upstreams that the plugin may use.
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
    /// Plugins, in the order of the request.
    Items(Vec<ChainItem>),
}

/// A plugin's name, or an inline plugin.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "chains are read from the tree, item by item")]
pub(crate) enum ChainItem {
    /// A name in `plugins`.
    Name(String),
    /// An inline plugin, which belongs to this chain alone.
    Inline(Box<Plugin>),
}
