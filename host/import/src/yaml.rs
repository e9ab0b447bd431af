//! YAML as a tree whose values have their lines. Text from strangers: depth, size and what aliases copy have bounds.
//!
//! Values are not typed here: `80` and `"80"` are the same scalar, one plain and one quoted. The reader of a field knows what it wants.

mod build;

use saphyr_parser::{Parser, ScanError};

use crate::losses::printable;
use build::Builder;

/// Maximum nesting of values.
const MAX_DEPTH: usize = 64;
/// Maximum number of values in a file, those that aliases repeat among them.
const MAX_NODES: usize = 500_000;
/// Maximum size of a file.
const MAX_BYTES: usize = 16 << 20;

/// A value with its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    /// From 1.
    pub(crate) line: usize,
    pub(crate) value: Value,
}

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// A text, number or boolean.
    Scalar(Scalar),
    Sequence(Vec<Node>),
    /// In the order of the text; keys are unique.
    Mapping(Vec<(String, Node)>),
}

/// A scalar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    /// Written without quotes, so that it may be null, a number or a boolean.
    pub(crate) plain: bool,
}

/// Why a text is not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {message}")]
pub struct YamlError {
    /// Name of the file.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

impl Node {
    /// Whether it is absent: `null`, `~` or nothing at all.
    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar(Scalar { text, plain: true }) if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The member `name` of a mapping, unless it is null.
    pub(crate) fn member(&self, name: &str) -> Option<&Node> {
        let Value::Mapping(members) = &self.value else {
            return None;
        };
        let found = members.iter().find(|(key, _)| key == name);
        found.map(|(_, node)| node).filter(|node| !node.is_null())
    }

    /// The text of a scalar.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(scalar) => Some(&scalar.text),
            _ => None,
        }
    }
}

/// The documents of a text, without empty ones.
///
/// # Errors
/// It is not YAML, or a bound is exceeded.
pub(crate) fn documents(file: &str, text: &str) -> Result<Vec<Node>, YamlError> {
    let error = |line, column, message: String| YamlError {
        file: file.to_owned(),
        line,
        column,
        message: printable(&message),
    };
    if text.len() > MAX_BYTES {
        return Err(error(1, 1, format!("larger than {} MiB", MAX_BYTES >> 20)));
    }
    let mut builder = Builder::default();
    // A byte order mark is not part of the text.
    let mut parser = Parser::new_from_str(text.trim_start_matches('\u{feff}'));
    while let Some(next) = parser.next_event() {
        let (event, span) = next.map_err(|scan: ScanError| {
            let marker = scan.marker();
            error(marker.line(), marker.col() + 1, format!("not YAML: {}", scan.info()))
        })?;
        let start = span.start;
        let added = builder.add(event, start.line());
        added.map_err(|message| error(start.line(), start.col() + 1, message))?;
    }
    Ok(builder.documents)
}

#[cfg(test)]
mod tests;
