//! The document that a model came from, kept to tell later mistakes at their place: a plugin that refuses its
//! configuration, a module that cannot be loaded.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fmt, iter};

use serde::de::IgnoredAny;

use crate::diagnostic::{Diagnostic, Position};
use crate::pointer::Pointer;
use crate::problem::{Place, Problem};
use crate::tree::{Node, Value};
use crate::validate::judge;

/// A configuration file's text and structure. Cheap to clone.
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
    /// The file's text, with what was read from it; none where it is not JSON.
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

    /// The file, as the caller of `load` named it.
    pub fn file(&self) -> &Path {
        &self.inner.file
    }

    /// The text as it was read: substitutions as they are written.
    pub fn text(&self) -> &str {
        &self.inner.text
    }

    /// Where the value stands that `pointer` (RFC 6901) leads to; none if there is none.
    pub fn locate(&self, pointer: &str) -> Option<Position> {
        let node = self.inner.root.as_ref()?.find(pointer)?;
        Some(self.position(node.at))
    }

    /// The value at `pointer` as JSON text: numbers and the order of members as they are written, on one line.
    pub fn json(&self, pointer: &str) -> Option<String> {
        Some(self.inner.root.as_ref()?.find(pointer)?.to_json())
    }

    /// The bytes of the text that the value at `pointer` takes.
    pub fn span(&self, pointer: &str) -> Option<Range<usize>> {
        let node = self.inner.root.as_ref()?.find(pointer)?;
        let mut values = serde_json::Deserializer::from_str(&self.inner.text[node.at..]).into_iter::<IgnoredAny>();
        values.next()?.ok()?;
        Some(node.at..node.at + values.byte_offset())
    }

    /// Something is wrong with the value at `pointer`. If there is no such value, its nearest surroundings are shown:
    /// that is where it is missing.
    pub fn diagnostic(
        &self,
        pointer: &str,
        message: impl Into<String>,
        expected: Option<String>,
        hint: Option<String>,
    ) -> Diagnostic {
        self.place(self.nearest(pointer), pointer, message.into(), expected, hint)
    }

    /// What is wrong with the configuration of the plugin at `plugin`, by the schema of its module; none if the schema asks for
    /// more work than it is worth. A configuration that is written as a string is the plugin's own business.
    pub fn judge(&self, plugin: &str, schema: &serde_json::Value) -> Option<Vec<Diagnostic>> {
        let Some(node) = self.inner.root.as_ref().and_then(|root| root.find(plugin)) else {
            return Some(Vec::new());
        };
        let here = Pointer::parsed(plugin).key("config");
        let config = node.members().iter().find(|member| member.name == "config");
        let problems = match config.map(|member| &member.node) {
            Some(config) if config.text().is_some() => Some(Vec::new()),
            Some(config) if config.value != Value::Null => judge(config, schema, &here),
            // None at all reaches a plugin as nothing, which stands for an empty object.
            _ => judge(&Node::new(node.at, Value::Object(Vec::new())), schema, &here),
        };
        Some(problems?.into_iter().map(|problem| self.diagnose(problem)).collect())
    }

    /// Whether the value at `pointer` was put together with something from the environment or a file.
    pub fn is_secret(&self, pointer: &str) -> bool {
        let node = self.inner.root.as_ref().and_then(|root| root.find(pointer));
        node.is_some_and(Node::is_secret)
    }

    /// The same for what a pass over the document found.
    pub fn diagnose(&self, problem: Problem) -> Diagnostic {
        let pointer = problem.pointer.as_str();
        let node = self.inner.root.as_ref().and_then(|root| root.find(pointer));
        // A hint may say how the value would be right: not if that is secret.
        let is_secret = node.is_some_and(|node| node.text().is_some() && node.is_secret());
        let hint = problem.hint.filter(|_| !is_secret);
        let message = problem
            .message
            .unwrap_or_else(|| format!("found {}", node.map_or("nothing".to_owned(), Node::shown)));
        let at = match problem.place {
            Place::Value | Place::Around => self.nearest(pointer),
            Place::Name => {
                let name = self.inner.root.as_ref().and_then(|root| root.find_name(pointer));
                name.unwrap_or_else(|| self.nearest(pointer))
            }
            Place::Byte(at) => at,
        };
        self.place(at, pointer, message, problem.expected, hint)
    }

    /// Byte offset of the value at `pointer`, or of the nearest one that it would be in.
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

    fn place(
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
        // Never zero: the first line starts at the first byte.
        let start = self.inner.lines[line.saturating_sub(1)];
        let before = self.inner.text[start..at].trim_start_matches('\u{feff}');
        Position {
            line,
            column: before.chars().count() + 1,
        }
    }
}

impl fmt::Debug for Document {
    /// Without its contents: the tree holds what was put in from the environment and files.
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
    use crate::problem::Problems;
    use crate::reader;

    fn document(text: &str) -> Document {
        let root = reader::read(text, &mut Problems::default()).unwrap();
        Document::new(Path::new("gateway.json"), text.to_owned(), Some(root))
    }

    #[test]
    fn columns_count_characters_and_a_missing_value_stands_at_its_surroundings() {
        let document = document("{\n  \"ä\": [\"ö\", {\"x\": 1}]\n}");
        assert_eq!(document.locate("/ä/1/x"), Some(Position { line: 2, column: 20 }));
        assert_eq!(document.locate("/ä/1/y"), None);
        let told = document.diagnostic("/ä/1/y/z", "gone", None, None);
        assert_eq!((told.line, told.column, told.pointer.as_str()), (2, 14, "/ä/1/y/z"));
        assert_eq!(document.locate("/ä/01"), None);
    }

    /// Every pointer into `value`, with the text that the value must begin with where it stands.
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
