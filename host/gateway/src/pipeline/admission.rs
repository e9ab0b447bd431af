//! From what hyper read to an exchange: what comes in is checked, normalised, numbered and routed, or refused.

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Instant;

use http::{HeaderMap, HeaderValue, Request, Version, header};
use hyper::body::Incoming;
use lockgate_exchange::{Exchange, RequestHead, SharedExchange, StreamInfo};
use lockgate_http::inbound::{self, Admitted, Rules};
use lockgate_http::problem::{Malformed, Problem};
use lockgate_sandbox::CallTrace;

use crate::body::source::Source;
use crate::context::view::View;
use crate::pipeline::connection_context::Served;

/// A request at the gate.
pub(crate) struct Admission {
    /// What the chain may read and change.
    pub(crate) exchange: SharedExchange,
    /// Set if an operator wants to see the host calls that are made for it.
    pub(crate) trace: Option<Rc<CallTrace>>,
    /// When its head was there.
    pub(crate) started: Instant,
    /// Index of its route; none if it matches none.
    pub(crate) route: Option<usize>,
    /// Its body.
    pub(crate) body: Source,
    /// Why it goes no further, if so.
    pub(crate) refused: Option<Problem>,
    /// Nobody can say where this request ends, so nothing behind it on its connection is believed.
    pub(crate) ambiguous: bool,
}

/// Takes a request in. A refused one is an exchange too, so that it is answered, counted and logged like any other.
pub(crate) fn admit(served: &Served, view: &View, request: Request<Incoming>) -> Admission {
    let (parts, body) = request.into_parts();
    let settings = &served.listener(view).settings;
    let length = parts
        .headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let limit = settings.limits.body.map(|limit| limit.0);
    let body = Source::client(body, limit);
    let rules = Rules {
        trusted_proxies: &settings.trusted_proxies,
        escaped_slashes: settings.escaped_slashes,
    };
    let (version, method, path) = (parts.version, parts.method.clone(), parts.uri.path_and_query().cloned());
    match inbound::admit(parts, &served.peer, rules, &served.station.request_ids) {
        Ok(admitted) => {
            let too_large = matches!((length, limit), (Some(length), Some(limit)) if length > limit);
            let refused = too_large.then_some(Problem::BodyTooLarge);
            take_in(served, view, admitted, version, body, refused)
        }
        Err(malformed) => {
            let head = RequestHead {
                method,
                path: path.unwrap_or_else(|| http::uri::PathAndQuery::from_static("/")),
                authority: HeaderValue::from_static(""),
                scheme: served.scheme,
                headers: HeaderMap::new(),
            };
            turn_away(served, head, version, body, malformed)
        }
    }
}

/// A request that can be understood: its route is looked for.
fn take_in(
    served: &Served,
    view: &View,
    admitted: Admitted,
    version: Version,
    body: Source,
    refused: Option<Problem>,
) -> Admission {
    let route = view.snapshot.routes.find(&admitted.head).map(|route| route.0);
    let mut info = info(served, admitted.client, admitted.request_id, version);
    if let Some(route) = route.map(|route| &view.snapshot.model.routes[route]) {
        info.route = Some(route.name.clone());
        info.upstream = Some(view.snapshot.upstreams[route.upstream.0].name().clone());
    }
    let started = info.started;
    let exchange = Exchange::new(admitted.head, info);
    Admission {
        trace: served.station.shared.trace.choose(&exchange),
        exchange: Rc::new(RefCell::new(exchange)),
        started,
        route,
        body,
        refused,
        ambiguous: false,
    }
}

/// A request that nobody can say anything certain about.
fn turn_away(served: &Served, head: RequestHead, version: Version, body: Source, malformed: Malformed) -> Admission {
    let id = served.station.request_ids.next();
    let info = info(served, served.peer.address(), id, version);
    Admission {
        trace: None,
        started: info.started,
        exchange: Rc::new(RefCell::new(Exchange::new(head, info))),
        route: None,
        body,
        refused: Some(Problem::Malformed(malformed)),
        ambiguous: true,
    }
}

fn info(served: &Served, client: IpAddr, id: HeaderValue, version: Version) -> StreamInfo {
    let (connection, now) = (served.connection.clone(), served.station.wall_clock.moment());
    StreamInfo::since(connection, client, id, version, now)
}
