//! [`PathPrefix`]: a prefix of paths, and the ways in which upstreams read a path. No host call is made here.
//!
//! Servers disagree on path parameters (`/admin;x`, `/x/..;/admin`), on escapes (`%3B`, `%2F`), backslashes and empty segments. So a path is
//! compared in every reading: a rule of `deny` matches if one of them is below its prefix, a rule of `allow` only if all are.

use lockgate_sdk::ConfigError;
use lockgate_sdk::config::{Config, Kind, Schema, Value};

/// The ways in which a path can be read, in the order of [`Readings`].
const READINGS: [fn(&str) -> String; 5] = [
    str::to_owned,
    |path| resolved(&without_parameters(path)),
    |path| resolved(&decoded(path)),
    |path| resolved(&decoded(&without_parameters(path))),
    |path| resolved(&without_parameters(&decoded(path))),
];

/// The maximum number of times that escapes are decoded. The gateway refuses double encodings unless it is told otherwise.
const MAX_DECODINGS: usize = 4;

/// A path in all its readings. One for nearly all paths: where nothing can be read in two ways.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Readings(Vec<String>);

impl Readings {
    pub(crate) fn of(path: &str) -> Readings {
        if is_plain(path) {
            return Readings(vec![path.to_owned()]);
        }
        Readings(READINGS.iter().map(|read| read(path)).collect())
    }

    fn reading(&self, index: usize) -> &str {
        self.0.get(index).or(self.0.first()).map_or("", String::as_str)
    }
}

impl Default for Readings {
    fn default() -> Readings {
        Readings::of("")
    }
}

/// A path prefix by whole segments: `/a` matches `/a` and `/a/b`, not `/ab`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PathPrefix(Readings);

impl PathPrefix {
    /// Parses a prefix. It begins with a slash, and has no wildcards.
    pub(crate) fn parse(text: &str) -> Result<PathPrefix, String> {
        if !text.starts_with('/') {
            return Err(format!("\"{text}\" does not start with a slash"));
        }
        if text.split('/').any(|segment| matches!(segment, "*" | "**")) || text.ends_with('*') {
            return Err(format!(
                "\"{text}\" has a \"*\", which is not a wildcard here: a prefix matches its path and all below it; write \"{}\"",
                text.split('*').next().unwrap_or_default().trim_end_matches('/')
            ));
        }
        Ok(PathPrefix(Readings::of(text)))
    }

    /// Whether a path is below the prefix in at least one reading.
    pub(crate) fn may_contain(&self, path: &Readings) -> bool {
        (0..READINGS.len()).any(|index| is_below(path.reading(index), self.0.reading(index)))
    }

    /// Whether a path is below the prefix in every reading.
    pub(crate) fn contains(&self, path: &Readings) -> bool {
        (0..READINGS.len()).all(|index| is_below(path.reading(index), self.0.reading(index)))
    }
}

impl Config for PathPrefix {
    const SCHEMA: Schema = Schema::new(Kind::Type("string"))
        .titled("a path prefix, like \"/admin\"")
        .with(r#""examples":["/admin","/v1/orders"]"#);

    fn read(value: &Value<'_>) -> Result<PathPrefix, ConfigError> {
        let text = value
            .text()
            .ok_or_else(|| value.mismatch("a path prefix, like \"/admin\""))?;
        PathPrefix::parse(text).map_err(ConfigError::new)
    }
}

/// Whether every server reads the path alike.
fn is_plain(path: &str) -> bool {
    let is_odd = |byte: u8| matches!(byte, b';' | b'%' | b'\\' | 0);
    !path.bytes().any(is_odd) && !path.contains("//") && !path.contains("/.")
}

/// Whether `path` is `prefix` or below it, by whole segments.
fn is_below(path: &str, prefix: &str) -> bool {
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    path.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The path without the parameters of its segments.
fn without_parameters(path: &str) -> String {
    let segments = path
        .split('/')
        .map(|segment| segment.split(';').next().unwrap_or_default());
    segments.collect::<Vec<_>>().join("/")
}

/// The path with its escapes decoded until there are none, and with slashes for backslashes. It ends at a NUL byte.
fn decoded(path: &str) -> String {
    let mut text = path.to_owned();
    for _ in 0..MAX_DECODINGS {
        // Here `+` is no space, as it is in a query.
        let once = lockgate_sdk::query::decode(&text.replace('+', "%2B")).into_owned();
        if once == text {
            break;
        }
        text = once;
    }
    text.truncate(text.find('\0').unwrap_or(text.len()));
    text.replace('\\', "/")
}

/// The path without empty and dot segments.
fn resolved(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(kept.pop()),
            other => kept.push(other),
        }
    }
    let mut path = String::from("/");
    path.push_str(&kept.join("/"));
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> PathPrefix {
        PathPrefix::parse(text).expect("a prefix")
    }

    #[test]
    fn prefixes_end_where_segments_end() {
        for (path, text, expected) in [
            ("/a", "/a", true),
            ("/a/b", "/a", true),
            ("/ab", "/a", false),
            ("/a", "/a/", true),
            ("/anything", "/", true),
            ("/A", "/a", false),
        ] {
            assert_eq!(prefix(text).contains(&Readings::of(path)), expected, "{path} {text}");
            assert_eq!(prefix(text).may_contain(&Readings::of(path)), expected, "{path} {text}");
        }
    }

    #[test]
    fn a_path_that_some_server_takes_for_admin_may_be_below_admin() {
        for path in [
            "/admin;x",
            "/admin;x=1/users",
            "/;v=1/admin",
            "/x/..;/admin",
            "/x/..;a=b/admin;c",
            "/x/..%3B/admin",
            "/x/%2e%2e%3bx/admin",
            "/admin%3Bx",
            "/admin%3bx/y",
            "//admin",
            "/x//..//admin",
            "/./admin",
            "/x/../admin",
            "/%61dmin",
            "/%2561dmin",
            "/x%2F..%2Fadmin",
            "/x/..%2fadmin",
            "/x\\..\\admin",
            "/x%5C..%5Cadmin",
            "/%2Fadmin",
            "/admin%00.html",
            "/admin%2F",
            "/;/admin",
            "/.;/admin",
            "/%3B/admin",
        ] {
            let path = Readings::of(path);
            assert!(prefix("/admin").may_contain(&path), "{path:?}");
            assert!(!prefix("/public").may_contain(&path), "{path:?}");
        }
    }

    #[test]
    fn only_a_path_that_every_server_takes_for_public_is_below_public() {
        for path in [
            "/public",
            "/public/x;v=1",
            "/public;v=1/x",
            "/public//x",
            "/public/a%20b",
            "/public/%3B",
            "/public/a+b",
        ] {
            let is_exact = !path.starts_with("/public;");
            assert_eq!(prefix("/public").contains(&Readings::of(path)), is_exact, "{path}");
        }
        for path in [
            "/public/..;/admin",
            "/public/..%3B/admin",
            "/public/%2E%2E/admin",
            "/public/..%2Fadmin",
            "/public\\..\\admin",
            "/public/..;x=/..;/admin",
            "/public;/../admin",
            "/public%2F..%2Fadmin",
        ] {
            assert!(!prefix("/public").contains(&Readings::of(path)), "{path}");
        }
    }

    #[test]
    fn a_prefix_with_escapes_or_parameters_matches_what_is_written_like_it() {
        for text in ["/a%20b", "/a;v=1", "/%C3%A9", "/a%3Bb"] {
            assert!(prefix(text).contains(&Readings::of(text)), "{text}");
            assert!(prefix(text).contains(&Readings::of(&format!("{text}/c"))), "{text}");
            assert!(!prefix(text).contains(&Readings::of("/a")), "{text}");
        }
    }

    #[test]
    fn a_prefix_with_a_wildcard_is_refused_with_what_to_write() {
        for (text, hint) in [
            ("/users/*", "write \"/users\""),
            ("/users/**", "write \"/users\""),
            ("/a/*/b", "write \"/a\""),
            ("/users*", "write \"/users\""),
            ("users", "slash"),
        ] {
            let message = PathPrefix::parse(text).expect_err(text);
            assert!(message.contains(hint), "{message}");
        }
        assert!(
            PathPrefix::parse("/a*b").is_ok(),
            "a star inside a segment is a character"
        );
    }
}
