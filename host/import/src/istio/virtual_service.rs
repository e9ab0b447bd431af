//! VirtualService: hosts, gateways, and the routes for HTTP and TCP in their order.

mod action;
mod http_route;
mod matches;
mod retries;

use super::resources::Identity;
use crate::fields::{Field, Section};
use crate::losses::Spot;

pub(super) use action::{Action, Change, Destination, RouteSettings, Weighted};
pub(super) use http_route::HttpRoute;
pub(super) use matches::{HttpMatch, TextMatch, Uri};

/// Routes for hosts at gateways.
#[derive(Debug, Clone)]
pub(super) struct VirtualService {
    pub(super) identity: Identity,
    /// As they are written, in lower case.
    pub(super) hosts: Vec<String>,
    /// Names of gateways, with their places. Empty: the mesh.
    pub(super) gateways: Vec<(String, Spot)>,
    pub(super) http: Vec<HttpRoute>,
    pub(super) tcp: Vec<TcpRoute>,
    pub(super) spot: Spot,
}

/// A route for connections.
#[derive(Debug, Clone)]
pub(super) struct TcpRoute {
    /// Ports of the gateway. Empty: all.
    pub(super) ports: Vec<u16>,
    pub(super) destinations: Vec<Weighted>,
    pub(super) spot: Spot,
}

/// Reads one.
pub(super) fn read(spec: &Section<'_>, identity: Identity) -> VirtualService {
    spec.lost("exportTo", "the gateway has no namespaces", "");
    spec.lost(
        "tls",
        "TLS is not passed through by server name",
        "terminate TLS at the listener, and route by host",
    );
    let hosts = spec.items("hosts");
    let hosts = hosts
        .iter()
        .filter_map(Field::text)
        .map(str::to_ascii_lowercase)
        .collect();
    let gateways = spec.items("gateways");
    let gateways = gateways
        .iter()
        .filter_map(|field| Some((field.text()?.to_owned(), field.spot())));
    VirtualService {
        identity,
        hosts,
        gateways: gateways.collect(),
        http: spec.sections("http").iter().map(http_route::read).collect(),
        tcp: spec.sections("tcp").iter().filter_map(tcp_route).collect(),
        spot: spec.field().spot(),
    }
}

fn tcp_route(section: &Section<'_>) -> Option<TcpRoute> {
    let mut ports = Vec::new();
    let matches = section.sections("match");
    for condition in &matches {
        condition.skip(&["gateways"]);
        match condition.get("port").and_then(|field| field.port()) {
            Some(port) => ports.push(port),
            None if !condition.is_empty() => {
                condition.skip_all();
                let why = "connections are told apart by their listener's port alone";
                condition.field().lost(why, "");
            }
            None => {}
        }
    }
    // Without a condition that can be kept, the route would take connections that it should not.
    if !matches.is_empty() && ports.is_empty() {
        section.skip_all();
        return None;
    }
    Some(TcpRoute {
        ports,
        destinations: action::destinations(section),
        spot: section.field().spot(),
    })
}
