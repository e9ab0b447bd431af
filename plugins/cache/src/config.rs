//! The configuration of the cache plugin. No host call is made here.

use lockgate_sdk::config::Duration;

/// The configuration.
#[derive(Debug, lockgate_sdk::Config)]
pub(crate) struct Config {
    /// The name of this cache in `Cache-Status`: a token (RFC 8941, section 3.3.4).
    #[config(default = "lockgate", check = is_token)]
    pub(crate) name: String,
    /// The time to live of a response without freshness information. By default it is not stored.
    pub(crate) default_ttl: Option<Duration>,
    /// The maximum time to live of any response.
    pub(crate) max_ttl: Option<Duration>,
    /// Whether consumers share stored responses.
    #[config(default)]
    pub(crate) consumers: Consumers,
    /// The name of a scope. Routes whose cache has the same scope share stored responses. By default each route has its own.
    #[config(min_length = 1)]
    pub(crate) scope: Option<String>,
    /// Query parameters that the key ignores.
    #[config(default)]
    pub(crate) ignore_query: Vec<String>,
}

/// Whether consumers share stored responses.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, lockgate_sdk::Config)]
#[config(rename_all = "snake_case")]
pub(crate) enum Consumers {
    /// Each consumer has stored responses of their own.
    #[default]
    Isolated,
    /// All consumers share stored responses.
    Shared,
}

/// Refuses a name that is not a token.
fn is_token(name: &String) -> Result<(), String> {
    // A token (RFC 8941, section 3.3.4).
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&byte);
    let begins_well = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '*');
    if begins_well && name.bytes().all(is_token) {
        Ok(())
    } else {
        Err(format!("\"{name}\" is not a token that begins with a letter or \"*\""))
    }
}
