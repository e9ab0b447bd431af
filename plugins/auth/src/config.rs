//! The configuration of the auth plugin, as written and as checked. No host call is made here.

use std::collections::BTreeSet;

use lockgate_sdk::ConfigError;
use lockgate_sdk::config::{Kind as SchemaKind, Schema, Value};

use crate::keys::{Consumer, Digest, DuplicateKey, Keys, KeysBuilder};

/// The configuration as written.
#[derive(Debug, lockgate_sdk::Config)]
pub(crate) struct Config {
    /// The kind of credential.
    kind: Kind,
    /// The header with the key; `null` for none.
    #[config(default = "x-api-key")]
    header: Option<String>,
    /// The query parameter with the key.
    #[config(min_length = 1)]
    query: Option<String>,
    /// The cookie with the key.
    #[config(min_length = 1)]
    cookie: Option<String>,
    /// The known consumers.
    consumers: Vec<ConsumerSettings>,
    /// The treatment of requests without a key.
    #[config(default)]
    pub(crate) on_missing: OnMissing,
    /// Whether keys are removed from the request before it goes on.
    #[config(default = true)]
    pub(crate) hide_credentials: bool,
    /// The realm of the challenge (`WWW-Authenticate`) in a 401.
    #[config(default = "lockgate")]
    pub(crate) realm: String,
    /// The request header with the consumer's name, for the upstream.
    #[config(default = "x-consumer-name")]
    consumer_header: String,
    /// The request header with the consumer's groups, for the upstream.
    #[config(default = "x-consumer-groups")]
    groups_header: String,
}

/// The kinds of credentials.
#[derive(Debug, lockgate_sdk::Config)]
#[config(rename_all = "snake_case")]
enum Kind {
    /// An API key.
    Key,
}

/// The treatment of requests without a key. A request with an unknown key is always denied.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, lockgate_sdk::Config)]
#[config(rename_all = "snake_case")]
pub(crate) enum OnMissing {
    /// The client gets a 401.
    #[default]
    Deny,
    /// The request passes without a consumer.
    Anonymous,
}

#[derive(Debug, lockgate_sdk::Config)]
struct ConsumerSettings {
    /// The name, unique among the consumers.
    name: String,
    /// The groups, for rules of other plugins.
    #[config(default)]
    groups: Vec<String>,
    /// The SHA-256 digests of the keys, each `sha256:` and 64 hexadecimal digits.
    keys: Vec<Digest>,
}

/// A place in the request for a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CredentialSource {
    Header(String),
    Query(String),
    Cookie(String),
}

/// The names of the request headers with the consumer.
#[derive(Debug)]
pub(crate) struct IdentityHeaders {
    pub(crate) consumer: String,
    pub(crate) groups: String,
}

impl Config {
    /// The places for a credential, in the order in which they are read.
    pub(crate) fn sources(&self) -> Result<Vec<CredentialSource>, ConfigError> {
        let mut sources = Vec::new();
        if let Some(name) = &self.header {
            sources.push(CredentialSource::Header(header_name("/header", name)?));
        }
        if let Some(name) = &self.query {
            sources.push(CredentialSource::Query(name.clone()));
        }
        if let Some(name) = &self.cookie {
            sources.push(CredentialSource::Cookie(name.clone()));
        }
        if sources.is_empty() {
            return Err(ConfigError::new(
                "no place for the key; set \"header\", \"query\" or \"cookie\"",
            ));
        }
        Ok(sources)
    }

    /// The names of the request headers with the consumer.
    pub(crate) fn identity_headers(&self) -> Result<IdentityHeaders, ConfigError> {
        let consumer = header_name("/consumer_header", &self.consumer_header)?;
        let groups = header_name("/groups_header", &self.groups_header)?;
        if consumer == groups {
            return Err(ConfigError::at(
                "/groups_header",
                "groups_header must differ from consumer_header",
            ));
        }
        Ok(IdentityHeaders { consumer, groups })
    }

    /// The challenge in a 401.
    pub(crate) fn challenge(&self) -> Result<String, ConfigError> {
        if !self.realm.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return Err(ConfigError::at("/realm", "a realm must be printable ASCII"));
        }
        Ok(format!(
            "ApiKey realm=\"{}\"",
            self.realm.replace('\\', "\\\\").replace('"', "\\\"")
        ))
    }

    /// The keys of all consumers.
    pub(crate) fn keys(self) -> Result<Keys, ConfigError> {
        let Kind::Key = self.kind;
        let mut keys = KeysBuilder::default();
        let mut names = BTreeSet::new();
        for (index, consumer) in self.consumers.iter().enumerate() {
            let place = format!("/consumers/{index}");
            if !is_header_text(&consumer.name) {
                return Err(ConfigError::at(
                    format!("{place}/name"),
                    "a name must be printable ASCII without commas",
                ));
            }
            if !names.insert(consumer.name.as_str()) {
                return Err(ConfigError::at(
                    format!("{place}/name"),
                    format!("the name \"{}\" is not unique", consumer.name),
                ));
            }
            if let Some(group) = consumer.groups.iter().position(|group| !is_header_text(group)) {
                let place = format!("{place}/groups/{group}");
                return Err(ConfigError::at(place, "a group must be printable ASCII without commas"));
            }
        }
        for consumer in self.consumers {
            let owner = Consumer {
                name: consumer.name,
                groups: consumer.groups.join(","),
            };
            keys.add(owner, consumer.keys);
        }
        keys.build().map_err(|DuplicateKey { consumer, key }| {
            ConfigError::at(format!("/consumers/{consumer}/keys/{key}"), "this key is not unique")
        })
    }
}

impl lockgate_sdk::Config for Digest {
    const SCHEMA: Schema = Schema::new(SchemaKind::Type("string"));

    fn read(value: &Value<'_>) -> Result<Digest, ConfigError> {
        let text = value.text().ok_or_else(|| value.mismatch("a text"))?;
        Digest::parse(text).map_err(ConfigError::new)
    }
}

/// Whether a text is valid as an item of a comma-separated header.
fn is_header_text(text: &str) -> bool {
    !text.is_empty() && text.trim() == text && text.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b',')
}

fn header_name(place: &str, name: &str) -> Result<String, ConfigError> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(ConfigError::at(place, format!("\"{name}\" is not a valid header name")));
    }
    Ok(name.to_ascii_lowercase())
}
