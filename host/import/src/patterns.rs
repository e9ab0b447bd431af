//! Regular expressions and paths as gateway.json takes them.

use regex::RegexBuilder;

/// Maximum size of a compiled expression in gateway.json, in bytes.
const MAX_REGEX_BYTES: usize = 1 << 20;

/// Whether gateway.json takes the expression. Istio's are of RE2, whose syntax is nearly the same.
pub(crate) fn is_regex(text: &str) -> bool {
    let compiles = |text: &str| RegexBuilder::new(text).size_limit(MAX_REGEX_BYTES).build().is_ok();
    compiles(text) && compiles(&format!("^(?:{text})$"))
}

/// An expression that matches this text.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// Whether a request can have this path as it stands, so that it can be an exact path of gateway.json: it starts with a slash, has no
/// empty segment, no dot segment and no character that a request would have in another form.
pub(crate) fn is_normal_path(path: &str) -> bool {
    let Some(rest) = path.strip_prefix('/') else {
        return false;
    };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@/".contains(c);
    let segments = rest.trim_end_matches('/').split('/');
    let is_segment = |segment: &str| !matches!(segment, "" | "." | "..");
    path.chars().all(is_plain) && !path.contains("//") && (rest.is_empty() || segments.into_iter().all(is_segment))
}

/// The methods that an expression stands for, if it is a list of them: `GET|POST`, `(GET|POST)`.
pub(crate) fn methods(regex: &str) -> Option<Vec<String>> {
    let inner = regex.strip_prefix('^').unwrap_or(regex);
    let inner = inner.strip_suffix('$').unwrap_or(inner);
    let inner = inner
        .strip_prefix("(?:")
        .or(inner.strip_prefix('('))
        .and_then(|rest| rest.strip_suffix(')'))
        .unwrap_or(inner);
    let names = inner.split('|').map(|name| is_token(name).then(|| name.to_owned()));
    names.collect()
}

/// Whether it is a method.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphabetic() || byte == b'-' || byte == b'_')
}

/// Whether it is a header name that a condition may have: the host is matched otherwise.
pub(crate) fn is_header_name(name: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_token) && !name.eq_ignore_ascii_case("host")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_that_requests_have_are_normal() {
        for path in ["/", "/a", "/a/", "/a/b.c", "/a:b@c!$&'()*+,;=", "/..."] {
            assert!(is_normal_path(path), "{path}");
        }
        for path in [
            "", "a", "//", "/a//b", "/a/../b", "/.", "/a b", "/a?b", "/ä", "/%41", "/a//", "/{x}",
        ] {
            assert!(!is_normal_path(path), "{path}");
        }
    }

    #[test]
    fn an_expression_of_methods_is_a_list() {
        let names = |text| methods(text).unwrap_or_default().join(" ");
        assert_eq!(names("GET|POST"), "GET POST");
        assert_eq!(names("^(?:GET|PUT)$"), "GET PUT");
        assert_eq!((names("G.*"), names("")), (String::new(), String::new()));
    }

    #[test]
    fn an_escaped_text_matches_itself_alone() {
        let text = r"/a.b+c(d)[e]{f}^$|\*?-";
        assert!(is_regex(&escaped(text)));
        let regex = regex::Regex::new(&format!("^(?:{})$", escaped(text))).unwrap();
        assert!(regex.is_match(text) && !regex.is_match(&text.replace('.', "x")));
        assert!(!is_regex("a)(b") && !is_regex("(?=a)"));
    }
}
