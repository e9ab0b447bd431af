//! Paths of routes. Request paths are normalised before matching, so a path that is not normalised would never match. It is a mistake,
//! with the normal form as its hint.

use lockgate_json::mistake::Mistake;
use lockgate_json::pointer::Pointer;

/// A path that a request can have.
pub(super) fn path(text: &str, here: &Pointer) -> Result<String, Mistake> {
    let invalid = || Mistake::invalid(here.clone(), "a path that starts with \"/\"");
    if !text.starts_with('/') {
        return Err(invalid().hint(format!("write \"/{text}\"")));
    }
    if text.contains(['?', '#']) {
        return Err(invalid().hint("remove the query from the path; match it with \"query\""));
    }
    match normal(text) {
        None => Err(invalid().hint("\"%\" needs two hex digits after it; for a literal \"%\", write \"%25\"")),
        Some(normal) if normal == text => Ok(normal),
        Some(normal) => {
            let mistake = Mistake::invalid(
                here.clone(),
                "a normalised path: request paths are normalised before matching",
            );
            Err(mistake.hint(format!("write \"{normal}\"")))
        }
    }
}

/// A path prefix: like [`path`], without a slash at its end unless it is `/`.
pub(super) fn prefix(text: &str, here: &Pointer) -> Result<String, Mistake> {
    let path = path(text, here)?;
    let trimmed = path.trim_end_matches('/');
    Ok(if trimmed.is_empty() { path } else { trimmed.to_owned() })
}

/// The normal form: no dot segments, no doubled slashes, unreserved characters as themselves, others that must be
/// encoded so, hex digits in upper case (RFC 3986, section 6.2.2). None: a `%` without two hex digits.
fn normal(path: &str) -> Option<String> {
    let mut segments: Vec<String> = Vec::new();
    let mut is_folder = false;
    for segment in path.split('/').skip(1) {
        let segment = encoded(segment)?;
        is_folder = matches!(segment.as_str(), "" | "." | "..");
        match segment.as_str() {
            "" | "." => {}
            ".." => drop(segments.pop()),
            _ => segments.push(segment),
        }
    }
    let slash = if is_folder && !segments.is_empty() { "/" } else { "" };
    Some(format!("/{}{slash}", segments.join("/")))
}

/// One segment with every byte in its normal form.
fn encoded(segment: &str) -> Option<String> {
    let mut out = String::new();
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        let (byte, was_encoded) = match byte {
            b'%' => (hex(bytes.next()?)? << 4 | hex(bytes.next()?)?, true),
            plain => (plain, false),
        };
        let is_unreserved = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        match is_unreserved || (!was_encoded && byte.is_ascii_graphic()) {
            true => out.push(char::from(byte)),
            false => out.push_str(&format!("%{byte:02X}")),
        }
    }
    Some(out)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_must_be_normal_and_the_hint_has_its_normal_form() {
        for text in ["/", "/a", "/a/b/", "/a%2Fb", "/a:b@c!$&'()*+,;=", "/%25", "/a...b"] {
            assert_eq!(path(text, &Pointer::root()).as_deref(), Ok(text));
        }
        for (text, hint) in [
            ("a", "write \"/a\""),
            ("/a//b", "write \"/a/b\""),
            ("/a/./b/../c", "write \"/a/c\""),
            ("/..", "write \"/\""),
            ("/a/b/..", "write \"/a/\""),
            ("/%41%2fb", "write \"/A%2Fb\""),
            ("/ä b", "write \"/%C3%A4%20b\""),
            ("/%2e%2e/x", "write \"/x\""),
            ("/a?b=c", "\"query\""),
            ("/%4", "%25"),
            ("/%zz", "%25"),
        ] {
            let found = path(text, &Pointer::root()).unwrap_err().hint.unwrap_or_default();
            assert!(found.contains(hint), "{text}: {found}");
        }
    }

    #[test]
    fn a_prefix_has_no_slash_at_its_end() {
        let prefix = |text: &str| prefix(text, &Pointer::root()).unwrap();
        assert_eq!(
            (prefix("/a/"), prefix("/a"), prefix("/")),
            ("/a".into(), "/a".into(), "/".into())
        );
    }
}
