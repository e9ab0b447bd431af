//! Hop-by-hop fields (RFC 9110, section 7.6.1): removed from requests, responses and trailers.

use std::borrow::Cow;

use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING,
    UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use lockgate_exchange::{Direction, RequestHead};
use smallvec::SmallVec;

use super::fields::{self, Present};
use super::forwarded::X_REQUEST_ID;
use super::upgrade;
use crate::settings::TrailerNames;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");
const PROXY_AUTHENTICATION_INFO: HeaderName = HeaderName::from_static("proxy-authentication-info");

/// The removed fields, each with its bit. Not among them: `te`, of which a part may stay, and `connection`, which is read first.
const HOP_BY_HOP: [(u32, HeaderName); 7] = [
    (fields::KEEP_ALIVE, KEEP_ALIVE),
    (fields::PROXY_CONNECTION, PROXY_CONNECTION),
    (fields::PROXY_AUTHENTICATE, PROXY_AUTHENTICATE),
    (fields::PROXY_AUTHORIZATION, PROXY_AUTHORIZATION),
    (fields::PROXY_AUTHENTICATION_INFO, PROXY_AUTHENTICATION_INFO),
    (fields::TRANSFER_ENCODING, TRANSFER_ENCODING),
    (fields::UPGRADE, UPGRADE),
];
const ANY_BIT: u32 = fields::CONNECTION
    | fields::KEEP_ALIVE
    | fields::PROXY_CONNECTION
    | fields::PROXY_AUTHENTICATE
    | fields::PROXY_AUTHORIZATION
    | fields::PROXY_AUTHENTICATION_INFO
    | fields::TE
    | fields::TRANSFER_ENCODING
    | fields::UPGRADE
    | fields::EXPECT;

/// A request's headers without hop-by-hop fields; a copy only if there are any. [`super::admit`] removes them too; this second removal,
/// before forwarding, is for fields that plugins have added. The `upgrade` of a request that asks for one stays. `te: trailers` stays. `expect` is removed, because hyper has answered it.
/// `trailer` stays: it is end-to-end (RFC 9110, section 6.6.2), and without it no trailers would be sent to the upstream.
pub fn without_hop_by_hop(request: &RequestHead) -> Cow<'_, HeaderMap> {
    let headers = &request.headers;
    let present = Present::of(headers);
    if !present.any(ANY_BIT) {
        return Cow::Borrowed(headers);
    }
    let mut copy = headers.clone();
    match request.is_upgrade {
        true => upgrade::strip_all_else(&mut copy, present, Direction::Request),
        false => strip(&mut copy, present, Direction::Request),
    }
    Cow::Owned(copy)
}

/// Removes a response's hop-by-hop fields.
pub fn strip_response(headers: &mut HeaderMap) {
    strip(headers, Present::of(headers), Direction::Response);
}

/// Removes fields that are not allowed in trailers: hop-by-hop fields, and those that frame, route or authenticate a message
/// (RFC 9110, section 6.5.1), that say who the client is, or that some upstreams take for another name. Some upstreams merge trailers into
/// the headers.
pub fn strip_trailers(trailers: &mut HeaderMap) {
    strip_response(trailers);
    retain(trailers, |name| !is_refused_in_trailers(name));
}

/// Removes the fields of a request's trailers that are not on the listener's list, and those that [`strip_trailers`] removes.
pub fn strip_request_trailers(trailers: &mut HeaderMap, allowed: Option<&TrailerNames>) {
    strip_trailers(trailers);
    retain(trailers, |name| allowed.is_some_and(|allowed| allowed.allow(name)));
}

/// Whether an entry of [`TrailerNames`] can never let a field through: no name starts with it, or all that do are removed from trailers.
pub fn is_no_trailer(entry: &str) -> bool {
    let name = match entry.strip_suffix('*') {
        Some("") => return false,
        Some(start) => format!("{start}a"),
        None => entry.to_string(),
    };
    HeaderName::from_bytes(name.as_bytes()).map_or(true, |name| is_refused_in_trailers(&name))
}

fn retain(trailers: &mut HeaderMap, keep: impl Fn(&HeaderName) -> bool) {
    let others = trailers.keys().filter(|name| !keep(name));
    let others: SmallVec<[HeaderName; 4]> = others.cloned().collect();
    for name in others {
        trailers.remove(name);
    }
}

/// Fields that frame, route or authenticate a message.
const NO_TRAILERS: [HeaderName; 14] = [
    CONTENT_LENGTH,
    HOST,
    TRAILER,
    http::header::AUTHORIZATION,
    http::header::CACHE_CONTROL,
    http::header::CONTENT_ENCODING,
    http::header::CONTENT_RANGE,
    http::header::CONTENT_TYPE,
    http::header::COOKIE,
    http::header::MAX_FORWARDS,
    http::header::RANGE,
    http::header::SET_COOKIE,
    http::header::EXPECT,
    X_REQUEST_ID,
];

/// Prefixes of names by which gateways and proxies, this one's plugins among them, tell upstreams about the client.
const IDENTITY: [&str; 10] = [
    "x-consumer",
    "x-credential",
    "x-authenticated",
    "x-anonymous",
    "x-auth",
    "x-user",
    "x-remote",
    "x-client",
    "x-ssl",
    "proxy",
];

fn is_refused_in_trailers(name: &HeaderName) -> bool {
    // RFC 9209, section 2, has it in trailers: what a proxy says about the response.
    let is_identity = name != PROXY_STATUS && IDENTITY.iter().any(|prefix| name.as_str().starts_with(prefix));
    NO_TRAILERS.contains(name)
        || HOP_BY_HOP.iter().any(|(_, hop)| hop == name)
        || name == CONNECTION
        || name == TE
        || fields::is_forwarded(name)
        || fields::is_folded(name)
        || is_identity
}

pub(super) fn strip(headers: &mut HeaderMap, present: Present, direction: Direction) {
    if !present.any(ANY_BIT) {
        return;
    }
    let trailers = direction == Direction::Request && present.any(fields::TE) && accepts_trailers(headers);
    if present.any(fields::CONNECTION) {
        strip_listed(headers);
    }
    for (bit, name) in &HOP_BY_HOP {
        if present.any(*bit) {
            headers.remove(name);
        }
    }
    if present.any(fields::TE) {
        headers.remove(TE);
    }
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    if direction == Direction::Request && present.any(fields::EXPECT) {
        headers.remove(EXPECT);
    }
}

/// Removes `connection` and every field that it lists, except the message's length and its host.
fn strip_listed(headers: &mut HeaderMap) {
    let lists: SmallVec<[HeaderValue; 2]> = headers
        .get_all(CONNECTION)
        .iter()
        .filter(|list| !is_bare(list))
        .cloned()
        .collect();
    headers.remove(CONNECTION);
    for list in lists {
        for name in list.as_bytes().split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
            match HeaderName::from_bytes(name) {
                Ok(name) if name != CONTENT_LENGTH && name != HOST => headers.remove(name),
                _ => None,
            };
        }
    }
}

/// Whether the value lists no field, as nearly always.
fn is_bare(list: &HeaderValue) -> bool {
    let list = list.as_bytes();
    list.eq_ignore_ascii_case(b"keep-alive") || list.eq_ignore_ascii_case(b"close")
}

/// Whether `te` lists `trailers`, alone or among others.
fn accepts_trailers(headers: &HeaderMap) -> bool {
    headers.get_all(TE).iter().any(|value| {
        let mut items = value.as_bytes().split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
        items.any(|item| item.eq_ignore_ascii_case(b"trailers"))
    })
}
