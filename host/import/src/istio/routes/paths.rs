//! Conditions on paths, and changes of them. Istio's prefix is one of characters, gateway.json's of whole segments.

use super::draft::Draft;
use crate::istio::Prefixes;
use crate::istio::virtual_service::{Change, TextMatch, Uri};
use crate::losses::{Losses, Spot};
use crate::output::Object;
use crate::patterns::{escaped, is_normal_path};

/// A condition on the path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Path {
    Any,
    Exact(String),
    /// In whole segments.
    Prefix(String),
    Regex {
        text: String,
        /// What every path that it matches begins with, as far as that is known.
        literal: String,
    },
}

impl Path {
    /// The condition with its key.
    pub(super) fn setting(&self) -> Option<(&'static str, &str)> {
        match self {
            Self::Any => None,
            Self::Exact(text) => Some(("path", text)),
            Self::Prefix(text) => Some(("path_prefix", text)),
            Self::Regex { text, .. } => Some(("path_regex", text)),
        }
    }
}

/// The condition that a URI match means.
pub(super) fn condition(uri: Option<&Uri>, prefixes: Prefixes) -> Path {
    let Some(uri) = uri else { return Path::Any };
    let insensitive = |text: &str, rest: &str| Path::Regex {
        text: format!("(?i:{}){rest}", escaped(text)),
        literal: String::new(),
    };
    let literal = |text: &str, rest: &str| Path::Regex {
        text: format!("{}{rest}", escaped(text)),
        literal: text.to_owned(),
    };
    match &uri.text {
        TextMatch::Present => Path::Any,
        TextMatch::Regex(text) => Path::Regex {
            text: text.clone(),
            literal: String::new(),
        },
        TextMatch::Exact(text) if uri.ignore_case => insensitive(text, ""),
        TextMatch::Exact(text) if is_normal_path(text) => Path::Exact(text.clone()),
        TextMatch::Exact(text) => literal(text, ""),
        TextMatch::Prefix(text) if text.is_empty() || text == "/" => Path::Prefix("/".to_owned()),
        TextMatch::Prefix(text) if uri.ignore_case => insensitive(text, ".*"),
        TextMatch::Prefix(text) if prefixes == Prefixes::Segments && is_normal_path(text) => {
            Path::Prefix(text.trim_end_matches('/').to_owned())
        }
        TextMatch::Prefix(text) => literal(text, ".*"),
    }
}

/// Adds `rewrite` to a route.
pub(super) fn rewrite(change: &Change, uri: Option<&Uri>, draft: &mut Draft, spot: &Spot, losses: &Losses) {
    let lost = |found: &str, why: &str| losses.lost(spot, found, why, "\"rewrite\" of the route");
    let setting = match change {
        Change::Regex { regex, to } => match is_template(to, regex) {
            true => Object::new().with("regex", regex.as_str()).with("to", to.as_str()),
            false => return lost(to, "such a replacement makes no path: the path is not changed"),
        },
        Change::Matched(new) if !is_normal_path(new) => {
            return lost(new, "the new path is not a plain path: the path is not changed");
        }
        Change::Matched(new) => match matched(new, uri, &draft.path) {
            Some(setting) => setting,
            None => return,
        },
    };
    draft.members.set("rewrite", setting);
}

/// The change of what the condition has matched: of the prefix, else of the whole path. None: nothing changes.
fn matched(new: &str, uri: Option<&Uri>, path: &Path) -> Option<Object> {
    let trimmed = || match new.trim_end_matches('/') {
        "" => "/".to_owned(),
        text => text.to_owned(),
    };
    let by_prefix = |prefix: &str, flag: &str| {
        let regex = format!("^{}{}{}", flag, escaped(prefix), if flag.is_empty() { "" } else { ")" });
        Object::new().with("regex", regex).with("to", new.replace('$', "$$"))
    };
    match (path, uri.map(|uri| (&uri.text, uri.ignore_case))) {
        // Without a condition, Istio's prefix is "/".
        (Path::Any, _) | (Path::Prefix(_), None) => (new != "/").then(|| by_prefix("/", "")),
        (Path::Prefix(prefix), _) if prefix == "/" && new == "/" => None,
        (Path::Prefix(prefix), _) if prefix == "/" && !new.ends_with('/') => Some(by_prefix("/", "")),
        (Path::Prefix(_), _) => Some(Object::new().with("prefix", trimmed())),
        (_, Some((TextMatch::Prefix(prefix), ignore_case))) => {
            Some(by_prefix(prefix, if ignore_case { "(?i:" } else { "" }))
        }
        _ => Some(Object::new().with("path", new)),
    }
}

/// Whether gateway.json takes `to` as the replacement of what `regex` matches.
fn is_template(to: &str, regex: &str) -> bool {
    let Ok(regex) = regex::Regex::new(regex) else {
        return false;
    };
    let mut text = String::new();
    let mut rest = to;
    while let Some(at) = rest.find('$') {
        text.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            text.push('$');
            rest = after;
        } else if let Some((group, after)) = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
            if group
                .parse::<usize>()
                .is_ok_and(|number| number >= regex.captures_len())
            {
                return false;
            }
            text.push('$');
            rest = after;
        }
    }
    text.push_str(rest);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@/%".contains(c);
    text.chars().all(is_plain) && !text.split('/').any(|segment| matches!(segment, "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: TextMatch) -> Uri {
        Uri {
            text,
            ignore_case: false,
        }
    }

    #[test]
    fn a_prefix_is_one_of_characters_unless_segments_are_wanted() {
        let prefix = |text: &str, prefixes| condition(Some(&uri(TextMatch::Prefix(text.into()))), prefixes);
        let setting = |text: &str, prefixes| {
            prefix(text, prefixes)
                .setting()
                .map(|(key, text)| format!("{key} {text}"))
        };
        assert_eq!(setting("/a", Prefixes::Characters).as_deref(), Some("path_regex /a.*"));
        assert_eq!(
            setting("/a.b/", Prefixes::Characters).as_deref(),
            Some("path_regex /a\\.b/.*")
        );
        assert_eq!(setting("/a/", Prefixes::Segments).as_deref(), Some("path_prefix /a"));
        assert_eq!(setting("/", Prefixes::Characters).as_deref(), Some("path_prefix /"));
    }

    #[test]
    fn a_rewrite_replaces_what_has_matched() {
        let change = |uri: Option<Uri>, new: &str| {
            let path = condition(uri.as_ref(), Prefixes::Characters);
            matched(new, uri.as_ref(), &path).map(|object| object.to_text().split_whitespace().collect::<String>())
        };
        let prefix = |text: &str| Some(uri(TextMatch::Prefix(text.into())));
        let whole = r#"{"path":"/b"}"#;
        assert_eq!(
            change(prefix("/a"), "/b").as_deref(),
            Some(r#"{"regex":"^/a","to":"/b"}"#)
        );
        assert_eq!(change(prefix("/"), "/").as_deref(), None);
        assert_eq!(
            change(prefix("/"), "/b").as_deref(),
            Some(r#"{"regex":"^/","to":"/b"}"#)
        );
        assert_eq!(change(prefix("/"), "/b/").as_deref(), Some(r#"{"prefix":"/b"}"#));
        assert_eq!(change(None, "/b").as_deref(), Some(r#"{"regex":"^/","to":"/b"}"#));
        assert_eq!(
            change(Some(uri(TextMatch::Exact("/a".into()))), "/b").as_deref(),
            Some(whole)
        );
        assert_eq!(
            change(Some(uri(TextMatch::Regex("/a.*".into()))), "/b").as_deref(),
            Some(whole)
        );
    }

    #[test]
    fn a_replacement_names_groups_that_there_are() {
        assert!(is_template("/x/${1}/$$", "/(.*)") && is_template("/${0}", "/a"));
        assert!(!is_template("/x/${2}", "/(.*)") && !is_template("/a?b", "/") && !is_template("/../${1}", "/(.*)"));
    }
}
