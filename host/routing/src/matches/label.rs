//! Conditions in a line: what a route without a name is called.

use std::fmt::Write as _;
use std::hash::{Hash, Hasher};

use rustc_hash::FxHasher;

use super::{HostPattern, Match, PathMatch, ValueMatch};

/// Maximum length of a label, in bytes: labels stand in every series and log line of their routes.
const MAX_LABEL_BYTES: usize = 96;

impl Match {
    /// These conditions in a line of at most 96 bytes, like `[web] GET,HEAD https://*.example.com/orders/*`; `/*` without any. It depends on them alone.
    /// Conditions on headers and the query, whose values may be secrets, are a digest: `/orders/* +1f9a03bc`.
    #[must_use]
    pub fn label(&self) -> String {
        let mut label = list(self.listeners.iter().cloned());
        if !label.is_empty() {
            label = format!("[{label}] ");
        }
        let methods = list(self.methods.iter().map(|method| method.as_str().to_owned()));
        if !methods.is_empty() {
            label += &methods;
            label.push(' ');
        }
        if let Some(scheme) = self.scheme {
            label += scheme.as_str();
            label += "://";
        }
        label += &list(self.hosts.iter().map(|host| match host {
            HostPattern::Exact(name) => name.clone(),
            HostPattern::Wildcard(suffix) => format!("*{suffix}"),
        }));
        label += &match &self.path {
            PathMatch::Any => "/*".to_owned(),
            PathMatch::Exact(path) => path.clone(),
            PathMatch::Prefix(prefix) => format!("{}/*", prefix.trim_end_matches('/')),
            PathMatch::Regex(regex) => format!("~{}", without_anchors(regex.as_str())),
        };
        let values = self.values_digest();
        let is_long = label.len() + " +00000000".len() > MAX_LABEL_BYTES;
        let digest = match (is_long, values) {
            (false, None) => return label,
            (false, Some(values)) => values,
            (true, values) => digest(&(&label, values)),
        };
        if is_long {
            let end = label.floor_char_boundary(MAX_LABEL_BYTES - "… +00000000".len());
            label.truncate(end);
            label.push('…');
        }
        _ = write!(label, " +{digest:08x}");
        label
    }

    /// A digest of the conditions on headers and the query. None: there are none.
    fn values_digest(&self) -> Option<u32> {
        let headers = self
            .headers
            .iter()
            .map(|(name, value)| (b'h', name.as_str(), text(value)));
        let query = self
            .query
            .iter()
            .map(|(name, value)| (b'q', name.as_str(), text(value)));
        let mut conditions: Vec<_> = headers.chain(query).collect();
        conditions.sort_unstable();
        (!conditions.is_empty()).then(|| digest(&conditions))
    }
}

/// The expression as it was written: its anchors were added to it.
fn without_anchors(regex: &str) -> &str {
    let inner = regex.strip_prefix("^(?:").and_then(|rest| rest.strip_suffix(")$"));
    inner.unwrap_or(regex)
}

/// What a condition on a value asks for: its kind, and its text.
fn text(value: &ValueMatch) -> (u8, &str) {
    match value {
        ValueMatch::Exact(text) => (0, text),
        ValueMatch::Regex(regex) => (1, regex.as_str()),
        ValueMatch::Present => (2, ""),
    }
}

fn digest(value: &impl Hash) -> u32 {
    let mut hasher = FxHasher::default();
    value.hash(&mut hasher);
    let [a, b, c, d, ..] = hasher.finish().to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}

/// The items in alphabetical order, with commas between them.
fn list(items: impl Iterator<Item = String>) -> String {
    let mut items: Vec<String> = items.collect();
    items.sort_unstable();
    items.join(",")
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, Method};
    use lockgate_exchange::Scheme;
    use regex::Regex;

    use super::super::{HostPattern, Match, PathMatch, ValueMatch};

    fn with_path(path: PathMatch) -> Match {
        Match {
            path,
            ..Match::default()
        }
    }

    #[test]
    fn a_label_is_the_conditions_in_a_line() {
        assert_eq!(Match::default().label(), "/*");
        assert_eq!(with_path(PathMatch::Exact("/a".into())).label(), "/a");
        assert_eq!(with_path(PathMatch::Prefix("/a".into())).label(), "/a/*");
        assert_eq!(with_path(PathMatch::Prefix("/".into())).label(), "/*");
        let regex = Regex::new("^(?:/u/[0-9]+)$").unwrap();
        assert_eq!(with_path(PathMatch::Regex(regex)).label(), "~/u/[0-9]+");
        let matches = Match {
            hosts: vec![
                HostPattern::Wildcard(".example.com".into()),
                HostPattern::Exact("a.example.com".into()),
            ],
            methods: vec![Method::HEAD, Method::GET],
            ..with_path(PathMatch::Prefix("/orders".into()))
        };
        assert_eq!(matches.label(), "GET,HEAD *.example.com,a.example.com/orders/*");
        let matches = Match {
            listeners: vec!["web".into(), "internal".into()],
            scheme: Some(Scheme::Https),
            ..matches
        };
        assert_eq!(
            matches.label(),
            "[internal,web] GET,HEAD https://*.example.com,a.example.com/orders/*"
        );
    }

    #[test]
    fn values_are_not_shown_but_told_apart() {
        let with = |value: ValueMatch| Match {
            headers: vec![(HeaderName::from_static("x-key"), value)],
            ..Match::default()
        };
        let one = with(ValueMatch::Exact("secret-1".into())).label();
        let other = with(ValueMatch::Exact("secret-2".into())).label();
        assert!(one.starts_with("/* +") && one.len() == "/* +00000000".len(), "{one}");
        assert_ne!(one, other);
        assert_ne!(one, with(ValueMatch::Present).label());
        let query = Match {
            query: vec![("x-key".into(), ValueMatch::Exact("secret-1".into()))],
            ..Match::default()
        };
        assert_ne!(one, query.label());
    }

    #[test]
    fn a_long_label_is_cut_and_still_its_own() {
        let path = |end: &str| with_path(PathMatch::Exact(format!("/{}{end}", "ä".repeat(60)))).label();
        assert!(path("1").len() <= 96, "{}", path("1"));
        assert!(path("1").contains("… +"));
        assert_ne!(path("1"), path("2"));
    }
}
