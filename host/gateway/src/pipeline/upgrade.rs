//! Requests that ask for an upgrade: what they offer the upstream, and the way from its 101 to a tunnel.
//!
//! They pass the chain like others. Plugins see `connection` and `upgrade` among the headers, a request and a 101 without bodies, and the end
//! of the exchange when the tunnel ends. A response that is no 101 is a response like any other.

use std::rc::Rc;

use http::header::{CONNECTION, UPGRADE};
use http::{HeaderValue, Response, StatusCode};
use lockgate_client::UpgradeOffer;
use lockgate_config::model::Route;
use lockgate_exchange::RequestHead;
use lockgate_http::problem::Problem;

use crate::chain::message_body::MessageBody;
use crate::chain::{Chain, Stop};
use crate::pipeline::NoResponse;
use crate::pipeline::client_body::ClientBody;
use crate::pipeline::connection_context::ConnectionContext;
use crate::pipeline::recorder::RequestRecorder;
use crate::pipeline::tunnel::Tunnel;

/// Checks whether the request may ask for an upgrade, if it does.
///
/// # Errors
/// Its route allows none.
#[inline]
pub(crate) fn check(chain: &Chain, route: &Route) -> Result<(), Stop> {
    match !route.upgrade && chain.exchange.borrow().request.is_upgrade {
        false => Ok(()),
        true => Err(Stop::Problem(Problem::UpgradeRefused)),
    }
}

/// What a request that asks for an upgrade offers its upstream.
#[cold]
pub(crate) fn offer(request: &RequestHead) -> Rc<UpgradeOffer> {
    let protocols = request.headers.get(UPGRADE).cloned();
    Rc::new(UpgradeOffer {
        protocols: protocols.unwrap_or(HeaderValue::from_static("")),
        accept: None,
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
