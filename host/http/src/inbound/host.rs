//! The check of `Host` and `:authority`: a name or an IP literal, with or without a port. No user, no escapes.
//!
//! Narrower than RFC 3986 on purpose: its sub-delimiters and escapes occur in no real host, and a comma or an `@` is read
//! differently by others.

use std::net::Ipv6Addr;

use http::HeaderValue;

use crate::problem::Malformed;

/// Maximum length: a name of DNS, a final dot and a port.
const MAX_LENGTH: usize = 254 + ":65535".len();

/// # Errors
/// [`Malformed::HostInvalid`].
pub(super) fn check(authority: &[u8]) -> Result<(), Malformed> {
    if is_valid(authority) {
        Ok(())
    } else {
        Err(Malformed::HostInvalid)
    }
}

fn is_valid(authority: &[u8]) -> bool {
    if authority.len() > MAX_LENGTH {
        return false;
    }
    if let Some(rest) = authority.strip_prefix(b"[") {
        let Some(end) = rest.iter().position(|&byte| byte == b']') else {
            return false;
        };
        let address = std::str::from_utf8(&rest[..end])
            .ok()
            .and_then(|text| text.parse::<Ipv6Addr>().ok());
        return address.is_some() && is_port_or_nothing(&rest[end + 1..]);
    }
    let end = authority
        .iter()
        .position(|&byte| byte == b':')
        .unwrap_or(authority.len());
    let (name, port) = authority.split_at(end);
    is_name(name) && is_port_or_nothing(port)
}

/// Labels with single dots between them, and perhaps one at the end: an empty label would make another name of it to some readers.
fn is_name(name: &[u8]) -> bool {
    let mut previous = b'.';
    for &byte in name {
        if !is_name_byte(byte) || byte == b'.' && previous == b'.' {
            return false;
        }
        previous = byte;
    }
    !name.is_empty()
}

/// Whether two valid authorities are one host and port. A default port need not be written, nor the number after the colon.
pub(super) fn is_same(one: &[u8], other: &[u8], default_port: &[u8]) -> bool {
    if one.eq_ignore_ascii_case(other) {
        return true;
    }
    let parts = |authority| {
        let (host, port) = split(authority);
        let port = if port.is_empty() { default_port } else { port };
        (host, number(port))
    };
    let ((one, one_port), (other, other_port)) = (parts(one), parts(other));
    one_port == other_port
        && (one.eq_ignore_ascii_case(other) || address(one).is_some_and(|known| Some(known) == address(other)))
}

/// The host in its one spelling: without the colon of a port that is not given.
pub(super) fn without_empty_port(host: HeaderValue) -> HeaderValue {
    match host.as_bytes().strip_suffix(b":") {
        Some(bare) => HeaderValue::from_bytes(bare).unwrap_or(host),
        None => host,
    }
}

/// Host and port, without the dot that may end a full name.
fn split(authority: &[u8]) -> (&[u8], &[u8]) {
    let at = authority.iter().rposition(|&byte| matches!(byte, b':' | b']'));
    let (host, port) = match at {
        Some(at) if authority[at] == b':' => (&authority[..at], &authority[at + 1..]),
        _ => (authority, &[][..]),
    };
    (host.strip_suffix(b".").unwrap_or(host), port)
}

fn number(port: &[u8]) -> u32 {
    port.iter().fold(0, |port, digit| port * 10 + u32::from(digit - b'0'))
}

fn address(host: &[u8]) -> Option<Ipv6Addr> {
    let text = host.strip_prefix(b"[")?.strip_suffix(b"]")?;
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Nothing, or a colon and a port number, which may be missing (RFC 3986, section 3.2.3).
fn is_port_or_nothing(text: &[u8]) -> bool {
    match text {
        [] => true,
        [b':', digits @ ..] => {
            (0..=5).contains(&digits.len())
                && digits.iter().all(u8::is_ascii_digit)
                && digits
                    .iter()
                    .fold(0u32, |port, digit| port * 10 + u32::from(digit - b'0'))
                    <= 65535
        }
        _ => false,
    }
}
