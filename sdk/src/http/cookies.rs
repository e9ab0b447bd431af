//! The `cookie` header of a request (RFC 6265, section 5.4). No host call is made here.

/// The value of the first cookie of this name in a `cookie` header, without surrounding quotes; `None` if there is
/// none.
pub fn value<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    let (_, value) = pairs(header).find(|(known, _)| *known == name)?;
    Some(
        value
            .strip_prefix('"')
            .and_then(|value| value.strip_suffix('"'))
            .unwrap_or(value),
    )
}

/// The header without the cookies of this name: `None` if there are none, empty if no other is left.
pub fn without(header: &str, name: &str) -> Option<String> {
    if !pairs(header).any(|(known, _)| known == name) {
        return None;
    }
    let mut rest = String::with_capacity(header.len());
    for (known, value) in pairs(header).filter(|(known, _)| *known != name) {
        if !rest.is_empty() {
            rest.push_str("; ");
        }
        rest.push_str(known);
        rest.push('=');
        rest.push_str(value);
    }
    Some(rest)
}

fn pairs(header: &str) -> impl Iterator<Item = (&str, &str)> {
    header.split(';').filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        Some((name.trim(), value.trim()))
    })
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
    }

    #[test]
    fn removing_a_cookie_leaves_the_others() {
        assert_eq!(
            without("a=1; key=k; b=2; key=again", "key").as_deref(),
            Some("a=1; b=2")
        );
        assert_eq!(without("key=k", "key").as_deref(), Some(""));
        assert_eq!(without("a=1", "key"), None);
    }
}
