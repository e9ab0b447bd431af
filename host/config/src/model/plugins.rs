//! Plugins of the model. Whether the module exists and accepts its configuration is checked later, by host/modules and host/control.

use std::fmt;

use lockgate_sandbox::settings::{Capabilities, Isolation, Limits, OnError};

/// Position in [`Model::plugins`](super::Model::plugins).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PluginIndex(pub usize);

/// A public key for the signatures of modules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningKey {
    /// Its key in `signatures.keys`.
    pub name: String,
    /// An Ed25519 public key (RFC 8032).
    pub key: [u8; 32],
}

/// A plugin: a module with its configuration, limits and name.
#[derive(Clone, PartialEq)]
pub struct PluginModel {
    /// Unique: its key in `plugins`; for inline ones `ROUTE/INDEX:MODULE`, `chains.NAME/INDEX:MODULE`,
    /// `global_chain/INDEX:MODULE` or `listeners.NAME/INDEX:MODULE`.
    pub name: String,
    /// Stem of its file in the plugin folder: no slash, no leading dot.
    pub module: String,
    /// What `proxy_on_configure` gets: JSON text, a JSON string's own text, or nothing.
    pub config: Vec<u8>,
    /// Which of the module's root contexts is meant.
    pub root_id: String,
    /// The name space of its shared data and queues.
    pub vm_id: String,
    /// What `proxy_on_vm_start` gets; written like `config`.
    pub vm_config: Vec<u8>,
    /// Environment variables that the module sees, sorted by name.
    pub env: Vec<(String, String)>,
    /// The only file that is accepted: 64 lower-case hex digits.
    pub sha256: Option<String>,
    /// The only signers whose modules are accepted; none: no signature is asked for.
    pub signers: Option<Vec<SigningKey>>,
    /// What its failure means for the request.
    pub on_error: OnError,
    /// Which streams share a VM.
    pub isolation: Isolation,
    /// What it may use up.
    pub limits: Limits,
    /// What it may call.
    pub capabilities: Capabilities,
    /// JSON pointer of the plugin in the file.
    pub pointer: String,
}

impl fmt::Debug for PluginModel {
    /// Without `config`, `vm_config` and `env`: they may hold secrets.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("PluginModel")
            .field("name", &self.name)
            .field("module", &self.module)
            .field("root_id", &self.root_id)
            .field("on_error", &self.on_error)
            .field("isolation", &self.isolation)
            .field("limits", &self.limits)
            .field("pointer", &self.pointer)
            .finish_non_exhaustive()
    }
}
