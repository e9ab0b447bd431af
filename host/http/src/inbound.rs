//! From what hyper hands over to a request that the rest of the gateway may trust: framing checked, path normal, host in one place,
//! hop-by-hop fields gone, proxy headers and request id set.
//!
//! It sees a request only after hyper has parsed it; what hyper accepts or mends in silence (a bare LF, a `Content-Length` beside
//! `Transfer-Encoding`, a fragment) the connection's guard has refused before. Limits on sizes and times belong there too.

mod fields;
mod forwarded;
mod framing;
mod hop_by_hop;
mod host;
mod request_id;

use std::net::{IpAddr, SocketAddr};

use http::header::{COOKIE, HOST};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Version};
use ipnet::IpNet;
use lockgate_exchange::{RequestHead, Scheme};

use fields::Present;

use crate::path;
use crate::problem::Malformed;
use crate::settings::EscapedSlashes;

pub use forwarded::{X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO, X_REQUEST_ID};
pub use framing::check_framing;
pub use hop_by_hop::{strip_response, strip_trailers, without_hop_by_hop};
pub use request_id::RequestIds;

/// Who is at the other end of a connection, in the forms that every request of it needs.
#[derive(Debug, Clone)]
pub struct Peer {
    address: IpAddr,
    text: HeaderValue,
    local: SocketAddr,
    scheme: Scheme,
}

impl Peer {
    /// Once per connection. An IPv4 address in IPv6 clothes is taken as what it is.
    pub fn new(peer: SocketAddr, local: SocketAddr, scheme: Scheme) -> Self {
        let address = peer.ip().to_canonical();
        Self {
            address,
            text: text(address),
            local,
            scheme,
        }
    }

    /// The peer's address: a client's, or that of a proxy in front.
    pub fn address(&self) -> IpAddr {
        self.address
    }
}

/// What a listener says about the requests that it takes.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// Peers whose `X-Forwarded-*` and `X-Request-Id` are believed.
    pub trusted_proxies: &'a [IpNet],
    /// What happens to paths that upstreams read in different ways.
    pub escaped_slashes: EscapedSlashes,
}

/// A request that was let in.
#[derive(Debug)]
pub struct Admitted {
    /// As plugins see it and as it will be forwarded.
    pub head: RequestHead,
    /// The real client: the peer, or what trusted proxies say.
    pub client: IpAddr,
    /// Also in the head, as `x-request-id`.
    pub request_id: HeaderValue,
}

/// Checks `parts` and makes them a request head.
///
/// # Errors
/// What is ambiguous or breaks its protocol; it must be answered with 400, and its connection closed.
pub fn admit(parts: Parts, peer: &Peer, rules: Rules<'_>, ids: &RequestIds) -> Result<Admitted, Malformed> {
    let present = Present::of(&parts.headers);
    framing::check(&parts, present)?;
    let Parts {
        method,
        uri,
        version,
        mut headers,
        ..
    } = parts;
    let uri = uri.into_parts();
    let path = match uri.path_and_query {
        Some(path) if !path.as_str().is_empty() => path,
        _ => PathAndQuery::from_static("/"),
    };
    let path = path::normalise(&path, rules.escaped_slashes)?.unwrap_or(path);
    // Where the target names the host, that counts (RFC 9112, section 3.2.2); the check saw to it that `host` agrees.
    let host = if present.any(fields::HOST) {
        headers.remove(HOST)
    } else {
        None
    };
    let authority = match (uri.authority, host) {
        (_, Some(host)) => host,
        (Some(authority), None) => HeaderValue::from_str(authority.as_str()).map_err(|_| Malformed::HostInvalid)?,
        (None, None) => own_address(version, peer)?,
    };
    if version == Version::HTTP_2 {
        join_cookies(&mut headers);
    }
    hop_by_hop::strip(&mut headers, present, hop_by_hop::Direction::Request);
    let (client, request_id) = forwarded::set(&mut headers, present, &hop(peer, &authority, rules), ids);
    Ok(Admitted {
        head: RequestHead {
            method,
            path,
            authority,
            scheme: peer.scheme,
            headers,
        },
        client,
        request_id,
    })
}

/// What an HTTP/1.0 request without `Host` is taken to mean: the address that it came to.
fn own_address(version: Version, peer: &Peer) -> Result<HeaderValue, Malformed> {
    if version != Version::HTTP_10 {
        return Err(Malformed::HostMissing);
    }
    HeaderValue::try_from(peer.local.to_string()).map_err(|_| Malformed::HostMissing)
}

/// HTTP/2 may split the cookie over several fields, which HTTP/1 upstreams need in one (RFC 9113, section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(COOKIE).iter().nth(1).is_none() {
        return;
    }
    let crumbs: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    let joined = HeaderValue::try_from(crumbs.join(&b"; "[..]))
        .expect("header values joined by a semicolon make a header value");
    headers.insert(COOKIE, joined);
}

fn hop<'a>(peer: &'a Peer, authority: &'a HeaderValue, rules: Rules<'a>) -> forwarded::Hop<'a> {
    forwarded::Hop {
        peer: peer.address,
        peer_text: &peer.text,
        scheme: peer.scheme,
        authority,
        trusted: rules.trusted_proxies,
    }
}

fn text(address: IpAddr) -> HeaderValue {
    HeaderValue::try_from(address.to_string()).expect("an address is written in visible ASCII")
}

#[cfg(test)]
mod tests;
