//! Reads a plugin's configuration from the host.

use serde::de::DeserializeOwned;

use crate::error::ConfigError;
use crate::host;
use crate::plugin::NoConfig;
use crate::wire::Buffer;

/// The configuration of the plugin that is being configured. None at all is an empty object.
pub fn read<T: DeserializeOwned>(size: usize) -> Result<T, ConfigError> {
    parse(&bytes(size)?)
}

fn bytes(size: usize) -> Result<Vec<u8>, ConfigError> {
    match size {
        0 => Ok(Vec::new()),
        _ => host::buffer(Buffer::Configuration, 0, size)
            .map(Option::unwrap_or_default)
            .map_err(|status| ConfigError::new(["it cannot be read: ", status.name()].concat())),
    }
}

/// The configuration of a plugin that has none: nothing, or an empty object.
pub fn none(size: usize) -> Result<NoConfig, ConfigError> {
    let mut text = bytes(size)?;
    text.retain(|byte| !byte.is_ascii_whitespace());
    match &text[..] {
        b"" | b"{}" | b"null" => Ok(NoConfig {}),
        _ => Err(ConfigError::new(
            "this plugin has no settings, so that only {} can stand here",
        )),
    }
}

/// Reads JSON; the error says where in the configuration.
fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, ConfigError> {
    let text = match text.trim_ascii() {
        b"" | b"null" => b"{}",
        text => text,
    };
    let mut json = serde_json::Deserializer::from_slice(text);
    let config = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        ConfigError::at(if path == "." { "" } else { &path }, error.inner().to_string())
    })?;
    json.end().map_err(|error| ConfigError::new(error.to_string()))?;
    Ok(config)
}
