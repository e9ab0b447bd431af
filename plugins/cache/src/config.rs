//! The configuration of the cache plugin. Knows no host.

use lockgate_sdk::config::Duration;

/// The configuration.
#[derive(Debug, lockgate_sdk::Config)]
pub(crate) struct Config {
    /// What `Cache-Status` calls this cache: a token (RFC 8941, section 3.3.4).
    #[config(default = "lockgate", check = is_token)]
    pub(crate) name: String,
    /// How long a response without any freshness of its own is kept; not at all when absent.
    pub(crate) default_ttl: Option<Duration>,
    /// The longest that any response is kept.
    pub(crate) max_ttl: Option<Duration>,
    /// Whether consumers see each other's responses.
    #[config(default)]
    pub(crate) consumers: Consumers,
    /// Query parameters that make no difference.
    #[config(default)]
    pub(crate) ignore_query: Vec<String>,
}

/// Whether consumers see each other's responses.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, lockgate_sdk::Config)]
#[config(rename_all = "snake_case")]
pub(crate) enum Consumers {
    /// Each consumer has their own.
    #[default]
    Isolated,
    /// All have the same.
    Shared,
}

/// Refuses what cannot stand in a header.
fn is_token(name: &String) -> Result<(), String> {
    // A token (RFC 8941, section 3.3.4).
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&byte);
    let begins_well = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '*');
    if begins_well && name.bytes().all(is_token) {
        Ok(())
    } else {
        Err(format!("\"{name}\" is not a token that begins with a letter"))
    }
}
