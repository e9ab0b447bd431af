//! Istio: VirtualService, DestinationRule, ServiceEntry and Gateway of `networking.istio.io` (v1, v1beta1, v1alpha3).
//!
//! Two steps: documents become resources, without what gateway.json never has; resources become listeners, upstreams and routes. What a
//! request meets is the same as in Istio, or it is in the list of losses. Defaults of Istio that no document states are not carried: where
//! nothing is said, those of gateway.json hold.
//!
//! Floors: `routes`; `listeners`, `upstreams`; `resources`; the four kinds; `traffic_policy`; `hosts`, `names`.

mod absent;
mod destination_rule;
mod gateway;
mod hosts;
mod listeners;
mod names;
mod resources;
mod routes;
mod service_entry;
mod traffic_policy;
mod upstreams;
mod virtual_service;

use std::net::SocketAddr;

use crate::losses::Losses;
use crate::output::Object;
use crate::yaml::{YamlError, documents};
use crate::{Import, Source};

use listeners::Listeners;
use resources::Resources;
use routes::Routes;
use upstreams::Upstreams;
use virtual_service::VirtualService;

/// What the files do not say.
#[derive(Debug, Clone)]
pub struct Options {
    /// Address of the listener for routes of the mesh, and of gateways that no file has.
    pub listen: SocketAddr,
    /// What a prefix of a path becomes.
    pub prefixes: Prefixes,
    /// Endpoints by host, in place of those of the files: `("reviews", ["10.0.0.1:9080"])`.
    pub endpoints: Vec<(String, Vec<String>)>,
}

/// What Istio's `prefix` becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefixes {
    /// An expression that matches the same: `/a` matches `/ab`.
    Characters,
    /// A `path_prefix`: `/a` matches `/a` and `/a/b`, not `/ab`.
    Segments,
}

/// Turns resources of Istio into a gateway.json.
///
/// # Errors
/// Files that are not YAML, or too large.
pub fn istio(sources: &[Source], options: &Options) -> Result<Import, Vec<YamlError>> {
    let losses = Losses::default();
    let mut resources = Resources::default();
    let mut errors = Vec::new();
    for (index, source) in sources.iter().enumerate() {
        match documents(&source.name, &source.text) {
            Ok(documents) => documents
                .iter()
                .for_each(|document| resources.add(document, &source.name, index, &losses)),
            Err(error) => errors.push(error),
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let gateway = gateway(&resources, options, &losses).to_text();
    Ok(Import {
        resources: resources.count(),
        gateway,
        losses: losses.into_sorted(),
    })
}

fn gateway(resources: &Resources, options: &Options, losses: &Losses) -> Object {
    let mut listeners = Listeners::new(&resources.gateways, options, losses);
    let mut upstreams = Upstreams::new(
        &resources.service_entries,
        &resources.destination_rules,
        &options.endpoints,
        losses,
    );
    let mut routes = Routes::new(options, losses);
    routes.add_https_redirects(&listeners);
    for service in &resources.virtual_services {
        let places = listeners.of(service);
        routes.add(service, &places, &mut upstreams);
        connect(service, &mut listeners, &mut upstreams, losses);
    }
    for gateway in resources.gateways.iter().filter(|gateway| gateway.servers.is_empty()) {
        losses.lost(&gateway.spot, "", "the gateway has no server that can be kept", "");
    }
    let has_plugins = routes.has_plugins;
    let routes = routes.finish(&listeners);
    let mut out = Object::new();
    if has_plugins {
        out.set("plugin_dir", "plugins");
    }
    out.set("listeners", listeners.finish());
    out.set_filled("upstreams", upstreams.finish());
    out.set("routes", routes);
    out
}

/// Connects servers for TCP to the destinations of their routes.
fn connect(service: &VirtualService, listeners: &mut Listeners<'_>, upstreams: &mut Upstreams<'_>, losses: &Losses) {
    let namespace = service.identity.namespace.as_deref();
    for route in &service.tcp {
        let Some(first) = route.destinations.first() else {
            continue;
        };
        let servers = listeners.tcp_of(service, &route.ports);
        if servers.is_empty() {
            losses.lost(
                &route.spot,
                "",
                "no server for TCP has this port: the route is left out",
                "a Gateway with this port",
            );
            continue;
        }
        if route.destinations.len() > 1 {
            let why = "a listener for TCP has one upstream: the first destination";
            losses.lost(
                &route.spot,
                "",
                why,
                "list the endpoints of all of them in one upstream, with weights",
            );
        }
        let Some(upstream) = upstreams.name(&first.destination, namespace, &Object::new()) else {
            continue;
        };
        for index in servers {
            let tcp = &mut listeners.list[index].tcp;
            if tcp.is_some() {
                losses.lost(&route.spot, "", "an earlier route has this listener", "");
            }
            tcp.get_or_insert(upstream.clone());
        }
    }
}

#[cfg(test)]
mod tests;
