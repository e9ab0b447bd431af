//! Routes: each alternative of a virtual service's routes becomes one, for the hosts and listeners that it has.

mod draft;
mod order;
mod paths;

use std::collections::HashSet;

use super::hosts::covers;
use super::listeners::{Attachment, Listeners};
use super::names;
use super::upstreams::Upstreams;
use super::virtual_service::{Action, Destination, HttpMatch, HttpRoute, RouteSettings, VirtualService, Weighted};
use super::{Options, hosts};
use crate::losses::{Losses, Spot};
use crate::output::{Json, Object};

use draft::{Draft, HostClass};

/// Maximum weight in a split.
const MAX_WEIGHT: u64 = 1_000_000;
/// Maximum number of routes: each is compared with each.
const MAX_ROUTES: usize = 10_000;
/// Maximum number of mirrors of a route.
const MAX_MIRRORS: usize = 4;

/// The routes so far.
pub(super) struct Routes<'a> {
    options: &'a Options,
    losses: &'a Losses,
    drafts: Vec<Draft>,
    used: HashSet<String>,
    /// Whether a route uses the plugin `headers`.
    pub(super) has_plugins: bool,
}

/// What is built of a route, before the conditions.
struct Built {
    members: Object,
    change: Option<(super::virtual_service::Change, Spot)>,
}

impl<'a> Routes<'a> {
    pub(super) fn new(options: &'a Options, losses: &'a Losses) -> Self {
        Self {
            options,
            losses,
            drafts: Vec::new(),
            used: HashSet::new(),
            has_plugins: false,
        }
    }

    /// Redirects of servers whose hosts are for HTTPS alone.
    pub(super) fn add_https_redirects(&mut self, listeners: &Listeners<'_>) {
        for (index, listener) in listeners.list.iter().enumerate() {
            for (_, server) in listener.servers.iter().filter(|(_, server)| server.redirects_to_https) {
                let redirect = Object::new().with("status", 301).with("scheme", "https");
                let members = Object::new().with("redirect", redirect);
                for (class, hosts) in draft::by_class(&self.usable(&server.hosts, &server.spot)) {
                    let name = names::unused(&format!("{}-to-https", listener.name), 100, &mut self.used);
                    self.drafts
                        .push(Draft::new(name, class, hosts, vec![index], members.clone()));
                }
            }
        }
    }

    /// The routes of a virtual service at its places.
    pub(super) fn add(&mut self, service: &VirtualService, places: &[Attachment], upstreams: &mut Upstreams<'_>) {
        if service.http.is_empty() || places.is_empty() {
            return;
        }
        let namespace = service.identity.namespace.as_deref();
        let count = service.http.len();
        for (index, route) in service.http.iter().enumerate() {
            let Some(built) = self.build(route, namespace, upstreams) else {
                continue;
            };
            let title = match (&route.name, count) {
                (Some(name), _) => name.clone(),
                (None, 1) => service.identity.name.clone(),
                (None, _) => format!("{}-{}", service.identity.name, index + 1),
            };
            for matches in &route.matches {
                self.add_alternative(&title, matches, places, &built, service);
            }
        }
    }

    fn add_alternative(
        &mut self,
        title: &str,
        matches: &HttpMatch,
        places: &[Attachment],
        built: &Built,
        service: &VirtualService,
    ) {
        let spot = matches.spot.as_ref().unwrap_or(&service.spot);
        let is_at = |place: &&Attachment| matches.gateways.is_empty() || matches.gateways.contains(&place.gateway);
        let mut groups: Vec<(Vec<String>, Vec<usize>)> = Vec::new();
        for place in places.iter().filter(is_at) {
            let mut hosts = place.hosts.clone();
            if let Some(authority) = &matches.authority {
                hosts = hosts
                    .iter()
                    .filter_map(|host| hosts::intersection(host, authority))
                    .collect();
            }
            match groups.iter_mut().find(|(known, _)| *known == hosts) {
                Some((_, listeners)) if listeners.contains(&place.listener) => {}
                Some((_, listeners)) => listeners.push(place.listener),
                None if hosts.is_empty() => {}
                None => groups.push((hosts, vec![place.listener])),
            }
        }
        if groups.is_empty() {
            let why =
                "no gateway and host of the VirtualService fulfils this: this alternative of the route is left out";
            self.losses.lost(spot, "", why, "");
        }
        for (hosts, listeners) in groups {
            for (class, hosts) in draft::by_class(&self.usable(&hosts, &service.spot)) {
                if self.drafts.len() >= MAX_ROUTES {
                    let why = format!("there are more than {MAX_ROUTES} routes");
                    self.losses
                        .lost(&service.spot, "", &why, "import fewer files at a time");
                    return;
                }
                let name = names::unused(title, 100, &mut self.used);
                let mut draft = Draft::new(name, class, hosts, listeners.clone(), built.members.clone());
                draft.set_conditions(matches, self.options.prefixes);
                draft.port = matches.port;
                if let Some((change, spot)) = &built.change {
                    paths::rewrite(change, matches.uri.as_ref(), &mut draft, spot, self.losses);
                }
                draft.spot = Some(spot.clone());
                self.drafts.push(draft);
            }
        }
    }

    /// Hosts that a condition can have, each once. Others are reported.
    fn usable(&self, hosts: &[String], spot: &Spot) -> Vec<String> {
        let mut usable = Vec::new();
        for host in hosts {
            let host = host.strip_suffix('.').unwrap_or(host).to_owned();
            if host != "*" && !hosts::is_pattern(&host) {
                self.losses.lost(spot, &host, "no request has such a host", "");
            } else if !usable.contains(&host) {
                usable.push(host);
            }
        }
        usable
    }

    /// What a route does. None: it cannot be kept, which is reported.
    fn build(&mut self, route: &HttpRoute, namespace: Option<&str>, upstreams: &mut Upstreams<'_>) -> Option<Built> {
        let action = route.action.as_ref()?;
        let mut members = Object::new();
        let headers = self.headers(action, &route.settings);
        if !headers.is_empty() {
            self.has_plugins = true;
            let plugin = Object::new().with("module", "headers").with("config", headers);
            members.set("chain", vec![plugin]);
        }
        match action {
            Action::Redirect(setting) => members.set("redirect", setting.clone()),
            Action::Respond(setting) => members.set("respond", setting.clone()),
            Action::Forward(destinations) => {
                let settings = upstream_settings(&route.settings);
                self.forward(destinations, namespace, &settings, upstreams, &mut members)?;
            }
        }
        members.extend(&route.settings.settings);
        self.mirrors(&route.settings.mirrors, namespace, upstreams, &route.spot, &mut members);
        let change = route.settings.path.clone();
        Some(Built { members, change })
    }

    /// The configuration of the plugin `headers`: changes of the route, and those of its only destination.
    fn headers(&self, action: &Action, settings: &RouteSettings) -> Object {
        let mut headers = settings.headers.clone();
        let Action::Forward(destinations) = action else {
            return headers;
        };
        for weighted in destinations.iter().filter(|weighted| !weighted.headers.is_empty()) {
            if destinations.len() == 1 && headers.is_empty() {
                headers.extend(&weighted.headers);
            } else {
                let why = "a route changes headers for all of its destinations alike, and in one place";
                self.losses
                    .lost(&weighted.spot, "headers", why, "\"headers\" of the route");
            }
        }
        headers
    }

    fn forward(
        &self,
        destinations: &[Weighted],
        namespace: Option<&str>,
        settings: &Object,
        upstreams: &mut Upstreams<'_>,
        members: &mut Object,
    ) -> Option<()> {
        if let [only] = destinations {
            members.set("upstream", upstreams.name(&only.destination, namespace, settings)?);
            return Some(());
        }
        let mut shares: Vec<(String, u64)> = Vec::new();
        for weighted in destinations {
            let Some(name) = upstreams.name(&weighted.destination, namespace, settings) else {
                continue;
            };
            let weight = weighted.weight.unwrap_or(0).min(MAX_WEIGHT);
            match shares.iter_mut().find(|(known, _)| *known == name) {
                Some((_, known)) => *known += weight,
                None => shares.push((name, weight)),
            }
        }
        if let [(only, _)] = shares.as_slice() {
            members.set("upstream", only.as_str());
            return Some(());
        }
        if shares.iter().all(|(_, weight)| *weight == 0) {
            let spot = &destinations.first()?.spot;
            self.losses
                .changed(spot, "", "no destination has a weight: all have the same", "");
            shares.iter_mut().for_each(|(_, weight)| *weight = 1);
        }
        let branch =
            |(name, weight): &(String, u64)| Object::new().with("upstream", name.as_str()).with("weight", *weight);
        let split: Vec<Object> = shares.iter().map(branch).collect();
        if split.is_empty() {
            return None;
        }
        members.set("split", split);
        Some(())
    }

    fn mirrors(
        &self,
        mirrors: &[(Destination, Option<f64>)],
        namespace: Option<&str>,
        upstreams: &mut Upstreams<'_>,
        spot: &Spot,
        members: &mut Object,
    ) {
        let mut settings: Vec<Object> = Vec::new();
        for (destination, percent) in mirrors.iter().filter(|(_, percent)| *percent != Some(0.0)) {
            if settings.len() == MAX_MIRRORS {
                self.losses
                    .lost(spot, "mirrors", "a route has at most four mirrors", "");
                break;
            }
            let Some(name) = upstreams.name(destination, namespace, &Object::new()) else {
                continue;
            };
            let mut setting = Object::new().with("upstream", name);
            setting.set_some("percent", percent.filter(|percent| *percent < 100.0));
            // Istio marks the host of copies so.
            settings.push(setting.with("host_suffix", "-shadow"));
        }
        match settings.len() {
            0 => {}
            1 => members.set("mirror", settings.remove(0)),
            _ => members.set("mirror", settings),
        }
    }

    /// The setting `routes`, in Istio's order.
    pub(super) fn finish(mut self, listeners: &Listeners<'_>) -> Vec<Object> {
        self.apply_ports(listeners);
        self.drafts.sort_by_key(|draft| draft.class);
        self.add_ends();
        order::set_priorities(&mut self.drafts);
        let http = listeners
            .list
            .iter()
            .enumerate()
            .filter(|(_, listener)| !listener.is_tcp());
        let http: Vec<usize> = http.map(|(index, _)| index).collect();
        let write = |draft: Draft| draft.written(&http, &listeners.list);
        self.drafts.into_iter().map(write).collect()
    }

    /// Conditions on the port choose listeners.
    fn apply_ports(&mut self, listeners: &Listeners<'_>) {
        let losses = self.losses;
        self.drafts.retain_mut(|draft| {
            let Some(port) = draft.port else { return true };
            draft.listeners.retain(|index| listeners.list[*index].port == port);
            if let (true, Some(spot)) = (draft.listeners.is_empty(), &draft.spot) {
                let why = "no listener of the VirtualService has this port: this alternative of the route is left out";
                losses.lost(spot, &port.to_string(), why, "");
            }
            !draft.listeners.is_empty()
        });
    }

    /// In Istio a host with routes of its own never gets those of a wider pattern: what none of its own takes is a 404.
    fn add_ends(&mut self) {
        let mut ended: HashSet<(String, Vec<usize>)> = HashSet::new();
        let mut ends: Vec<Draft> = Vec::new();
        for draft in &self.drafts {
            for host in &draft.hosts {
                if !ended.insert((host.clone(), draft.listeners.clone())) {
                    continue;
                }
                let is_same = |other: &&Draft| other.hosts.contains(host) && other.listeners == draft.listeners;
                let has_end = self.drafts.iter().filter(is_same).any(|other| other.takes_all());
                let is_wider = |other: &&Draft| {
                    let hosts = other.hosts.iter().any(|wider| wider != host && covers(wider, host));
                    (other.hosts.is_empty() || hosts) && other.shares_listener(draft)
                };
                if !has_end && self.drafts.iter().any(|other| is_wider(&other)) {
                    let members = Object::new().with("respond", Object::new().with("status", 404));
                    let name = names::unused(&format!("{host}-end"), 100, &mut self.used);
                    ends.push(Draft::new(
                        name,
                        draft.class,
                        vec![host.clone()],
                        draft.listeners.clone(),
                        members,
                    ));
                }
            }
        }
        self.drafts.extend(ends);
        self.drafts.sort_by_key(|draft| draft.class);
    }
}

/// Settings of the upstream that a route asks for.
fn upstream_settings(settings: &RouteSettings) -> Object {
    let mut out = settings.upstream.clone();
    out.set_some("host", settings.authority.as_deref().map(Json::from));
    out
}

/// The class of a host pattern.
fn class_of(host: &str) -> HostClass {
    match host.strip_prefix('*') {
        None => HostClass::Exact,
        Some("") => HostClass::Any,
        Some(suffix) => HostClass::Wildcard(std::cmp::Reverse(suffix.len())),
    }
}
