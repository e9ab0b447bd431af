//! Plugins of the model. Whether the module exists and accepts its configuration is checked later, by host/modules and host/control.

use lockgate_sandbox::settings::PluginSettings;

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

/// A plugin: a name, a module and settings.
#[derive(Clone, Debug)]
pub struct PluginModel {
    /// Unique: its key in `plugins`. An inline plugin is called `ROUTE/COUNT:MODULE`, `chains.NAME/COUNT:MODULE`,
    /// `global_chain/COUNT:MODULE` or `listeners.NAME/COUNT:MODULE`; COUNT: how many inline plugins of that module precede it in the chain.
    pub name: String,
    /// Stem of the module's file in the plugin folder: no slash, no leading dot.
    pub module: String,
    /// SHA-256 of the only file that is accepted: 64 lower-case hex digits. None: any file.
    pub sha256: Option<String>,
    /// The keys of which one must have signed the module. None: no signature is required.
    pub signers: Option<Vec<SigningKey>>,
    /// What the sandbox runs it with.
    pub settings: PluginSettings,
    /// JSON pointer of the plugin in the file. It may change while the plugin stays the same.
    pub pointer: String,
}

impl PartialEq for PluginModel {
    /// Compares everything but `pointer`: a plugin that only moved in the file is still the same.
    fn eq(&self, other: &PluginModel) -> bool {
        let PluginModel {
            name,
            module,
            sha256,
            signers,
            settings,
            pointer: _,
        } = self;
        *name == other.name
            && *module == other.module
            && *sha256 == other.sha256
            && *signers == other.signers
            && *settings == other.settings
    }
}
