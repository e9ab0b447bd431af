//! Headers whose values differ between attempts of the same request, and what of them does not.
//!
//! Only a value of the expected form is taken for such a value. Any other may be just what makes a plugin trap, and distinguishes a
//! request from one without it.

use std::net::IpAddr;

/// What identifies a header's value, whoever sent it and when.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) enum Identity<'a> {
    /// The value itself.
    Value(&'a [u8]),
    /// An identifier of this many hexadecimal digits, and what follows it: a version, a flag.
    Id(usize, &'a [u8]),
    /// Addresses, of which only their versions matter: true for IPv6.
    Addresses(Vec<bool>),
}

/// The identity of a value, by the header's name in lower case.
pub(super) fn identity<'a>(name: &str, value: &'a [u8]) -> Identity<'a> {
    let volatile = match name {
        "x-request-id" | "x-correlation-id" | "x-b3-traceid" | "x-b3-spanid" | "x-b3-parentspanid" => id(value),
        "traceparent" => trace_parent(value),
        "x-forwarded-for" | "x-real-ip" => addresses(value),
        _ => None,
    };
    volatile.unwrap_or(Identity::Value(value))
}

/// A number of 16 or 32 hexadecimal digits, or a UUID. Zero is none: it means that there is no identifier.
fn id(value: &[u8]) -> Option<Identity<'_>> {
    let is_uuid = value.len() == 36 && [8, 13, 18, 23].iter().all(|&at| value[at] == b'-');
    let digits = value.iter().filter(|byte| !is_uuid || **byte != b'-');
    let is_id = matches!(value.len(), 16 | 32) || is_uuid;
    (is_id && is_number(digits)).then_some(Identity::Id(value.len(), b""))
}

/// `00-TRACE-PARENT-FLAGS` (W3C Trace Context, section 3.2).
fn trace_parent(value: &[u8]) -> Option<Identity<'_>> {
    let is_well_formed = value.len() == 55 && value.starts_with(b"00-") && value[35] == b'-' && value[52] == b'-';
    let (flags, ids) = (value.get(53..)?, [value.get(3..35)?, value.get(36..52)?]);
    let has_ids = ids.into_iter().all(|id| is_number(id.iter()));
    (is_well_formed && has_ids && matches!(flags, b"00" | b"01")).then_some(Identity::Id(value.len(), flags))
}

/// Hexadecimal digits, not all of them zero.
fn is_number<'a>(mut digits: impl Iterator<Item = &'a u8> + Clone) -> bool {
    digits.clone().any(|digit| *digit != b'0') && digits.all(u8::is_ascii_hexdigit)
}

fn addresses(value: &[u8]) -> Option<Identity<'_>> {
    let text = std::str::from_utf8(value).ok()?;
    let versions = text
        .split(',')
        .map(|address| address.trim().parse::<IpAddr>().map(|address| address.is_ipv6()));
    versions.collect::<Result<_, _>>().ok().map(Identity::Addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_formed_values_are_alike_and_others_are_themselves() {
        let alike = [
            (
                "x-request-id",
                "0123456789abcdef0123456789abcdef",
                "ffffffffffffffffffffffffffffffff",
            ),
            (
                "x-request-id",
                "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
                "6ba7b811-9dad-11d1-80b4-00c04fd430c8",
            ),
            ("x-b3-traceid", "0123456789abcdef", "1123456789abcdef"),
            (
                "traceparent",
                "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                "00-1af7651916cd43dd8448eb211c80319c-c7ad6b7169203331-01",
            ),
            ("x-forwarded-for", "10.0.0.1, 10.0.0.2", "10.9.9.9,192.0.2.1"),
            ("x-real-ip", "10.0.0.1", "10.0.0.2"),
        ];
        for (name, one, other) in alike {
            assert_eq!(
                identity(name, one.as_bytes()),
                identity(name, other.as_bytes()),
                "{name}"
            );
        }
        let own = [
            ("x-request-id", "x"),
            ("x-request-id", "00000000000000000000000000000000"),
            ("x-request-id", "0123456789abcdef0123456789abcdeg"),
            ("x-b3-traceid", ""),
            ("traceparent", "x"),
            ("traceparent", "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
            ("traceparent", "00-00000000000000000000000000000000-b7ad6b7169203331-01"),
            ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-ff"),
            (
                "traceparent",
                "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-",
            ),
            ("x-forwarded-for", "10.0.0.1, unknown"),
            ("x-real-ip", "10.0.0.1:80"),
            ("date", "Tue, 15 Nov 1994 08:12:31 GMT"),
            ("via", "1.1 a"),
        ];
        for (name, value) in own {
            assert_eq!(
                identity(name, value.as_bytes()),
                Identity::Value(value.as_bytes()),
                "{name}"
            );
        }
        assert_ne!(identity("x-real-ip", b"10.0.0.1"), identity("x-real-ip", b"::1"));
    }
}
