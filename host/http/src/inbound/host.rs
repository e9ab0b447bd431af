//! The check of `Host` and `:authority`: a name or an IP literal, with or without a port. No user, no escapes.
//!
//! Narrower than RFC 3986 on purpose: its sub-delimiters and escapes occur in no real host, and a comma or an `@` is read
//! differently by others.

use std::net::Ipv6Addr;

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
    !name.is_empty() && name != b"." && name.iter().copied().all(is_name_byte) && is_port_or_nothing(port)
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Nothing, or a colon and a port number.
fn is_port_or_nothing(text: &[u8]) -> bool {
    match text {
        [] => true,
        [b':', digits @ ..] => {
            (1..=5).contains(&digits.len())
                && digits.iter().all(u8::is_ascii_digit)
                && digits
                    .iter()
                    .fold(0u32, |port, digit| port * 10 + u32::from(digit - b'0'))
                    <= 65535
        }
        _ => false,
    }
}
