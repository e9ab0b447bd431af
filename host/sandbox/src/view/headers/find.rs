//! Look-ups of a name in a header map.
//!
//! Most messages have a handful of fields. Comparing a name with each of them costs less than the map's own look-up, which parses
//! and hashes it.

use http::{HeaderMap, HeaderValue};

/// Maps with more values use their own look-up.
const FEW: usize = 16;
/// Longer names do not: a guest's name may be as long as its memory, and here all of a name is read only where lengths are equal.
const LONG: usize = 128;

/// The first value of a name, in any case.
pub(super) fn first<'a>(fields: &'a HeaderMap, name: &[u8]) -> Option<&'a HeaderValue> {
    if fields.len() > FEW && name.len() <= LONG {
        return fields.get(std::str::from_utf8(name).ok()?);
    }
    let mut entries = fields.iter();
    entries
        .find(|(known, _)| is_same(known.as_str(), name))
        .map(|(_, value)| value)
}

/// The value of a name that has only one. `None` in a large map.
pub(super) fn only_mut<'a>(fields: &'a mut HeaderMap, name: &[u8]) -> Option<&'a mut HeaderValue> {
    if fields.len() > FEW {
        return None;
    }
    let is_unique = fields.keys_len() == fields.len();
    let mut entries = fields.iter_mut();
    let (_, only) = entries.find(|(known, _)| is_same(known.as_str(), name))?;
    let has_more = !is_unique && entries.any(|(known, _)| is_same(known.as_str(), name));
    (!has_more).then_some(only)
}

fn is_same(known: &str, name: &[u8]) -> bool {
    known.len() == name.len() && known.as_bytes().eq_ignore_ascii_case(name)
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    fn fields(count: usize) -> HeaderMap {
        let mut fields = HeaderMap::new();
        fields.append("x-twice", HeaderValue::from_static("1"));
        fields.append("x-once", HeaderValue::from_static("only"));
        fields.append("x-twice", HeaderValue::from_static("2"));
        for index in fields.len()..count {
            let name = HeaderName::try_from(format!("x-{index}")).unwrap();
            fields.append(name, HeaderValue::from_static("more"));
        }
        fields
    }

    #[test]
    fn small_maps_and_large_ones_find_the_same() {
        for count in [0, FEW, FEW + 1, 100] {
            let fields = fields(count);
            assert_eq!(first(&fields, b"X-Twice").unwrap(), "1", "{count}");
            assert_eq!(first(&fields, b"x-once").unwrap(), "only", "{count}");
            for absent in [
                &b"x-thrice"[..],
                b"",
                b"x",
                b"x-once ",
                b"\xff",
                b":path",
                &[b'x'; LONG + 1],
            ] {
                assert_eq!(first(&fields, absent), None, "{count} {absent:?}");
            }
        }
    }

    #[test]
    fn only_a_value_that_is_alone_is_changed_in_its_place() {
        let mut few = fields(3);
        *only_mut(&mut few, b"X-ONCE").unwrap() = HeaderValue::from_static("new");
        assert_eq!(few["x-once"], "new");
        assert_eq!(only_mut(&mut few, b"x-twice"), None);
        assert_eq!(only_mut(&mut few, b"x-thrice"), None);
        assert_eq!(only_mut(&mut fields(FEW + 1), b"x-once"), None);
    }
}
