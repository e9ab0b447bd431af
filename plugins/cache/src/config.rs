//! The configuration of the cache plugin. Knows no host.

use lockgate_sdk::ConfigError;
use lockgate_sdk::period::Period;
use serde::Deserialize;

/// The configuration.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// What `Cache-Status` calls this cache.
    #[serde(default = "lockgate")]
    pub(crate) name: String,
    /// How long a response without any freshness of its own is kept; not at all when absent.
    pub(crate) default_ttl: Option<Period>,
    /// The longest that any response is kept.
    pub(crate) max_ttl: Option<Period>,
    /// Whether consumers see each other's responses.
    #[serde(default)]
    pub(crate) consumers: Consumers,
    /// Query parameters that make no difference.
    #[serde(default)]
    pub(crate) ignore_query: Vec<String>,
}

/// Whether consumers see each other's responses.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Consumers {
    /// Each consumer has their own.
    #[default]
    Isolated,
    /// All have the same.
    Shared,
}

fn lockgate() -> String {
    "lockgate".to_owned()
}

impl Config {
    /// Refuses what cannot stand in a header.
    pub(crate) fn checked(self) -> Result<Config, ConfigError> {
        // A token (RFC 8941, section 3.3.4).
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&byte);
        let begins_well = self
            .name
            .starts_with(|first: char| first.is_ascii_alphabetic() || first == '*');
        if !begins_well || !self.name.bytes().all(is_token) {
            return Err(ConfigError::at(
                "name",
                format!("\"{}\" is not a token that begins with a letter", self.name),
            ));
        }
        Ok(self)
    }
}
