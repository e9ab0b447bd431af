//! The configuration of the auth plugin: as written, and checked. Knows no host.

use lockgate_sdk::ConfigError;

use crate::keys::{Consumer, Digest, Keys};

/// The configuration as it is written.
#[derive(Debug, lockgate_sdk::Config)]
pub(crate) struct Config {
    /// Which kind of credential.
    kind: Kind,
    /// The header that a key stands in; `null` for none.
    #[config(default = "x-api-key")]
    header: Option<String>,
    /// The query parameter that a key stands in.
    #[config(min_length = 1)]
    query: Option<String>,
    /// The cookie that a key stands in.
    #[config(min_length = 1)]
    cookie: Option<String>,
    /// Who is known.
    consumers: Vec<ConsumerSettings>,
    /// What to do with a request without a credential.
    #[config(default)]
    pub(crate) on_missing: OnMissing,
    /// Whether the upstream does not see the credential.
    #[config(default = true)]
    pub(crate) hide_credentials: bool,
    /// The realm of the challenge in a 401.
    #[config(default = "lockgate")]
    pub(crate) realm: String,
    /// The header that tells the upstream the consumer's name.
    #[config(default = "x-consumer-name")]
    consumer_header: String,
    /// The header that tells the upstream the consumer's groups.
    #[config(default = "x-consumer-groups")]
    groups_header: String,
}

/// Which kind of credential. Others come later.
#[derive(Debug, lockgate_sdk::Config)]
#[config(rename_all = "snake_case")]
enum Kind {
    /// A key that the client was given.
    Key,
}

/// What to do with a request without a credential. One with a wrong credential is refused in any case.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, lockgate_sdk::Config)]
#[config(rename_all = "snake_case")]
pub(crate) enum OnMissing {
    /// It is answered 401.
    #[default]
    Deny,
    /// It passes, and has no consumer.
    Anonymous,
}

#[derive(Debug, lockgate_sdk::Config)]
struct ConsumerSettings {
    /// Unique.
    name: String,
    /// What rules may ask for.
    #[config(default)]
    groups: Vec<String>,
    /// The SHA-256 digests of the keys: `sha256:` and 64 hex digits each.
    keys: Vec<String>,
}

/// Where a credential may stand, in the order in which the places are looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Header(String),
    Query(String),
    Cookie(String),
}

/// The names of the headers that tell the upstream who it is.
#[derive(Debug)]
pub(crate) struct Announcement {
    pub(crate) consumer: String,
    pub(crate) groups: String,
}

impl Config {
    /// The places where a credential may stand.
    pub(crate) fn places(&self) -> Result<Vec<Place>, ConfigError> {
        let mut places = Vec::new();
        if let Some(name) = &self.header {
            places.push(Place::Header(header_name("/header", name)?));
        }
        if let Some(name) = &self.query {
            places.push(Place::Query(name.clone()));
        }
        if let Some(name) = &self.cookie {
            places.push(Place::Cookie(name.clone()));
        }
        if places.is_empty() {
            return Err(ConfigError::new(
                "a key needs a place to come from: header, query or cookie",
            ));
        }
        Ok(places)
    }

    /// The headers that are set on the request.
    pub(crate) fn announcement(&self) -> Result<Announcement, ConfigError> {
        let consumer = header_name("/consumer_header", &self.consumer_header)?;
        let groups = header_name("/groups_header", &self.groups_header)?;
        if consumer == groups {
            return Err(ConfigError::at("/groups_header", "the same header as consumer_header"));
        }
        Ok(Announcement { consumer, groups })
    }

    /// The challenge of a 401.
    pub(crate) fn challenge(&self) -> Result<String, ConfigError> {
        if !self.realm.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return Err(ConfigError::at("/realm", "only printable ASCII can stand in a header"));
        }
        Ok(format!(
            "ApiKey realm=\"{}\"",
            self.realm.replace('\\', "\\\\").replace('"', "\\\"")
        ))
    }

    /// All keys of all consumers.
    pub(crate) fn keys(self) -> Result<Keys, ConfigError> {
        let Kind::Key = self.kind;
        let mut keys = Keys::default();
        let mut names: Vec<&str> = Vec::new();
        for (index, consumer) in self.consumers.iter().enumerate() {
            let place = format!("/consumers/{index}");
            if !is_header_text(&consumer.name) {
                return Err(ConfigError::at(
                    format!("{place}/name"),
                    "a name is printable ASCII without commas",
                ));
            }
            if names.contains(&consumer.name.as_str()) {
                return Err(ConfigError::at(
                    format!("{place}/name"),
                    format!("\"{}\" is there twice", consumer.name),
                ));
            }
            if let Some(group) = consumer.groups.iter().position(|group| !is_header_text(group)) {
                let place = format!("{place}/groups/{group}");
                return Err(ConfigError::at(place, "a group is printable ASCII without commas"));
            }
            names.push(&consumer.name);
            let known = keys.consumer(Consumer {
                name: consumer.name.clone(),
                groups: consumer.groups.join(","),
            });
            for (key, text) in consumer.keys.iter().enumerate() {
                let fault = |message: String| ConfigError::at(format!("{place}/keys/{key}"), message);
                let digest = Digest::parse(text).map_err(|error| fault(error.to_owned()))?;
                if !keys.add(digest, known) {
                    return Err(fault("this key is there twice".to_owned()));
                }
            }
        }
        Ok(keys)
    }
}

/// Whether a text can stand in a comma-separated header.
fn is_header_text(text: &str) -> bool {
    !text.is_empty() && text.trim() == text && text.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b',')
}

fn header_name(place: &str, name: &str) -> Result<String, ConfigError> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(ConfigError::at(place, format!("\"{name}\" is not a header's name")));
    }
    Ok(name.to_ascii_lowercase())
}
