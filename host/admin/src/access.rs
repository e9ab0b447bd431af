//! Access to the API: by a bearer token; without a configured token, from loopback only.

use std::net::IpAddr;

use http::header::{AUTHORIZATION, HOST, ORIGIN};
use http::{HeaderMap, HeaderValue};
use sha2::{Digest, Sha256};

use crate::error::ApiError;

/// The rule of this process.
pub(crate) enum Access {
    /// The token's SHA-256. Digests are compared, so that the duration reveals nothing about the token.
    Token([u8; 32]),
    Loopback,
}

impl Access {
    pub(crate) fn new(token: Option<&str>) -> Self {
        token.map_or(Self::Loopback, |token| Self::Token(digest(token.as_bytes())))
    }

    /// Checks a request by its peer address and headers.
    pub(crate) fn check(&self, peer: IpAddr, headers: &HeaderMap) -> Result<(), ApiError> {
        match self {
            Self::Token(expected) => match bearer(headers) {
                Some(token) if is_same(&digest(token), expected) => Ok(()),
                _ => Err(ApiError::Unauthorized),
            },
            Self::Loopback if peer.to_canonical().is_loopback() && is_host_local(headers) && is_origin_own(headers) => {
                Ok(())
            }
            Self::Loopback => Err(ApiError::Forbidden),
        }
    }
}

/// The one bearer token of a request.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(only), None) = (values.next(), values.next()) else {
        return None;
    };
    let (scheme, token) = only.as_bytes().split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}

fn digest(token: &[u8]) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// Compares in constant time.
fn is_same(one: &[u8; 32], other: &[u8; 32]) -> bool {
    one.iter().zip(other).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

/// Whether the `Host` is an address or `localhost`. A web page whose name was made to resolve to this machine (DNS rebinding) sends its
/// own name.
fn is_host_local(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(HOST).and_then(|host| host.to_str().ok()) else {
        return false;
    };
    let name = host
        .rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()))
        .map_or(host, |(name, _)| name);
    let address = name
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok()
}

/// Whether no page of another origin sends the request: browsers say where a request comes from.
fn is_origin_own(headers: &HeaderMap) -> bool {
    let mut origins = headers.get_all(ORIGIN).iter();
    let Some(origin) = origins.next() else { return true };
    let host = headers.get(HOST).map(HeaderValue::as_bytes).unwrap_or_default();
    let own = origin.as_bytes().strip_prefix(b"http://");
    origins.next().is_none() && own.is_some_and(|origin| !host.is_empty() && origin.eq_ignore_ascii_case(host))
}
