//! Redirects that lead to themselves, and shadows that are the live upstream.

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method};
use lockgate_config::model::{Destination, ListenerProtocol, Model, Route, UpstreamIndex};
use lockgate_exchange::{RequestHead, Scheme};
use lockgate_json::{Diagnostic, Document};
use lockgate_routing::{ChangedPath, HostPattern, PathMatch, Redirect, RouteTable};

pub(super) fn warnings(model: &Model, table: &RouteTable, document: &Document) -> Vec<Diagnostic> {
    let mut warnings = Vec::new();
    for (index, route) in model.routes.iter().enumerate() {
        if let Destination::Redirect(redirect) = &route.destination
            && leads_back(model, table, index, route, redirect)
        {
            warnings.push(document.diagnostic(
                &format!("/routes/{index}/redirect"),
                "this redirect leads to itself: its own route matches the new address, too",
                None,
                Some(
                    "restrict the route by \"match\", with \"scheme\", \"listeners\" or \"hosts\", or add a route for the new address"
                        .to_owned(),
                ),
            ));
        }
        warnings.extend(shadows(model, document, index, route));
    }
    warnings
}

/// Whether a request as the route describes it comes back to the route by the redirect. False where that cannot be told.
fn leads_back(model: &Model, table: &RouteTable, index: usize, route: &Route, redirect: &Redirect) -> bool {
    let Some(head) = redirected(route, redirect) else {
        return false;
    };
    model.listeners.iter().any(|listener| {
        let scheme = match listener.tls {
            Some(_) => Scheme::Https,
            None => Scheme::Http,
        };
        let is_meant = listener.protocol == ListenerProtocol::Http
            && redirect.scheme.is_none_or(|new| new.as_str() == scheme.as_str())
            && redirect.port.is_none_or(|port| port == listener.listen.port());
        let head = RequestHead { scheme, ..head.clone() };
        is_meant && table.find(&head, &listener.name).is_some_and(|found| found.0 == index)
    })
}

/// The request that a client makes of the redirect. None: the route has conditions that no example can be made for.
fn redirected(route: &Route, redirect: &Redirect) -> Option<RequestHead> {
    let matches = &route.matches;
    if !matches.headers.is_empty() || !matches.query.is_empty() {
        return None;
    }
    let path = match &matches.path {
        PathMatch::Any => "/",
        PathMatch::Exact(path) | PathMatch::Prefix(path) => path,
        PathMatch::Regex(_) => return None,
    };
    let path: PathAndQuery = path.parse().ok()?;
    let path = match redirect.path.as_ref().map(|change| change.apply(&path, &matches.path)) {
        None | Some(ChangedPath::Same) => path,
        Some(ChangedPath::Normal(path)) => path,
        Some(ChangedPath::Raw(text)) => text.parse().ok()?,
    };
    let host = match (&redirect.host, matches.hosts.first()) {
        (Some(host), _) | (None, Some(HostPattern::Exact(host))) => host.clone(),
        (None, Some(HostPattern::Wildcard(name))) => format!("any{name}"),
        (None, None) => "host.invalid".to_owned(),
    };
    Some(RequestHead {
        method: matches.methods.first().cloned().unwrap_or(Method::GET),
        path,
        authority: HeaderValue::try_from(host).ok()?,
        scheme: Scheme::Http,
        headers: HeaderMap::new(),
        is_upgrade: false,
    })
}

/// Mirrors to an upstream that the route's requests go to anyway.
fn shadows<'a>(
    model: &'a Model,
    document: &'a Document,
    index: usize,
    route: &'a Route,
) -> impl Iterator<Item = Diagnostic> + 'a {
    let is_live = |shadow: UpstreamIndex| match &route.destination {
        Destination::Upstream(upstream) => *upstream == shadow,
        Destination::Split(split) => split
            .branches()
            .any(|(upstream, weight)| *upstream == shadow && weight > 0),
        Destination::Redirect(_) | Destination::Respond(_) => false,
    };
    let mirrors = route.policy.iter().flat_map(|policy| policy.mirrors.iter().enumerate());
    mirrors
        .filter(move |(_, mirror)| is_live(mirror.upstream))
        .map(move |(at, mirror)| {
            // A single mirror need not be in a list.
            let in_list = format!("/routes/{index}/mirror/{at}/upstream");
            let alone = format!("/routes/{index}/mirror/upstream");
            let pointer = match document.locate(&in_list) {
                Some(_) => in_list,
                None => alone,
            };
            document.diagnostic(
                &pointer,
                format!(
                    "the mirrored requests reach \"{}\" twice: the route sends its requests there, too",
                    model.upstream(mirror.upstream).name
                ),
                None,
                Some("name an upstream of its own for the shadow".to_owned()),
            )
        })
}
