//! The set of fields in a message that matter to the gateway itself: one walk over its names instead of a search for each.

use http::{HeaderMap, HeaderName};

pub(super) const CONNECTION: u32 = 1;
pub(super) const KEEP_ALIVE: u32 = 1 << 1;
pub(super) const PROXY_CONNECTION: u32 = 1 << 2;
pub(super) const PROXY_AUTHENTICATE: u32 = 1 << 3;
pub(super) const PROXY_AUTHORIZATION: u32 = 1 << 4;
pub(super) const PROXY_AUTHENTICATION_INFO: u32 = 1 << 5;
pub(super) const TE: u32 = 1 << 6;
pub(super) const TRANSFER_ENCODING: u32 = 1 << 7;
pub(super) const UPGRADE: u32 = 1 << 8;
pub(super) const HOST: u32 = 1 << 9;
pub(super) const CONTENT_LENGTH: u32 = 1 << 10;
pub(super) const EXPECT: u32 = 1 << 11;
pub(super) const REQUEST_ID: u32 = 1 << 12;
/// `x-forwarded-` and anything.
pub(super) const X_FORWARDED: u32 = 1 << 13;
/// Other statements about the hops before: the standard form (RFC 7239), and what other proxies write.
pub(super) const FORWARDED: u32 = 1 << 14;
/// A name that some upstreams cannot tell from another one. See [`is_folded`].
pub(super) const FOLDED: u32 = 1 << 15;

/// A set of the fields above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Present(u32);

/// Letters, digits and the hyphen.
static DISTINCT: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric() || byte as u8 == b'-';
        byte += 1;
    }
    table
};

impl Present {
    /// The set of fields in `headers`, without [`FOLDED`].
    pub(super) fn of(headers: &HeaderMap) -> Self {
        Self(headers.keys().fold(0, |found, name| found | field(name.as_str())))
    }

    /// The set of fields in a request's `headers`, with [`FOLDED`].
    pub(super) fn of_request(headers: &HeaderMap) -> Self {
        let field_or_folded = |name: &str| match field(name) {
            // Of these, only the beginning is known.
            found @ (0 | X_FORWARDED) if is_folded_name(name) => found | FOLDED,
            found => found,
        };
        Self(
            headers
                .keys()
                .fold(0, |found, name| found | field_or_folded(name.as_str())),
        )
    }

    /// Whether at least one of `fields` is in the set.
    pub(super) fn any(self, fields: u32) -> bool {
        self.0 & fields != 0
    }
}

/// The field's bit; 0 for a field that is only forwarded. Most names differ in length already.
fn field(name: &str) -> u32 {
    match name.len() {
        2 if name == "te" => TE,
        4 if name == "host" => HOST,
        6 if name == "expect" => EXPECT,
        7 if name == "upgrade" => UPGRADE,
        9 if name == "forwarded" || name == "x-real-ip" => FORWARDED,
        10 if name == "connection" => CONNECTION,
        10 if name == "keep-alive" => KEEP_ALIVE,
        11 if name == "x-client-ip" => FORWARDED,
        12 if name == "x-request-id" => REQUEST_ID,
        13 if name == "x-rewrite-url" => FORWARDED,
        14 if matches!(name, "x-original-url" | "true-client-ip") => FORWARDED,
        14 if name == "content-length" => CONTENT_LENGTH,
        15 if name == "x-original-host" => FORWARDED,
        16 if name == "proxy-connection" => PROXY_CONNECTION,
        17 if name == "transfer-encoding" => TRANSFER_ENCODING,
        18 if name == "proxy-authenticate" => PROXY_AUTHENTICATE,
        19 if name == "x-cluster-client-ip" => FORWARDED,
        19 if name == "proxy-authorization" => PROXY_AUTHORIZATION,
        25 if name == "proxy-authentication-info" => PROXY_AUTHENTICATION_INFO,
        13.. if name.starts_with("x-forwarded-") => X_FORWARDED,
        _ => 0,
    }
}

/// Whether the name holds a character other than letters, digits and hyphens. CGI and what came after it (WSGI, Rack, PHP) write names as
/// variables, where such a character and a hyphen are the same: `X_Forwarded_For` is `X-Forwarded-For` to them.
pub(super) fn is_folded(name: &HeaderName) -> bool {
    is_folded_name(name.as_str())
}

fn is_folded_name(name: &str) -> bool {
    // Names are short, and nearly none is folded: to stop at the first such character would cost each name more than to go on.
    let is_distinct = name.bytes().fold(true, |all, byte| all & DISTINCT[usize::from(byte)]);
    !is_distinct
}

/// Whether the field is a statement about the hops before the gateway.
pub(super) fn is_forwarded(name: &HeaderName) -> bool {
    field(name.as_str()) & (X_FORWARDED | FORWARDED) != 0
}
