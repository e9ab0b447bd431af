//! [`Query`]: the parameters of a request's query. No host call is made here.

use std::borrow::Cow;

/// The query of a path, without the question mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Query<'a> {
    text: &'a str,
}

impl<'a> Query<'a> {
    /// The query of `path_and_query`; empty if there is none.
    pub fn of(path_and_query: &'a str) -> Query<'a> {
        Query {
            text: path_and_query.split_once('?').map_or("", |(_, query)| query),
        }
    }

    /// The query, not decoded.
    pub fn as_str(self) -> &'a str {
        self.text
    }

    /// All parameters, not decoded: `name=value`, `name=` or `name`.
    pub fn parameters(self) -> impl Iterator<Item = &'a str> {
        self.text.split('&').filter(|parameter| !parameter.is_empty())
    }

    /// The value of the first parameter of this name, decoded; `None` if there is none.
    pub fn value(self, name: &str) -> Option<Cow<'a, str>> {
        self.parameters()
            .find(|parameter| name_is(parameter, name))
            .map(|parameter| decode(split(parameter).1))
    }
}

/// `path_and_query` without the parameters of this name; `None` if there are none. Everything else stays as it was written, empty
/// parameters too.
pub fn without(path_and_query: &str, name: &str) -> Option<String> {
    let (path, query) = path_and_query.split_once('?')?;
    let is_removed = |parameter: &str| !parameter.is_empty() && name_is(parameter, name);
    if !query.split('&').any(is_removed) {
        return None;
    }
    let mut rest = String::with_capacity(path_and_query.len());
    rest.push_str(path);
    let mut separator = '?';
    for parameter in query.split('&').filter(|parameter| !is_removed(parameter)) {
        rest.push(separator);
        rest.push_str(parameter);
        separator = '&';
    }
    Some(rest)
}

fn split(parameter: &str) -> (&str, &str) {
    parameter.split_once('=').unwrap_or((parameter, ""))
}

fn name_is(parameter: &str, name: &str) -> bool {
    decode(split(parameter).0) == name
}

/// Decodes percent-encoding, and `+` as a space. Invalid escapes stay as they are.
pub fn decode(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(|byte| byte == b'%' || byte == b'+') {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped = (bytes[at] == b'%')
            .then(|| bytes.get(at + 1..at + 3).and_then(hex_byte))
            .flatten();
        decoded.push(match (escaped, bytes[at]) {
            (Some(byte), _) => byte,
            (None, b'+') => b' ',
            (None, byte) => byte,
        });
        at += if escaped.is_some() { 3 } else { 1 };
    }
    Cow::Owned(crate::text::lossy(decoded))
}

fn hex_byte(digits: &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (high, low) = (digit(*digits.first()?)?, digit(*digits.get(1)?)?);
    u8::try_from(high * 16 + low).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_found_by_its_decoded_name_and_returned_decoded() {
        let query = Query::of("/search?q=a%20b+c&flag&api%5Fkey=s%2Fcret&q=second");
        assert_eq!(query.value("q").as_deref(), Some("a b c"));
        assert_eq!(query.value("flag").as_deref(), Some(""));
        assert_eq!(query.value("api_key").as_deref(), Some("s/cret"));
        assert_eq!(query.value("missing"), None);
        assert_eq!(Query::of("/search").value("q"), None);
    }

    #[test]
    fn removing_a_parameter_leaves_the_others_as_they_were_written() {
        assert_eq!(without("/a?key=1&x=%20&key=2&y", "key").as_deref(), Some("/a?x=%20&y"));
        assert_eq!(without("/a?k%65y=1", "key").as_deref(), Some("/a"));
        assert_eq!(without("/a?x=1", "key"), None);
        assert_eq!(without("/a", "key"), None);
        assert_eq!(without("/a?key=%2F?b", "key").as_deref(), Some("/a"));
        assert_eq!(without("/d?a&&b&key=K", "key").as_deref(), Some("/d?a&&b"));
        assert_eq!(without("/d?&key=K&&=x&", "key").as_deref(), Some("/d?&&=x&"));
        assert_eq!(without("/d?key=1&?x=%ff+%", "key").as_deref(), Some("/d??x=%ff+%"));
    }

    #[test]
    fn broken_escapes_stay_as_they_are() {
        assert_eq!(decode("100%"), "100%");
        assert_eq!(decode("%zz%4"), "%zz%4");
        assert_eq!(decode("%+1"), "% 1");
        assert_eq!(decode("%ff"), "\u{fffd}");
    }
}
