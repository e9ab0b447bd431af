//! Plugin manifests: the JSON in a module's custom section `lockgate.manifest`.
//!
//! Any module may carry one, so its size is bounded and its content is not trusted. A module with an unusable manifest runs all
//! the same. Pure functions of bytes.

mod section;

use serde::Deserialize;
use serde_json::{Map, Value};

/// The custom section of a manifest.
pub const SECTION: &str = "lockgate.manifest";

/// Maximum size of a manifest, in bytes.
pub const MAX_BYTES: usize = 256 * 1024;

/// Maximum characters of a name, version or description. Longer ones are cut.
const MAX_CHARS: usize = 1024;

/// Hooks that are read. Further ones are left out.
const MAX_HOOKS: usize = 64;

/// Maximum nesting of a schema or of capabilities.
const MAX_DEPTH: usize = 64;

/// A plugin's description of itself. Its texts hold no control characters except line feeds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Manifest {
    /// The plugin's own name. Its name in a configuration may differ.
    pub name: Option<String>,
    /// The plugin's version.
    pub version: Option<String>,
    /// One sentence.
    pub description: Option<String>,
    /// Its hooks, by their names in its SDK.
    pub hooks: Vec<String>,
    /// It holds no state of a stream between callbacks, so streams need no `proxy_on_context_create` and `proxy_on_delete`.
    pub stateless: bool,
    /// The JSON Schema of its configuration: an object, `true` or `false`.
    pub config_schema: Option<Value>,
    /// The capabilities that it needs, in the form of the plugin setting `capabilities`.
    pub capabilities: Map<String, Value>,
}

/// Why a manifest cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// There is more than one section.
    #[error("the section appears {0} times")]
    Repeated(usize),
    /// It is longer than [`MAX_BYTES`].
    #[error("it has {0} bytes, more than the maximum of {MAX_BYTES}")]
    Large(usize),
    /// It is not JSON, or has other members than a manifest.
    #[error("{0}")]
    Malformed(String),
    /// A part is nested deeper than the maximum.
    #[error("its {0} is nested too deeply")]
    Deep(&'static str),
}

/// The manifest's JSON. Unknown members belong to later versions.
#[derive(Deserialize)]
struct Written {
    name: Option<String>,
    version: Option<String>,
    description: Option<String>,
    #[serde(default)]
    hooks: Vec<String>,
    #[serde(default)]
    stateless: bool,
    config_schema: Option<Value>,
    #[serde(default)]
    capabilities: Map<String, Value>,
}

impl Manifest {
    /// The manifest of a module, if it has one. The bytes may be anything.
    ///
    /// # Errors
    /// [`ManifestError`]: there is one, and it cannot be used.
    pub fn of_module(module: &[u8]) -> Result<Option<Self>, ManifestError> {
        let sections: Vec<&[u8]> = section::named(module, SECTION).collect();
        match sections.as_slice() {
            [] => Ok(None),
            [only] => Self::parse(only).map(Some),
            several => Err(ManifestError::Repeated(several.len())),
        }
    }

    /// Parses the content of the section.
    ///
    /// # Errors
    /// [`ManifestError`]
    pub fn parse(json: &[u8]) -> Result<Self, ManifestError> {
        if json.len() > MAX_BYTES {
            return Err(ManifestError::Large(json.len()));
        }
        let written: Written =
            serde_json::from_slice(json).map_err(|error| ManifestError::Malformed(error.to_string()))?;
        let mut schema = written.config_schema;
        if let Some(schema) = &mut schema {
            if !matches!(schema, Value::Object(_) | Value::Bool(_)) {
                let message = "config_schema is neither an object nor true or false";
                return Err(ManifestError::Malformed(message.to_owned()));
            }
            if !clean(schema, MAX_DEPTH) {
                return Err(ManifestError::Deep("config_schema"));
            }
        }
        let mut capabilities = Value::Object(written.capabilities);
        if !clean(&mut capabilities, MAX_DEPTH) {
            return Err(ManifestError::Deep("capabilities"));
        }
        let Value::Object(capabilities) = capabilities else {
            return Err(ManifestError::Malformed("capabilities is not an object".to_owned()));
        };
        Ok(Self {
            name: written.name.map(short),
            version: written.version.map(short),
            description: written.description.map(short),
            hooks: written.hooks.into_iter().take(MAX_HOOKS).map(short).collect(),
            stateless: written.stateless,
            config_schema: schema,
            capabilities,
        })
    }

    /// The needed capabilities that `granted` (the plugin setting `capabilities`, as JSON) does not allow, each as `name: value`.
    /// A capability that the setting does not name is not restricted.
    #[must_use]
    pub fn lacking(&self, granted: &Value) -> Vec<String> {
        let mut lacking = Vec::new();
        for (name, needed) in &self.capabilities {
            lack(name, needed, granted.get(name).unwrap_or(&Value::Null), &mut lacking);
        }
        lacking
    }
}

/// Compares one capability.
fn lack(name: &str, needed: &Value, granted: &Value, out: &mut Vec<String>) {
    match (needed, granted) {
        // Not restricted, or not needed.
        (_, Value::Null | Value::Bool(true)) | (Value::Null | Value::Bool(false), _) => {}
        (Value::Array(needed), Value::Array(granted)) => {
            let is_granted = |one: &Value| granted.iter().any(|grant| covers(grant, one));
            let missing = needed.iter().filter(|one| !is_granted(one));
            out.extend(missing.map(|one| match one {
                Value::String(text) => format!("{name}: {text:?}"),
                other => format!("{name}: {other}"),
            }));
        }
        (Value::Object(needed), Value::Object(granted)) => {
            for (inner, needed) in needed {
                let granted = granted.get(inner).unwrap_or(&Value::Null);
                lack(&format!("{name}.{inner}"), needed, granted, out);
            }
        }
        (needed, granted) if needed == granted => {}
        (needed, _) => out.push(format!("{name}: {needed}")),
    }
}

/// Whether a grant, which may end in `*`, allows a need. `proxy_` before a host call is optional.
fn covers(grant: &Value, needed: &Value) -> bool {
    let (Value::String(grant), Value::String(needed)) = (grant, needed) else {
        return grant == needed;
    };
    let bare = |name: &str| name.strip_prefix("proxy_").unwrap_or(name).to_owned();
    match grant.strip_suffix('*') {
        Some(start) => needed.starts_with(start),
        None => bare(grant) == bare(needed),
    }
}

/// Cuts a text to the maximum length and replaces control characters.
fn short(text: String) -> String {
    let plain = text.chars().take(MAX_CHARS).map(printable);
    plain.collect()
}

fn printable(character: char) -> char {
    match character {
        '\n' => '\n',
        control if control.is_control() => char::REPLACEMENT_CHARACTER,
        other => other,
    }
}

/// Replaces the control characters of all texts. False for a value that is nested more than `depth` deep.
fn clean(value: &mut Value, depth: usize) -> bool {
    let Some(depth) = depth.checked_sub(1) else {
        return false;
    };
    match value {
        Value::String(text) => {
            if text.chars().any(char::is_control) {
                *text = text.chars().map(printable).collect();
            }
            true
        }
        Value::Array(items) => items.iter_mut().all(|item| clean(item, depth)),
        Value::Object(members) => {
            if members.keys().any(|name| name.chars().any(char::is_control)) {
                let renamed = std::mem::take(members).into_iter();
                *members = renamed
                    .map(|(name, value)| (name.chars().map(printable).collect(), value))
                    .collect();
            }
            members.values_mut().all(|member| clean(member, depth))
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(json: &Value) -> Result<Manifest, ManifestError> {
        Manifest::parse(json.to_string().as_bytes())
    }

    #[test]
    fn a_manifest_is_read_and_what_is_not_known_is_left_to_later_versions() {
        let manifest = parse(&json!({
            "name": "quota", "version": "1.2.0", "description": "Counts.", "hooks": ["on_request"], "stateless": true,
            "config_schema": { "type": "object" }, "capabilities": { "upstreams": ["a"] }, "licence": "MIT",
        }))
        .unwrap();
        assert_eq!(manifest.name.as_deref(), Some("quota"));
        assert_eq!(manifest.hooks, ["on_request"]);
        assert!(manifest.stateless);
        assert_eq!(manifest.config_schema, Some(json!({ "type": "object" })));
        assert_eq!(Manifest::parse(b"{}").unwrap(), Manifest::default());
    }

    #[test]
    fn what_is_no_manifest_is_an_error_and_never_a_panic() {
        for text in [
            "",
            "[]",
            "{",
            "\u{1}",
            "{\"name\":1}",
            "{\"config_schema\":[]}",
            "{\"capabilities\":[]}",
        ] {
            assert!(Manifest::parse(text.as_bytes()).is_err(), "{text}");
        }
        let mut deep = json!({});
        for _ in 0..80 {
            deep = json!({ "items": deep });
        }
        assert_eq!(
            parse(&json!({ "config_schema": deep })),
            Err(ManifestError::Deep("config_schema"))
        );
        let long = vec![b' '; MAX_BYTES + 1];
        assert_eq!(Manifest::parse(&long), Err(ManifestError::Large(MAX_BYTES + 1)));
        assert!(Manifest::parse(&vec![b'['; MAX_BYTES]).is_err());
    }

    #[test]
    fn no_text_of_a_manifest_drives_a_terminal() {
        let manifest = parse(&json!({
            "name": "a\u{1b}[2J", "description": "x".repeat(5_000),
            "config_schema": { "properties": { "k\u{7}": { "description": "\u{9b}31m" } } },
        }))
        .unwrap();
        assert_eq!(manifest.name.as_deref(), Some("a\u{fffd}[2J"));
        assert_eq!(manifest.description.map(|text| text.len()), Some(MAX_CHARS));
        assert!(
            !manifest
                .config_schema
                .unwrap()
                .to_string()
                .contains(['\u{7}', '\u{9b}'])
        );
    }

    #[test]
    fn what_is_needed_and_not_granted_is_listed() {
        let manifest = parse(&json!({ "capabilities": {
            "upstreams": ["tokens", "users"], "headers": ["x-user", "authorization"], "host_calls": ["proxy_http_call"],
            "store": { "prefixes": ["a/"] }, "sockets": true,
        } }))
        .unwrap();
        assert_eq!(manifest.lacking(&json!({})), Vec::<String>::new());
        assert_eq!(manifest.lacking(&json!({ "upstreams": null })), Vec::<String>::new());
        let granted = json!({ "upstreams": ["users"], "headers": ["x-*"], "host_calls": ["http_call"], "store": { "prefixes": [] },
            "sockets": false });
        let lacking = manifest.lacking(&granted);
        assert_eq!(
            lacking,
            [
                "headers: \"authorization\"",
                "sockets: true",
                "store.prefixes: \"a/\"",
                "upstreams: \"tokens\""
            ]
        );
    }
}
