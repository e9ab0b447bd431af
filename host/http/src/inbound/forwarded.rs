//! `X-Forwarded-For`, `-Proto`, `-Host` and `X-Request-Id`: what the upstream learns about the hop before the gateway.
//!
//! Values of an untrusted peer are replaced; its other `x-forwarded-*` fields, `forwarded`, and what other proxies write for their upstreams
//! (`x-real-ip`, `x-original-url`, `x-rewrite-url` and the like) are removed: an upstream may believe them. A trusted peer's values stay,
//! and its address is appended to the list.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;
use lockgate_exchange::Scheme;
use smallvec::SmallVec;

use super::fields::{self, Present};
use super::request_id::{RequestIds, is_acceptable};

/// Addresses of the client and of the proxies after it, the nearest last.
pub const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// The host that the client asked for.
pub const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
/// The scheme that the client used.
pub const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// The request's name in every log.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The hop between the peer and the gateway.
pub(super) struct Hop<'a> {
    pub(super) peer: IpAddr,
    pub(super) peer_text: &'a HeaderValue,
    pub(super) scheme: Scheme,
    pub(super) authority: &'a HeaderValue,
    pub(super) trusted: &'a [IpNet],
}

/// Sets the four fields and returns the real client and the request's id.
pub(super) fn set(headers: &mut HeaderMap, present: Present, hop: &Hop<'_>, ids: &RequestIds) -> (IpAddr, HeaderValue) {
    if is_trusted(hop.peer, hop.trusted) {
        return set_trusted(headers, hop, ids);
    }
    if present.any(fields::X_FORWARDED | fields::FORWARDED) {
        remove_forwarded(headers);
    }
    let id = ids.next();
    // hyper makes the map just large enough: without this, it would grow several times.
    headers.reserve(4);
    headers.insert(X_FORWARDED_FOR, hop.peer_text.clone());
    headers.insert(X_FORWARDED_PROTO, proto(hop.scheme));
    headers.insert(X_FORWARDED_HOST, hop.authority.clone());
    headers.insert(X_REQUEST_ID, id.clone());
    (hop.peer, id)
}

/// Completes the four fields of a trusted peer.
fn set_trusted(headers: &mut HeaderMap, hop: &Hop<'_>, ids: &RequestIds) -> (IpAddr, HeaderValue) {
    let client = client(headers, hop);
    let list = append(headers, hop.peer_text);
    headers.insert(X_FORWARDED_FOR, list);
    let proto_known = only(headers, &X_FORWARDED_PROTO).is_some_and(|value| value == "http" || value == "https");
    if !proto_known {
        headers.insert(X_FORWARDED_PROTO, proto(hop.scheme));
    }
    if only(headers, &X_FORWARDED_HOST).is_none() {
        headers.insert(X_FORWARDED_HOST, hop.authority.clone());
    }
    let id = match only(headers, &X_REQUEST_ID) {
        Some(id) if is_acceptable(id.as_bytes()) => id.clone(),
        _ => ids.next(),
    };
    headers.insert(X_REQUEST_ID, id.clone());
    (client, id)
}

/// The client's address: from right to left, the first one that is not a trusted proxy's. If all are trusted, or if the text to the
/// left is no address, the leftmost trusted one.
fn client(headers: &HeaderMap, hop: &Hop<'_>) -> IpAddr {
    let mut client = hop.peer;
    for value in headers.get_all(X_FORWARDED_FOR).iter().rev() {
        let Ok(list) = value.to_str() else { return client };
        for item in list.rsplit(',').map(str::trim).filter(|item| !item.is_empty()) {
            let Some(address) = address(item) else { return client };
            client = address;
            if !is_trusted(address, hop.trusted) {
                return client;
            }
        }
    }
    client
}

/// An address as proxies write it: bare, in brackets, or with a port.
pub(super) fn address(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    let address = bare
        .parse()
        .ok()
        .or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()))?;
    Some(IpAddr::to_canonical(&address))
}

fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|net| net.contains(&address))
}

/// The received list on one line, with the peer's address appended.
fn append(headers: &HeaderMap, peer: &HeaderValue) -> HeaderValue {
    let mut list = Vec::new();
    for value in headers.get_all(X_FORWARDED_FOR) {
        list.extend_from_slice(value.as_bytes());
        list.extend_from_slice(b", ");
    }
    list.extend_from_slice(peer.as_bytes());
    HeaderValue::try_from(list).expect("header values joined by a comma make a header value")
}

/// The field's value if it has exactly one.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(only), None) => Some(only),
        _ => None,
    }
}

fn proto(scheme: Scheme) -> HeaderValue {
    HeaderValue::from_static(match scheme {
        Scheme::Http => "http",
        Scheme::Https => "https",
    })
}

/// Removes an untrusted peer's statements about the hops before it.
fn remove_forwarded(headers: &mut HeaderMap) {
    let forwarded = headers.keys().filter(|name| fields::is_forwarded(name));
    let names: SmallVec<[HeaderName; 4]> = forwarded.cloned().collect();
    for name in names {
        headers.remove(name);
    }
}
