//! Requests that ask for an upgrade: what they offer the upstream, and the way from its 101 to a tunnel.
//!
//! They pass the chain like others. Plugins see `connection` and `upgrade` among the headers, a request and a 101 without bodies, and the end
//! of the exchange when the tunnel ends. A response that is no 101 is a response like any other.

use std::rc::Rc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::header::{CONNECTION, SEC_WEBSOCKET_KEY, UPGRADE};
use http::{HeaderValue, Response, StatusCode, Version};
use lockgate_client::{Protocol, UpgradeOffer};
use lockgate_config::model::Route;
use lockgate_exchange::RequestHead;
use lockgate_http::inbound;
use lockgate_http::problem::Problem;
use lockgate_upstream::Upstream;
use ring::digest;

use crate::chain::message_body::MessageBody;
use crate::chain::{Chain, Stop};
use crate::context::rng::Rng;
use crate::pipeline::NoResponse;
use crate::pipeline::client_body::ClientBody;
use crate::pipeline::connection_context::ConnectionContext;
use crate::pipeline::recorder::RequestRecorder;
use crate::pipeline::tunnel::Tunnel;

/// Checks whether the request may ask for an upgrade, if it does.
///
/// # Errors
/// Its route allows none, or its upstream cannot be asked.
#[inline]
pub(crate) fn check(chain: &Chain, route: &Route, upstream: &Upstream) -> Result<(), Stop> {
    match chain.exchange.borrow().request.is_upgrade {
        false => Ok(()),
        true => check_upgrade(chain, route, upstream),
    }
}

#[cold]
fn check_upgrade(chain: &Chain, route: &Route, upstream: &Upstream) -> Result<(), Stop> {
    if !route.upgrade {
        return Err(Stop::Problem(Problem::UpgradeRefused));
    }
    if upstream.protocol() == Protocol::Http2 {
        chain.note_cause("the request asks for an upgrade, and the upstream's protocol is http2");
        return Err(Stop::Problem(Problem::UpstreamFailed));
    }
    Ok(())
}

/// A key for the handshake of a WebSocket (RFC 6455, section 4.1).
pub(crate) fn websocket_key(random: &Rng) -> HeaderValue {
    let mut key = [0; 16];
    random.fill(&mut key);
    let key = BASE64_STANDARD.encode(key);
    HeaderValue::try_from(key).expect("base64 is visible ASCII")
}

/// What a server answers to a key (RFC 6455, section 4.2.2).
fn websocket_accept(key: &HeaderValue) -> HeaderValue {
    const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &[key.as_bytes(), GUID].concat());
    HeaderValue::try_from(BASE64_STANDARD.encode(digest)).expect("base64 is visible ASCII")
}

/// What a request that asks for an upgrade offers its upstream.
#[cold]
pub(crate) fn offer(request: &RequestHead, version: Version) -> Rc<UpgradeOffer> {
    let protocols = request.headers.get(UPGRADE).cloned();
    // On HTTP/1.1 the client has made the key, and checks the answer.
    let is_own_key = version == Version::HTTP_2 && inbound::offers_websocket(&request.headers);
    let key = request.headers.get(SEC_WEBSOCKET_KEY).filter(|_| is_own_key);
    Rc::new(UpgradeOffer {
        protocols: protocols.unwrap_or(HeaderValue::from_static("")),
        accept: key.map(websocket_accept),
    })
}

/// Answers a request that asks for an upgrade, with a response without a body: behind a 101, by a tunnel.
#[cold]
pub(crate) fn respond(
    connection: &ConnectionContext,
    mut response: Response<()>,
    body: MessageBody,
    recorder: Box<RequestRecorder>,
) -> Result<Response<ClientBody>, NoResponse> {
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        // A plugin may have given a 101 another status.
        response.headers_mut().remove(UPGRADE);
        return Ok(response.map(|()| ClientBody::new(body, recorder)));
    }
    // In its place stands `close` while the process drains.
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    let tunnel = Tunnel::new(connection, response, body, recorder).ok_or(NoResponse::Reset)?;
    connection.tunnel.set(Some(Box::new(tunnel)));
    Err(NoResponse::Tunnel)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_the_answer_of_the_standard() {
        let key = HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(websocket_accept(&key), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        let (one, other) = (websocket_key(&Rng::System), websocket_key(&Rng::System));
        assert!(one != other && one.len() == 24);
    }
}
