//! What the configuration asks for, checked: an ordered list of changes to a header map. Knows no host.

use lockgate_sdk::template::Template;
use lockgate_sdk::{Config, ConfigError};
use std::collections::BTreeMap;

/// What to do with one side's headers, as configured.
#[derive(Debug, Default, Config)]
pub(crate) struct Settings {
    /// Names of headers to remove.
    #[config(default)]
    remove: Vec<String>,
    /// Headers to give one value alone.
    #[config(default)]
    set: BTreeMap<String, Template>,
    /// Headers to give one value more.
    #[config(default)]
    add: BTreeMap<String, Template>,
}

/// One change to a header map.
#[derive(Debug, PartialEq)]
pub(crate) enum Edit {
    Remove(String),
    Set(String, Template),
    Add(String, Template),
}

/// Headers that frame a message or belong to one connection; hosts refuse to have them written.
const FRAMING: [&str; 9] = [
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The changes of one side (`request` or `response`), in the order in which they are made.
pub(crate) fn edits(side: &str, settings: Settings) -> Result<Vec<Edit>, ConfigError> {
    let mut edits = Vec::new();
    for (index, name) in settings.remove.into_iter().enumerate() {
        edits.push(Edit::Remove(checked(&format!("/{side}/remove/{index}"), &name)?));
    }
    for (name, value) in settings.set {
        edits.push(Edit::Set(named(side, "set", &name)?, value));
    }
    for (name, value) in settings.add {
        edits.push(Edit::Add(named(side, "add", &name)?, value));
    }
    Ok(edits)
}

/// The same for a name that is a key.
fn named(side: &str, list: &str, name: &str) -> Result<String, ConfigError> {
    checked("", name).map_err(|error| error.inside(name).inside(list).inside(side))
}

/// A header's name in lower case, if it is one that may be changed.
fn checked(place: &str, name: &str) -> Result<String, ConfigError> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(ConfigError::at(place, format!("\"{name}\" is not a header's name")));
    }
    let name = name.to_ascii_lowercase();
    if FRAMING.contains(&name.as_str()) {
        return Err(ConfigError::at(
            place,
            format!("\"{name}\" belongs to the connection and cannot be changed"),
        ));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str) -> Template {
        Template::parse(text).expect("a template")
    }

    #[test]
    fn headers_are_removed_then_set_then_added() {
        let settings = Settings {
            remove: vec!["X-Old".to_owned()],
            set: BTreeMap::from([("x-set".to_owned(), template("1"))]),
            add: BTreeMap::from([("Via".to_owned(), template("2"))]),
        };
        let expected = [
            Edit::Remove("x-old".to_owned()),
            Edit::Set("x-set".to_owned(), template("1")),
            Edit::Add("via".to_owned(), template("2")),
        ];
        assert_eq!(edits("request", settings).expect("good"), expected);
    }

    #[test]
    fn invalid_names_and_framing_headers_are_refused_with_their_place() {
        for name in ["", "a b", ":path", "x\r\n", "Content-Length", "connection", "host"] {
            let settings = Settings {
                remove: vec!["ok".to_owned(), name.to_owned()],
                ..Settings::default()
            };
            let error = edits("response", settings).expect_err(name);
            assert_eq!(error.pointer(), "/response/remove/1", "{name:?}");
        }
    }
}
