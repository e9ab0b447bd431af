//! [`PathChange`]: another path for a request, before it goes to the upstream (`rewrite`) or to where it is redirected.
//!
//! What an expression makes is text that may not be normal any more: its user normalises and checks it.

mod template;

use http::uri::PathAndQuery;
use regex::{Captures, Regex};

use template::Template;
pub use template::TemplateError;

use crate::matches::PathMatch;

/// Another path. The query stays as it is.
#[derive(Debug, Clone)]
pub enum PathChange {
    /// This path in place of the whole one. Normal.
    Full(String),
    /// Replacement for the matched prefix, or for `/` in a route without a condition on the path. With `path_prefix` `/orders` and the
    /// replacement `/v1`, `/orders/7` becomes `/v1/7`, and `/orders` becomes `/v1`. It starts with a slash, and ends with one only if it is
    /// `/`.
    Prefix(String),
    /// Replacement for what an expression matches.
    Regex(Box<RegexChange>),
}

/// Replaces each match of an expression in the path.
#[derive(Debug, Clone)]
pub struct RegexChange {
    regex: Regex,
    to: Template,
}

/// The path after a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangedPath {
    /// It is as it was.
    Same,
    /// A normal path, with the query.
    Normal(PathAndQuery),
    /// A path without its query, that need not be normal, nor a path.
    Raw(String),
}

/// Maximum bytes of a path that an expression makes: what a URI can have (`http::Uri`).
const MAX_PATH: usize = u16::MAX as usize - 1;

impl PathChange {
    /// `target` with another path, in a route with this condition on the path.
    pub fn apply(&self, target: &PathAndQuery, matched: &PathMatch) -> ChangedPath {
        match self {
            Self::Full(path) => normal(replace_path(target, path)),
            Self::Prefix(replacement) => normal(replace_prefix(target, prefix_of(matched), replacement)),
            Self::Regex(change) => change.apply(target.path()),
        }
    }
}

impl RegexChange {
    /// Replaces what `regex` matches by `to`, where `$1`, `${1}` and `${name}` are groups.
    ///
    /// # Errors
    /// Why `to` is no replacement for this expression in a path.
    pub fn new(regex: Regex, to: &str) -> Result<Self, TemplateError> {
        let to = Template::parse(to, &regex)?;
        Ok(Self { regex, to })
    }

    /// The expression.
    pub fn regex(&self) -> &Regex {
        &self.regex
    }

    fn apply(&self, path: &str) -> ChangedPath {
        let mut matches = self.regex.captures_iter(path).peekable();
        if matches.peek().is_none() {
            return ChangedPath::Same;
        }
        let (mut out, mut end) = (String::with_capacity(path.len() + 32), 0);
        let push = |out: &mut String, text: &str| {
            // One byte too many is enough: what is longer is no path.
            let room = (MAX_PATH + 1).saturating_sub(out.len());
            out.push_str(text.get(..room).unwrap_or(text));
        };
        for captures in matches {
            let whole = whole(&captures);
            push(&mut out, &path[end..whole.start()]);
            self.to.expand(&captures, |text| push(&mut out, text));
            end = whole.end();
            if out.len() > MAX_PATH {
                break;
            }
        }
        push(&mut out, &path[end..]);
        ChangedPath::Raw(out)
    }
}

fn whole<'p>(captures: &Captures<'p>) -> regex::Match<'p> {
    captures.get(0).expect("group 0 is the whole match")
}

fn normal(path: Option<PathAndQuery>) -> ChangedPath {
    path.map_or(ChangedPath::Same, ChangedPath::Normal)
}

/// The prefix that a route matches.
fn prefix_of(path: &PathMatch) -> &str {
    match path {
        PathMatch::Prefix(prefix) => prefix,
        PathMatch::Exact(path) => path,
        PathMatch::Any | PathMatch::Regex(_) => "/",
    }
}

fn replace_path(target: &PathAndQuery, path: &str) -> Option<PathAndQuery> {
    match target.query() {
        Some(query) => PathAndQuery::try_from([path, "?", query].concat()).ok(),
        None => PathAndQuery::try_from(path).ok(),
    }
}

/// `target` with the matched `prefix` of its path replaced and the query unchanged.
///
/// `prefix` and `replacement` start with a slash and end in one only when they are `/`. None: the path does not start with `prefix` in
/// whole segments, or the result would be no path.
fn replace_prefix(target: &PathAndQuery, prefix: &str, replacement: &str) -> Option<PathAndQuery> {
    let rest = target.as_str().strip_prefix(prefix.trim_end_matches('/'))?;
    if !(rest.is_empty() || rest.starts_with(['/', '?'])) {
        return None;
    }
    let replacement = replacement.trim_end_matches('/');
    let slash = if replacement.is_empty() && !rest.starts_with('/') {
        "/"
    } else {
        ""
    };
    PathAndQuery::try_from([replacement, slash, rest].concat()).ok()
}

#[cfg(test)]
mod tests;
