//! The `cookie` header of a request (RFC 6265, section 5.4). No host call is made here.
//!
//! A value need not be UTF-8, and a request may have several such headers. What is removed is cut out; all other bytes stay as the
//! client has sent them.

/// The value of the first cookie of this name in a `cookie` header, without surrounding quotes; `None` if there is
/// none.
pub fn value<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    // Cut at ASCII characters, so that it is text as the header is.
    std::str::from_utf8(value_bytes(header.as_bytes(), name)?).ok()
}

/// The header without the cookies of this name: `None` if there are none, empty if no other is left.
pub fn without(header: &str, name: &str) -> Option<String> {
    String::from_utf8(without_bytes(header.as_bytes(), name)?).ok()
}

/// As [`value`], of a header that need not be UTF-8.
pub(crate) fn value_bytes<'a>(header: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let value = header.split(|&byte| byte == b';').find_map(|part| named(part, name))?;
    Some(
        value
            .strip_prefix(b"\"")
            .and_then(|value| value.strip_suffix(b"\""))
            .unwrap_or(value),
    )
}

/// As [`without`], of a header that need not be UTF-8.
pub(crate) fn without_bytes(header: &[u8], name: &str) -> Option<Vec<u8>> {
    let parts = || header.split(|&byte| byte == b';');
    if !parts().any(|part| named(part, name).is_some()) {
        return None;
    }
    let mut rest = Vec::with_capacity(header.len());
    let mut is_first = true;
    for part in parts().filter(|part| named(part, name).is_none()) {
        if is_first {
            // The space belongs to the separator, which the first one does not have.
            rest.extend_from_slice(part.trim_ascii_start());
        } else {
            rest.push(b';');
            rest.extend_from_slice(part);
        }
        is_first = false;
    }
    if rest.iter().all(|byte| *byte == b';' || byte.is_ascii_whitespace()) {
        rest.clear();
    }
    Some(rest)
}

/// The value of a cookie, if it has this name.
fn named<'a>(part: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let equals = part.iter().position(|&byte| byte == b'=')?;
    let (known, value) = part.split_at_checked(equals)?;
    (known.trim_ascii() == name.as_bytes()).then(|| value.get(1..).unwrap_or_default().trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        let header = r#"theme=dark; session = "abc" ;key=k1; mykey=no"#;
        assert_eq!(value(header, "session"), Some("abc"));
        assert_eq!(value(header, "key"), Some("k1"));
        assert_eq!(value(header, "ey"), None);
        assert_eq!(value("", "key"), None);
        assert_eq!(value("a=é; key=ü", "key"), Some("ü"));
    }

    #[test]
    fn removing_a_cookie_leaves_the_others() {
        assert_eq!(
            without("a=1; key=k; b=2; key=again", "key").as_deref(),
            Some("a=1; b=2")
        );
        assert_eq!(without("key=k", "key").as_deref(), Some(""));
        assert_eq!(without("key=k; ", "key").as_deref(), Some(""));
        assert_eq!(without("a=1", "key"), None);
    }

    #[test]
    fn what_is_not_removed_stays_byte_for_byte() {
        for (header, rest) in [
            (
                &b"a=\xff\xfe; key=k;b = 2 ;flag;; c=\"x y\""[..],
                &b"a=\xff\xfe;b = 2 ;flag;; c=\"x y\""[..],
            ),
            (b"key=k;  flag; a==1", b"flag; a==1"),
            (b"a=1;key=k", b"a=1"),
            (b"a=1; key=\xff", b"a=1"),
            (b"key=1; a=\xc3\xa9=", b"a=\xc3\xa9="),
        ] {
            assert_eq!(without_bytes(header, "key").as_deref(), Some(rest));
        }
        assert_eq!(value_bytes(b"a=1; key=\xff\x80", "key"), Some(&b"\xff\x80"[..]));
    }
}
