//! JSON other than gateway.json, from a file or a request: reads any type that has a JSON Schema, and reports every mistake with its position.
//!
//! Nothing is substituted in them. The meaning of their texts is the caller's to check; the [`Document`] gives its mistakes a position.

use std::fs;
use std::path::Path;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::decode::decode;
use crate::diagnostic::Report;
use crate::document::Document;
use crate::format::Format;
use crate::mistake::Mistakes;
use crate::pointer::Pointer;
use crate::reader;
use crate::report::{not_text, report, unreadable};
use crate::validate::validate;

/// Reads the file at `path`. Blocks on the file system.
///
/// # Errors
/// All mistakes at once, in the order of the text.
pub fn read<T: DeserializeOwned + JsonSchema>(path: &Path, formats: &[Format]) -> Result<(T, Document), Report> {
    let text = fs::read(path).map_err(|error| unreadable(path, format!("cannot be read: {error}")))?;
    read_text(path, text, formats)
}

/// Reads a text; `path` is what reports call it.
///
/// # Errors
/// All mistakes at once, in the order of the text.
pub fn read_text<T: DeserializeOwned + JsonSchema>(
    path: &Path,
    text: Vec<u8>,
    formats: &[Format],
) -> Result<(T, Document), Report> {
    let text = String::from_utf8(text).map_err(|error| not_text(path, &error))?;
    let mut mistakes = Mistakes::default();
    let root = match reader::read(&text, &mut mistakes) {
        Ok(root) => root,
        Err(mistake) => {
            mistakes.push(mistake);
            return Err(report(&Document::new(path, text, None), mistakes));
        }
    };
    for mistake in validate(&root, &schema_of::<T>(), formats) {
        mistakes.push(mistake);
    }
    if mistakes.0.is_empty() {
        match decode(&root, &Pointer::root()) {
            Ok(value) => return Ok((value, Document::new(path, text, Some(root)))),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    Err(report(&Document::new(path, text, Some(root)), mistakes))
}

/// The JSON Schema (draft 2020-12) of a file that holds a `T`.
pub fn schema_of<T: JsonSchema>() -> Value {
    SchemaSettings::draft2020_12()
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use lockgate_units::Period;
    use serde::Deserialize;

    use super::*;

    /// A file.
    #[derive(Debug, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        wait: Period,
        #[serde(default)]
        names: BTreeMap<String, u8>,
    }

    fn read_text(text: &str) -> Result<(Sample, Document), Report> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sample.json");
        fs::write(&path, text).unwrap();
        read(&path, &[])
    }

    #[test]
    fn mistakes_have_their_position_and_the_nearest_name() {
        let report = read_text("{\n  \"wiat\": \"5s\",\n  \"names\": {\"a\": 300}\n}").unwrap_err();
        let text = report.to_string();
        assert!(
            text.contains("sample.json:2:3: /wiat: unknown key") && text.contains("did you mean \"wait\"?"),
            "{text}"
        );
        assert!(text.contains("sample.json:3:18: /names/a"), "{text}");
    }

    #[test]
    fn values_are_found_again_in_the_text_with_their_digits_and_order() {
        let text = "{\"wait\": \"5s\", \"names\": { \"b\": 1,\n \"a\": 2 } }";
        let (sample, document) = read_text(text).unwrap();
        assert_eq!((sample.wait, sample.names.len()), (Period::seconds(5), 2));
        assert_eq!(document.json("/names").as_deref(), Some("{\"b\":1,\"a\":2}"));
        assert_eq!(&text[document.span("/names").unwrap()], "{ \"b\": 1,\n \"a\": 2 }");
        assert_eq!(&text[document.span("/wait").unwrap()], "\"5s\"");
    }
}
