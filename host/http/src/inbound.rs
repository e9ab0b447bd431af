//! Admission of a request that hyper has parsed. The result is one that the rest of the gateway can trust: framing checked, path normal,
//! host in one place, hop-by-hop fields removed, proxy headers and request id set.
//!
//! hyper accepts or repairs some malformed requests in silence (a bare LF, a `Content-Length` beside `Transfer-Encoding`, a fragment).
//! Those were refused before, by the connection's guard. Limits on sizes and times belong there too.

mod fields;
mod forwarded;
mod framing;
mod hop_by_hop;
mod host;
mod request_id;
mod upgrade;

use std::net::{IpAddr, SocketAddr};

use http::header::{COOKIE, HOST};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Version};
use ipnet::IpNet;
use lockgate_exchange::{Direction, RequestHead, Scheme};
use smallvec::SmallVec;

use fields::Present;

use crate::path;
use crate::problem::Malformed;
use crate::settings::{AmbiguousNames, EscapedSlashes};

pub use forwarded::{X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO, X_REQUEST_ID};
pub use framing::check_framing;
pub use hop_by_hop::{is_no_trailer, strip_request_trailers, strip_response, strip_trailers, without_hop_by_hop};
pub use request_id::RequestIds;
pub use upgrade::{ExtendedConnect, offers_websocket, strip_response_head};

/// The other end of a connection, in the forms that each of its requests needs.
#[derive(Debug, Clone)]
pub struct Peer {
    address: IpAddr,
    text: HeaderValue,
    local: SocketAddr,
    scheme: Scheme,
}

impl Peer {
    /// The peer of a new connection. An IPv4-mapped IPv6 address becomes the IPv4 address.
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

/// A listener's rules for requests.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// Peers whose `X-Forwarded-*` and `X-Request-Id` are trusted.
    pub trusted_proxies: &'a [IpNet],
    /// Handling of paths that upstreams read in different ways.
    pub escaped_slashes: EscapedSlashes,
    /// Handling of field names that upstreams read in different ways.
    pub ambiguous_names: AmbiguousNames,
}

/// An admitted request.
#[derive(Debug)]
pub struct Admitted {
    /// The head that plugins see and that is forwarded.
    pub head: RequestHead,
    /// Address of the client: the peer's, or the one that trusted proxies name.
    pub client: IpAddr,
    /// The request id, also in the head as `x-request-id`.
    pub request_id: HeaderValue,
}

/// Checks `parts` and makes them a request head.
///
/// # Errors
/// The request is ambiguous or breaks its protocol. It must get 400, and its connection must close.
pub fn admit(parts: Parts, peer: &Peer, rules: Rules<'_>, ids: &RequestIds) -> Result<Admitted, Malformed> {
    let present = Present::of_request(&parts.headers);
    framing::check(&parts, present)?;
    let Parts {
        method,
        uri,
        version,
        mut headers,
        extensions,
        ..
    } = parts;
    if present.any(fields::FOLDED) {
        fold(&mut headers, rules.ambiguous_names)?;
    }
    let uri = uri.into_parts();
    let path = match uri.path_and_query {
        Some(path) if !path.as_str().is_empty() => path,
        _ => PathAndQuery::from_static("/"),
    };
    let path = path::normalise(&path, rules.escaped_slashes)?.unwrap_or(path);
    // The target's host takes precedence (RFC 9112, section 3.2.2). The check has made sure that `host` agrees.
    let host = if present.any(fields::HOST) {
        headers.remove(HOST)
    } else {
        None
    };
    let authority = match (uri.authority, host) {
        (_, Some(host)) => host::without_empty_port(host),
        (Some(authority), None) => HeaderValue::from_str(authority.as_str())
            .map(host::without_empty_port)
            .map_err(|_| Malformed::HostInvalid)?,
        (None, None) => own_address(version, peer)?,
    };
    let mut is_upgrade = false;
    if present.any(fields::UPGRADE) {
        is_upgrade = upgrade::strip_request(&mut headers, present, version);
    } else {
        hop_by_hop::strip(&mut headers, present, Direction::Request);
    }
    if version == Version::HTTP_2 {
        join_cookies(&mut headers);
        if let Some(connect) = extensions.get::<ExtendedConnect>() {
            connect.put(&mut headers);
            is_upgrade = true;
        }
    }
    let (client, request_id) = forwarded::set(&mut headers, present, &hop(peer, &authority, rules), ids);
    Ok(Admitted {
        head: RequestHead {
            method,
            path,
            authority,
            scheme: peer.scheme,
            headers,
            is_upgrade,
        },
        client,
        request_id,
    })
}

/// Applies the listener's rule to names that upstreams read in different ways.
fn fold(headers: &mut HeaderMap, rule: AmbiguousNames) -> Result<(), Malformed> {
    match rule {
        AmbiguousNames::Pass => {}
        AmbiguousNames::Reject => return Err(Malformed::AmbiguousName),
        AmbiguousNames::Drop => {
            let names = headers.keys().filter(|name| fields::is_folded(name));
            let names: SmallVec<[HeaderName; 4]> = names.cloned().collect();
            for name in names {
                headers.remove(name);
            }
        }
    }
    Ok(())
}

/// The host of an HTTP/1.0 request without `Host`: the address on which it arrived.
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
    let cookies: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    let joined = HeaderValue::try_from(cookies.join(&b"; "[..]))
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
