//! Destinations that are no upstream: the route's own responses.

use http::header::LOCATION;
use http::{HeaderMap, HeaderValue};
use lockgate_config::model::Route;
use lockgate_exchange::{RequestHead, ResponseHead};
use lockgate_http::inbound::X_FORWARDED_PROTO;
use lockgate_routing::{FixedResponse, Redirect, RequestUrl};

use crate::chain::{Chain, RouteReply, Stop};
use crate::context::view::View;
use crate::pipeline::connection_context::ConnectionContext;
use crate::pipeline::outbound;

/// A redirect, made of the request as its chain has left it.
pub(crate) fn redirect(
    redirect: &Redirect,
    route: &Route,
    chain: &Chain,
    connection: &ConnectionContext,
    view: &View,
) -> Stop {
    let exchange = chain.exchange.borrow();
    let request = &exchange.request;
    let path = match &redirect.path {
        None => None,
        Some(change) => match outbound::changed_path(change, route, &request.path, connection, view) {
            Ok(path) => path,
            Err(problem) => {
                chain.note_cause("the route's redirect made no normal path of the request's path");
                return Stop::Problem(problem);
            }
        },
    };
    let location = redirect.location(RequestUrl {
        scheme: scheme(request),
        authority: request.authority.as_bytes(),
        target: path.as_ref().unwrap_or(&request.path),
    });
    let head = ResponseHead {
        status: redirect.status,
        headers: HeaderMap::from_iter([(LOCATION, location)]),
    };
    Stop::Route(Box::new(RouteReply {
        head,
        body: bytes::Bytes::new(),
        details: "redirect",
        cause: None,
    }))
}

/// The scheme that the client has used: behind a trusted proxy, what this reports.
fn scheme(request: &RequestHead) -> &str {
    let reported = request.headers.get(X_FORWARDED_PROTO).map(HeaderValue::as_bytes);
    match reported {
        Some(b"https") => "https",
        Some(b"http") => "http",
        _ => request.scheme.as_str(),
    }
}

/// A fixed response.
pub(crate) fn respond(response: &FixedResponse) -> Stop {
    let head = ResponseHead {
        status: response.status,
        headers: response.headers.clone(),
    };
    Stop::Route(Box::new(RouteReply {
        head,
        body: response.body.clone(),
        details: "direct_response",
        cause: None,
    }))
}
