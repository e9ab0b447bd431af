//! Upgrades: the protocols that a request offers to speak on its connection instead of HTTP (RFC 9110, section 7.8; RFC 8441).
//!
//! An offer that HTTP does not take seriously is removed like any hop-by-hop field: one on HTTP/1.0, one that `Connection` does not list,
//! one in a request with a body. So are offers of protocols that carry requests themselves. A tunnel of them would lead past routes and
//! plugins.

use http::header::{CONNECTION, CONTENT_LENGTH, UPGRADE};
use http::{HeaderMap, HeaderValue, StatusCode, Version};
use lockgate_exchange::Direction;
use smallvec::SmallVec;

use super::fields::{self, Present};
use super::hop_by_hop;

/// The value of `connection` that belongs to `upgrade`.
const LISTED: HeaderValue = HeaderValue::from_static("upgrade");
/// Names of protocols that carry HTTP requests, whatever their version is.
const CARRIERS: [&str; 5] = ["h2c", "h2", "h3", "http", "tls"];

/// The protocol of an extended CONNECT (RFC 8441): in the extensions of an HTTP/2 request whose method was CONNECT, and is GET by now.
#[derive(Debug, Clone)]
pub struct ExtendedConnect(HeaderValue);

impl ExtendedConnect {
    /// The protocol that `:protocol` names; none if a tunnel of it is not opened.
    pub fn new(protocol: &str) -> Option<Self> {
        is_tunnelled(protocol.as_bytes())
            .then(|| HeaderValue::from_str(protocol).ok())?
            .map(Self)
    }

    /// Whether it is a WebSocket.
    pub fn is_websocket(&self) -> bool {
        self.0.as_bytes().eq_ignore_ascii_case(b"websocket")
    }

    /// Adds the fields that ask for the same in HTTP/1.1.
    pub(super) fn put(&self, headers: &mut HeaderMap) {
        put(headers, self.0.clone());
    }
}

/// Whether an upgrade to WebSocket is asked for.
pub fn offers_websocket(headers: &HeaderMap) -> bool {
    protocols(headers).any(|protocol| protocol.eq_ignore_ascii_case(b"websocket"))
}

/// Removes the hop-by-hop fields of a request with an `upgrade` field, and keeps that one, with a `connection` for it alone, if the request
/// asks for an upgrade. True then.
#[cold]
pub(super) fn strip_request(headers: &mut HeaderMap, present: Present, version: Version) -> bool {
    let offer = offer(headers, present, version);
    hop_by_hop::strip(headers, present, Direction::Request);
    let is_upgrade = offer.is_some();
    if let Some(offer) = offer {
        put(headers, offer);
    }
    is_upgrade
}

/// Removes a response's hop-by-hop fields. A 101 keeps its `upgrade`.
pub fn strip_response_head(status: StatusCode, headers: &mut HeaderMap) {
    let present = Present::of(headers);
    match status == StatusCode::SWITCHING_PROTOCOLS {
        true => strip_all_else(headers, present, Direction::Response),
        false => hop_by_hop::strip(headers, present, Direction::Response),
    }
}

/// Removes all hop-by-hop fields but `upgrade` and what `connection` says of it.
#[cold]
pub(super) fn strip_all_else(headers: &mut HeaderMap, present: Present, direction: Direction) {
    let protocols = headers.get(UPGRADE).cloned();
    hop_by_hop::strip(headers, present, direction);
    if let Some(protocols) = protocols {
        put(headers, protocols);
    }
}

fn put(headers: &mut HeaderMap, protocols: HeaderValue) {
    headers.insert(CONNECTION, LISTED);
    headers.insert(UPGRADE, protocols);
}

/// The protocols that a request offers, as one field.
fn offer(headers: &HeaderMap, present: Present, version: Version) -> Option<HeaderValue> {
    let is_offer = version == Version::HTTP_11 && !has_body(headers, present) && lists_upgrade(headers);
    if !is_offer {
        return None;
    }
    let kept: SmallVec<[&[u8]; 2]> = protocols(headers).filter(|name| is_tunnelled(name)).collect();
    if kept.is_empty() {
        return None;
    }
    HeaderValue::from_bytes(&kept.join(&b", "[..])).ok()
}

fn has_body(headers: &HeaderMap, present: Present) -> bool {
    let is_empty = |length: &HeaderValue| length.as_bytes().iter().all(|digit| *digit == b'0');
    present.any(fields::TRANSFER_ENCODING) || headers.get(CONTENT_LENGTH).is_some_and(|length| !is_empty(length))
}

fn lists_upgrade(headers: &HeaderMap) -> bool {
    items(headers.get_all(CONNECTION).iter()).any(|item| item.eq_ignore_ascii_case(b"upgrade"))
}

fn protocols(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    items(headers.get_all(UPGRADE).iter()).filter(|protocol| !protocol.is_empty())
}

fn items<'a>(lists: impl Iterator<Item = &'a HeaderValue>) -> impl Iterator<Item = &'a [u8]> {
    lists.flat_map(|list| list.as_bytes().split(|&byte| byte == b',').map(<[u8]>::trim_ascii))
}

/// Whether `protocol` is a name, or a name, a slash and a version, and one that a tunnel is opened for.
fn is_tunnelled(protocol: &[u8]) -> bool {
    let mut parts = protocol.splitn(2, |&byte| byte == b'/');
    let name = parts.next().unwrap_or_default();
    let is_carrier = CARRIERS
        .iter()
        .any(|carrier| name.eq_ignore_ascii_case(carrier.as_bytes()));
    !is_carrier && is_token(name) && parts.next().is_none_or(is_token)
}

fn is_token(text: &[u8]) -> bool {
    let is_token_byte = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !text.is_empty() && text.iter().all(is_token_byte)
}
