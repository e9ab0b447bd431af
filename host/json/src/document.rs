//! A document that was read, kept so that later mistakes have a position, too: a plugin that refuses its configuration, a
//! module that cannot be loaded.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fmt, iter};

use serde::de::IgnoredAny;

use crate::diagnostic::{Diagnostic, Position};
use crate::format::Format;
use crate::mistake::{Anchor, Mistake};
use crate::pointer::Pointer;
use crate::tree::{Node, Value};
use crate::validate::{TooMuchWork, validate_at};

/// A file's text and its tree. Cheap to clone.
#[derive(Clone)]
pub struct Document {
    inner: Arc<Inner>,
}

struct Inner {
    file: PathBuf,
    text: String,
    /// Byte offset of every line's first character.
    lines: Vec<usize>,
    /// None: the text is not JSON.
    root: Option<Node>,
}

impl Document {
    /// A document of the file's text and its tree. No tree: the text is not JSON.
    pub fn new(file: &Path, text: String, root: Option<Node>) -> Document {
        let lines = iter::once(0)
            .chain(text.match_indices('\n').map(|(newline, _)| newline + 1))
            .collect();
        let inner = Inner {
            file: file.to_owned(),
            text,
            lines,
            root,
        };
        Document { inner: Arc::new(inner) }
    }

    /// The file, as the caller named it.
    pub fn file(&self) -> &Path {
        &self.inner.file
    }

    /// The text as it was read, before substitution.
    pub fn text(&self) -> &str {
        &self.inner.text
    }

    /// The position of the value at `pointer` (RFC 6901); none if there is no such value.
    pub fn locate(&self, pointer: &str) -> Option<Position> {
        let node = self.inner.root.as_ref()?.find(pointer)?;
        Some(self.position(node.at))
    }

    /// The value at `pointer` as JSON text on one line. Numbers and the order of members are as written.
    pub fn json(&self, pointer: &str) -> Option<String> {
        Some(self.inner.root.as_ref()?.find(pointer)?.to_json())
    }

    /// The range of the text, in bytes, that the value at `pointer` takes.
    pub fn span(&self, pointer: &str) -> Option<Range<usize>> {
        let node = self.inner.root.as_ref()?.find(pointer)?;
        let mut values = serde_json::Deserializer::from_str(&self.inner.text[node.at..]).into_iter::<IgnoredAny>();
        values.next()?.ok()?;
        Some(node.at..node.at + values.byte_offset())
    }

    /// A diagnostic for the value at `pointer`. If there is no such value, it has the position of the nearest value around it.
    pub fn diagnostic(
        &self,
        pointer: &str,
        message: impl Into<String>,
        expected: Option<String>,
        hint: Option<String>,
    ) -> Diagnostic {
        self.diagnostic_at(self.nearest(pointer), pointer, message.into(), expected, hint)
    }

    /// Validates the member `config` of the object at `owner`. A string is not checked: its text may be of any syntax. An absent
    /// member is checked as an empty object.
    ///
    /// # Errors
    /// The schema takes too much work.
    pub fn validate_config(
        &self,
        owner: &str,
        schema: &serde_json::Value,
        formats: &[Format],
    ) -> Result<Vec<Diagnostic>, TooMuchWork> {
        let Some(node) = self.inner.root.as_ref().and_then(|root| root.find(owner)) else {
            return Ok(Vec::new());
        };
        let here = Pointer::parsed(owner).key("config");
        let config = node.members().iter().find(|member| member.name == "config");
        let mistakes = match config.map(|member| &member.node) {
            Some(config) if config.text().is_some() => Vec::new(),
            Some(config) if config.value != Value::Null => validate_at(config, &here, schema, formats)?,
            _ => validate_at(&Node::new(node.at, Value::Object(Vec::new())), &here, schema, formats)?,
        };
        Ok(mistakes.into_iter().map(|mistake| self.diagnose(mistake)).collect())
    }

    /// Whether the value at `pointer` contains text from the environment or a file.
    pub fn is_secret(&self, pointer: &str) -> bool {
        let node = self.inner.root.as_ref().and_then(|root| root.find(pointer));
        node.is_some_and(Node::is_secret)
    }

    /// The diagnostic of a mistake in this document.
    pub fn diagnose(&self, mistake: Mistake) -> Diagnostic {
        let pointer = mistake.pointer.as_str();
        let node = self.inner.root.as_ref().and_then(|root| root.find(pointer));
        // A hint may repeat the value, which may be secret.
        let is_secret = node.is_some_and(|node| node.text().is_some() && node.is_secret());
        let hint = mistake.hint.filter(|_| !is_secret);
        let message = mistake
            .message
            .unwrap_or_else(|| format!("found {}", node.map_or("nothing".to_owned(), Node::shown)));
        let at = match mistake.anchor {
            Anchor::Value | Anchor::Owner => self.nearest(pointer),
            Anchor::Key => {
                let key = self.inner.root.as_ref().and_then(|root| root.find_key(pointer));
                key.unwrap_or_else(|| self.nearest(pointer))
            }
            Anchor::Byte(at) => at,
        };
        self.diagnostic_at(at, pointer, message, mistake.expected, hint)
    }

    /// Byte offset of the value at `pointer`, or of the nearest value around it.
    fn nearest(&self, pointer: &str) -> usize {
        let Some(root) = self.inner.root.as_ref() else { return 0 };
        let mut pointer = pointer;
        loop {
            match (root.find(pointer), pointer.rsplit_once('/')) {
                (Some(node), _) => return node.at,
                (None, Some((parent, _))) => pointer = parent,
                (None, None) => return root.at,
            }
        }
    }

    fn diagnostic_at(
        &self,
        at: usize,
        pointer: &str,
        message: String,
        expected: Option<String>,
        hint: Option<String>,
    ) -> Diagnostic {
        let Position { line, column } = self.position(at);
        Diagnostic {
            file: self.inner.file.clone(),
            line,
            column,
            pointer: pointer.to_owned(),
            message,
            expected,
            hint,
        }
    }

    fn position(&self, at: usize) -> Position {
        let line = self.inner.lines.partition_point(|start| *start <= at);
        // At least 1, as the first line starts at byte 0.
        let start = self.inner.lines[line.saturating_sub(1)];
        let before = self.inner.text[start..at].trim_start_matches('\u{feff}');
        Position {
            line,
            column: before.chars().count() + 1,
        }
    }
}

impl fmt::Debug for Document {
    /// Without its contents: the tree holds values from the environment and files.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Document")
            .field("file", &self.inner.file)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mistake::Mistakes;
    use crate::reader;

    fn document(text: &str) -> Document {
        let root = reader::read(text, &mut Mistakes::default()).unwrap();
        Document::new(Path::new("gateway.json"), text.to_owned(), Some(root))
    }

    #[test]
    fn columns_count_characters_and_a_missing_value_has_the_position_of_its_owner() {
        let document = document("{\n  \"ä\": [\"ö\", {\"x\": 1}]\n}");
        assert_eq!(document.locate("/ä/1/x"), Some(Position { line: 2, column: 20 }));
        assert_eq!(document.locate("/ä/1/y"), None);
        let missing = document.diagnostic("/ä/1/y/z", "gone", None, None);
        assert_eq!(
            (missing.line, missing.column, missing.pointer.as_str()),
            (2, 14, "/ä/1/y/z")
        );
        assert_eq!(document.locate("/ä/01"), None);
    }

    /// Every pointer into `value`, with the beginning of the value's text.
    fn pointers(value: &serde_json::Value, here: Pointer, out: &mut Vec<(Pointer, String)>) {
        let begin = match value {
            serde_json::Value::Object(members) => {
                members
                    .iter()
                    .for_each(|(key, inner)| pointers(inner, here.key(key), out));
                "{".to_owned()
            }
            serde_json::Value::Array(items) => {
                items
                    .iter()
                    .enumerate()
                    .for_each(|(index, inner)| pointers(inner, here.index(index), out));
                "[".to_owned()
            }
            scalar => scalar.to_string(),
        };
        out.push((here, begin));
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![any::<i32>().prop_map(Into::into), ".{0,8}".prop_map(Into::into)];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
                prop::collection::btree_map(".{0,6}", inner, 0..5)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn locate_agrees_with_the_text(value in json(), pretty in any::<bool>()) {
            let text = if pretty { serde_json::to_string_pretty(&value).unwrap() } else { value.to_string() };
            let document = document(&text);
            let mut expected = Vec::new();
            pointers(&value, Pointer::root(), &mut expected);
            let lines: Vec<&str> = text.split('\n').collect();
            for (pointer, begin) in expected {
                let Position { line, column } = document.locate(pointer.as_str()).unwrap();
                let rest: String = lines[line - 1].chars().skip(column - 1).collect();
                prop_assert!(rest.starts_with(&begin), "{pointer}: {rest} does not begin with {begin}");
            }
        }
    }
}
