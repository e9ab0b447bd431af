//! [`Template`]: the replacement of a match, with its groups.

use regex::{Captures, Regex};

/// Literal text and groups, in turn.
#[derive(Debug, Clone)]
pub(super) struct Template(Vec<Part>);

#[derive(Debug, Clone)]
enum Part {
    Literal(Box<str>),
    Group(usize),
}

/// Why a text is no replacement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A group that the expression does not have.
    #[error("\"{written}\" names no group of the expression")]
    UnknownGroup {
        /// The reference as it is written.
        written: String,
        /// What was meant, perhaps.
        meant: Option<String>,
    },
    /// A dollar sign that begins no reference.
    #[error("a \"$\" begins a group: \"$1\" or \"${{name}}\"")]
    Dollar,
    /// A backslash and a digit, as other programs write a group.
    #[error("groups are written with a dollar sign")]
    Backslash,
    /// A character that no path has.
    #[error("{0:?} has no place in a path")]
    Character(char),
    /// A dot segment.
    #[error("a dot segment has no place in a path that is forwarded")]
    DotSegment,
}

impl Template {
    /// Parses a replacement for what `regex` matches.
    pub(super) fn parse(text: &str, regex: &Regex) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            literal.push_str(&rest[..at]);
            rest = &rest[at..];
            if let Some(after) = rest.strip_prefix("$$") {
                literal.push('$');
                rest = after;
                continue;
            }
            let (written, name) = reference(rest).ok_or(TemplateError::Dollar)?;
            let group = group(name, regex).ok_or_else(|| unknown(written, name, regex))?;
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal).into()));
            }
            parts.push(Part::Group(group));
            rest = &rest[written.len()..];
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Literal(literal.into()));
        }
        check(&parts)?;
        Ok(Self(parts))
    }

    /// Hands the replacement over, piece by piece. A group that took no part in the match is empty.
    pub(super) fn expand(&self, captures: &Captures<'_>, mut push: impl FnMut(&str)) {
        for part in &self.0 {
            match part {
                Part::Literal(text) => push(text),
                Part::Group(group) => push(captures.get(*group).map_or("", |found| found.as_str())),
            }
        }
    }
}

/// The reference that `text` begins with, `$1`, `$name`, `${1}` or `${name}`, and its name.
fn reference(text: &str) -> Option<(&str, &str)> {
    let inside = text.strip_prefix('$')?;
    if let Some(braced) = inside.strip_prefix('{') {
        let (name, _) = braced.split_once('}')?;
        return Some((&text[..name.len() + 3], name));
    }
    let end = inside
        .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .unwrap_or(inside.len());
    (end > 0).then(|| (&text[..=end], &inside[..end]))
}

/// The number of the group called `name`.
fn group(name: &str, regex: &Regex) -> Option<usize> {
    match name.parse::<usize>() {
        Ok(number) => (number < regex.captures_len()).then_some(number),
        Err(_) => regex.capture_names().position(|known| known == Some(name)),
    }
}

/// A reference to no group. In `$1x`, the first group was meant perhaps.
fn unknown(written: &str, name: &str, regex: &Regex) -> TemplateError {
    let digits = name.find(|c: char| !c.is_ascii_digit()).unwrap_or(name.len());
    let (number, rest) = name.split_at(digits);
    let is_meant = !written.starts_with("${") && !rest.is_empty() && group(number, regex).is_some();
    TemplateError::UnknownGroup {
        written: written.to_owned(),
        meant: is_meant.then(|| format!("${{{number}}}{rest}")),
    }
}

/// Checks what can be told without a request: the characters of the text between the groups, and dot segments in it.
fn check(parts: &[Part]) -> Result<(), TemplateError> {
    for part in parts {
        let Part::Literal(text) = part else { continue };
        if text.contains("\\0") || (1..=9).any(|digit| text.contains(&format!("\\{digit}"))) {
            return Err(TemplateError::Backslash);
        }
        let is_foreign = |c: char| {
            !c.is_ascii_graphic() || matches!(c, '?' | '#' | '\\' | '"' | '<' | '>' | '^' | '`' | '{' | '|' | '}')
        };
        if let Some(character) = text.chars().find(|c| is_foreign(*c)) {
            return Err(TemplateError::Character(character));
        }
    }
    // A group may be part of a segment, so its edges count as text.
    let text: String = parts
        .iter()
        .map(|part| match part {
            Part::Literal(text) => &**text,
            Part::Group(_) => "$",
        })
        .collect();
    match text.split('/').any(|segment| matches!(segment, "." | "..")) && text.contains('/') {
        true => Err(TemplateError::DotSegment),
        false => Ok(()),
    }
}
