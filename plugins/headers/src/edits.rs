//! The changes to a header map, from the configuration, checked and in order. No host call is made here.

use lockgate_sdk::template::Template;
use lockgate_sdk::{Config, ConfigError};
use std::collections::BTreeMap;

/// The changes to the headers of one direction, as configured.
#[derive(Debug, Default, Config)]
pub(crate) struct Settings {
    /// The names of headers to remove.
    #[config(default)]
    remove: Vec<String>,
    /// Headers to set: the value replaces all others.
    #[config(default)]
    set: BTreeMap<String, Template>,
    /// Headers to add: the value is added to those that the header has.
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

/// Headers that frame a message or belong to the connection. Hosts refuse changes of them.
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

/// The changes of one direction (`request` or `response`), in the order in which they are applied.
pub(crate) fn edits(direction: &str, settings: Settings) -> Result<Vec<Edit>, ConfigError> {
    let mut edits = Vec::new();
    for (index, name) in settings.remove.into_iter().enumerate() {
        edits.push(Edit::Remove(checked(&format!("/{direction}/remove/{index}"), &name)?));
    }
    for (name, value) in settings.set {
        edits.push(Edit::Set(checked_key(direction, "set", &name, &value)?, value));
    }
    for (name, value) in settings.add {
        edits.push(Edit::Add(checked_key(direction, "add", &name, &value)?, value));
    }
    Ok(edits)
}

/// As [`checked`], for a name that is a key of an object, with its value.
fn checked_key(direction: &str, list: &str, name: &str, value: &Template) -> Result<String, ConfigError> {
    checked("", name)
        .and_then(|name| checked_value(value).map(|()| name))
        .map_err(|error| error.inside(name).inside(list).inside(direction))
}

/// Refuses a value whose fixed text no header may contain: every request would fail.
fn checked_value(value: &Template) -> Result<(), ConfigError> {
    let is_control = |byte: u8| (byte < b' ' && byte != b'\t') || byte == 0x7f;
    match value.fixed_parts().flat_map(str::bytes).find(|byte| is_control(*byte)) {
        None => Ok(()),
        Some(byte) => Err(ConfigError::new(format!(
            "the value contains a control character (byte {byte}), such as a line end; a header's value is one line of text"
        ))),
    }
}

/// A header name in lower case, if the header may be changed.
fn checked(place: &str, name: &str) -> Result<String, ConfigError> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(ConfigError::at(place, format!("\"{name}\" is not a valid header name")));
    }
    let name = name.to_ascii_lowercase();
    if FRAMING.contains(&name.as_str()) {
        return Err(ConfigError::at(
            place,
            format!("\"{name}\" belongs to the message's framing or the connection, and cannot be changed"),
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
    fn a_value_that_no_header_may_have_is_refused_with_its_place() {
        for value in ["a\r\nx: y", "a\n", "\r", "{consumer}\0", "a\u{7f}", "\u{1}{address}"] {
            for list in ["set", "add"] {
                let values = BTreeMap::from([("x-a".to_owned(), template(value))]);
                let settings = match list {
                    "set" => Settings {
                        set: values,
                        ..Settings::default()
                    },
                    _ => Settings {
                        add: values,
                        ..Settings::default()
                    },
                };
                let error = edits("request", settings).expect_err(value);
                assert_eq!(error.pointer(), format!("/request/{list}/x-a"), "{value:?}");
            }
        }
        for value in ["", "a\tb", "\u{e9}", "{header:x}"] {
            let set = BTreeMap::from([("x-a".to_owned(), template(value))]);
            assert!(
                edits(
                    "request",
                    Settings {
                        set,
                        ..Settings::default()
                    }
                )
                .is_ok(),
                "{value:?}"
            );
        }
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
