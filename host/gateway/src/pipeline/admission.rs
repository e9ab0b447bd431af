//! From what hyper read to an exchange: the request is checked, normalised, numbered and routed, or refused.

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Instant;

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Version, header};
use lockgate_exchange::{Exchange, RequestHead, SharedExchange, StreamInfo};
use lockgate_http::inbound::{self, Admitted, Rules};
use lockgate_http::problem::Problem;
use lockgate_sandbox::CallTrace;

use crate::body::source::BodySource;
use crate::context::view::{RouteView, View};
use crate::pipeline::connection_context::ConnectionContext;

/// A request that was admitted, or refused with a problem.
pub(crate) struct Admission {
    /// What the chain may read and change.
    pub(crate) exchange: SharedExchange,
    /// Set if an operator wants to see the host calls that are made for it.
    pub(crate) trace: Option<Rc<CallTrace>>,
    /// When its head was complete.
    pub(crate) started: Instant,
    /// Its route, or the entry for requests that match none.
    pub(crate) route: Rc<RouteView>,
    /// Its body.
    pub(crate) body: BodySource,
    /// The problem, if it is refused.
    pub(crate) refused: Option<Problem>,
    /// The end of this request cannot be known, so the connection is closed behind it.
    pub(crate) ambiguous: bool,
}

/// Admits a request. A refused one is an exchange too, so that it is answered, counted and logged like any other.
pub(crate) fn admit(connection: &ConnectionContext, view: &View, parts: Parts, body: BodySource) -> Admission {
    let settings = &connection.listener(view).settings;
    let length = parts
        .headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let limit = settings.limits.body.map(|limit| limit.0);
    let body = body.admitted(limit, &settings.trailers);
    let rules = Rules {
        trusted_proxies: &settings.trusted_proxies,
        escaped_slashes: settings.escaped_slashes,
        ambiguous_names: settings.ambiguous_names,
    };
    let (version, method, path) = (parts.version, parts.method.clone(), parts.uri.path_and_query().cloned());
    // The connection's guard may have found what the library does not show.
    let found = parts.extensions.get::<Problem>().copied();
    let admitted = match found {
        Some(problem) => Err(problem),
        None => {
            inbound::admit(parts, &connection.peer, rules, &connection.worker.request_ids).map_err(Problem::Malformed)
        }
    };
    match admitted {
        Ok(admitted) => {
            let too_large = matches!((length, limit), (Some(length), Some(limit)) if length > limit);
            let refused = too_large.then_some(Problem::BodyTooLarge);
            take_in(connection, view, admitted, version, body, refused)
        }
        Err(problem) => {
            let head = RequestHead {
                method,
                path: path.unwrap_or_else(|| http::uri::PathAndQuery::from_static("/")),
                authority: HeaderValue::from_static(""),
                scheme: connection.scheme,
                headers: HeaderMap::new(),
                is_upgrade: false,
            };
            refuse(connection, view, head, version, body, problem)
        }
    }
}

/// A well-formed request: its route is looked up.
fn take_in(
    connection: &ConnectionContext,
    view: &View,
    admitted: Admitted,
    version: Version,
    body: BodySource,
    refused: Option<Problem>,
) -> Admission {
    let route = view.find_route(&admitted.head, &connection.info.listener).clone();
    let mut info = info(connection, admitted.client, admitted.request_id, version);
    if let Some(settings) = route.settings() {
        info.route = Some(settings.name.clone());
        info.upstream = view.first_choice(settings);
    }
    let started = info.started;
    let exchange = Exchange::new(admitted.head, info);
    Admission {
        trace: connection.worker.shared.trace.choose(&exchange),
        exchange: Rc::new(RefCell::new(exchange)),
        started,
        route,
        body,
        refused,
        ambiguous: false,
    }
}

/// A request that is refused as it came.
fn refuse(
    connection: &ConnectionContext,
    view: &View,
    head: RequestHead,
    version: Version,
    body: BodySource,
    problem: Problem,
) -> Admission {
    let id = connection.worker.request_ids.next();
    let info = info(connection, connection.peer.address(), id, version);
    Admission {
        trace: None,
        started: info.started,
        exchange: Rc::new(RefCell::new(Exchange::new(head, info))),
        route: view.no_route().clone(),
        body,
        refused: Some(problem),
        ambiguous: true,
    }
}

fn info(connection: &ConnectionContext, client: IpAddr, id: HeaderValue, version: Version) -> StreamInfo {
    let (connection, now) = (connection.info.clone(), connection.worker.wall_clock.timestamp());
    StreamInfo::since(connection, client, id, version, now)
}
