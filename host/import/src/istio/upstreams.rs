//! Upstreams: a destination of a route becomes one, with the endpoints of its ServiceEntry and the policy of its DestinationRule.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::destination_rule::{DestinationRule, Subset};
use super::hosts;
use super::service_entry::{Endpoint, Port, ServiceEntry};
use super::traffic_policy;
use super::virtual_service::Destination;
use crate::losses::{Losses, Spot};
use crate::output::{Json, Object};

/// Maximum weight of an endpoint in gateway.json.
const MAX_WEIGHT: u64 = 1000;

/// The upstreams so far, and what they are made of.
pub(super) struct Upstreams<'a> {
    entries: &'a [ServiceEntry],
    rules: &'a [DestinationRule],
    /// Endpoints that the caller gave, by canonical host.
    given: HashMap<String, Vec<String>>,
    losses: &'a Losses,
    /// Names by what they stand for.
    names: HashMap<Key, String>,
    used: HashSet<String>,
    out: Object,
    /// Hosts that were asked for.
    pub(super) hosts: HashSet<String>,
    subsets: HashSet<(String, String)>,
}

/// What an upstream stands for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    host: String,
    port: u16,
    subset: Option<String>,
    /// Further settings, as text.
    settings: String,
}

impl<'a> Upstreams<'a> {
    pub(super) fn new(
        entries: &'a [ServiceEntry],
        rules: &'a [DestinationRule],
        given: &[(String, Vec<String>)],
        losses: &'a Losses,
    ) -> Self {
        let given = given
            .iter()
            .map(|(host, list)| (hosts::canonical(host, None), list.clone()));
        Self {
            entries,
            rules,
            given: given.collect(),
            losses,
            names: HashMap::new(),
            used: HashSet::new(),
            out: Object::new(),
            hosts: HashSet::new(),
            subsets: HashSet::new(),
        }
    }

    /// The setting `upstreams`. Reports rules, subsets and services that no route uses.
    pub(super) fn finish(self) -> Object {
        let why = "no route goes there, so there is no upstream for it";
        for rule in self.rules {
            if !self.hosts.iter().any(|host| hosts::covers(&rule.host, host)) {
                self.losses.lost(&rule.spot, &rule.host, why, "");
            }
            let unused = |subset: &&Subset| {
                let mut subsets = self.subsets.iter();
                !subsets.any(|(host, name)| hosts::covers(&rule.host, host) && *name == subset.name)
            };
            for subset in rule.subsets.iter().filter(unused) {
                let why = "no route goes to this subset, so there is no upstream for it";
                self.losses.lost(&subset.spot, &subset.name, why, "");
            }
        }
        for entry in self.entries {
            let is_used = |pattern: &String| self.hosts.iter().any(|host| hosts::covers(pattern, host));
            if !entry.hosts.iter().any(is_used) {
                self.losses.lost(&entry.spot, &entry.hosts.join(", "), why, "");
            }
        }
        self.out
    }

    /// The name of the upstream for a destination, with `settings` beside those of its rule. None: it cannot be one, which is reported.
    pub(super) fn name(
        &mut self,
        destination: &Destination,
        namespace: Option<&str>,
        settings: &Object,
    ) -> Option<String> {
        let host = hosts::canonical(&destination.host, namespace);
        let entry = self.entry(&host);
        let port = destination
            .port
            .or_else(|| Some(entry?.ports.first()?.number))
            .unwrap_or(80);
        let key = Key {
            host: host.clone(),
            port,
            subset: destination.subset.clone(),
            settings: settings.to_text(),
        };
        if let Some(name) = self.names.get(&key) {
            return Some(name.clone());
        }
        let is_known = entry.is_some() || self.given.contains_key(&host);
        let short = hosts::dns_name(&destination.host, namespace);
        let endpoints = self.endpoints(destination, &host, &short, port)?;
        let mut upstream = Object::new().with("endpoints", endpoints);
        let service_port = entry.and_then(|entry| entry.ports.iter().find(|known| known.number == port));
        if service_port.is_some_and(|port| matches!(port.protocol.as_str(), "HTTP2" | "GRPC")) {
            upstream.set("protocol", "http2");
        }
        upstream.extend(&self.policy(&key, destination));
        upstream.extend(settings);
        super::absent::remove(&mut upstream, &destination.spot, self.losses);
        if !is_known {
            self.tell_assumed(destination, &short, port);
        }
        let name = self.unused_name(&key);
        self.hosts.insert(host.clone());
        self.subsets
            .extend(destination.subset.clone().map(|subset| (host, subset)));
        self.out.set(name.clone(), upstream);
        self.names.insert(key, name.clone());
        Some(name)
    }

    /// The entry for a host: of its own name before a pattern.
    fn entry(&self, host: &str) -> Option<&'a ServiceEntry> {
        let exact = self
            .entries
            .iter()
            .find(|entry| entry.hosts.iter().any(|known| known == host));
        let covers = |entry: &&ServiceEntry| entry.hosts.iter().any(|pattern| hosts::covers(pattern, host));
        exact.or_else(|| self.entries.iter().find(covers))
    }

    /// Rules for a host, the most specific pattern first.
    fn rules(&self, host: &str) -> Vec<&'a DestinationRule> {
        let mut rules: Vec<_> = self
            .rules
            .iter()
            .filter(|rule| hosts::covers(&rule.host, host))
            .collect();
        rules.sort_by_key(|rule| (rule.host.starts_with('*'), std::cmp::Reverse(rule.host.len())));
        rules
    }

    fn subset(&self, host: &str, name: &str) -> Option<&'a Subset> {
        let mut subsets = self.rules(host).into_iter().flat_map(|rule| &rule.subsets);
        subsets.find(|subset| subset.name == name)
    }

    /// Settings by the rule of the host, and by its subset.
    fn policy(&self, key: &Key, destination: &Destination) -> Object {
        let rules = self.rules(&key.host);
        let rule = rules.first();
        for other in rules
            .iter()
            .skip(1)
            .filter(|other| rule.is_some_and(|rule| rule.host == other.host))
        {
            let why = "another rule for this host stands before it; of this one, only the subsets count";
            self.losses
                .lost(&other.spot, &other.host, why, "write one rule for the host");
        }
        let subset = key.subset.as_deref();
        let found = subset.and_then(|name| self.subset(&key.host, name));
        if let (Some(name), None) = (subset, found) {
            let why = "no DestinationRule has this subset: the upstream has all endpoints";
            self.losses.lost(&destination.spot, name, why, "");
        }
        traffic_policy::settings(
            rule.map(|rule| &rule.policy),
            found.map(|subset| &subset.policy),
            key.port,
        )
    }

    /// The setting `endpoints`. None: there can be none, which is reported.
    fn endpoints(&self, destination: &Destination, host: &str, short: &str, port: u16) -> Option<Json> {
        if let Some(addresses) = self.given.get(host) {
            return Some(addresses.clone().into());
        }
        let entry = self.entry(host);
        let listed = entry.map(|entry| entry.endpoints.as_slice()).unwrap_or_default();
        let service_port = entry.and_then(|entry| entry.ports.iter().find(|known| known.number == port));
        let labels = destination.subset.as_deref().and_then(|name| self.subset(host, name));
        let labels = labels.map(|subset| (&subset.labels, &subset.spot));
        if listed.is_empty() {
            let target = service_port.and_then(|port| port.target).unwrap_or(port);
            let Some(address) = hosts::address(short, target) else {
                let why = "such a host is no endpoint, and no ServiceEntry lists endpoints: the route is left out";
                self.losses.lost(&destination.spot, &destination.host, why, "");
                return None;
            };
            if let Some((labels, spot)) = labels.filter(|(labels, _)| !labels.is_empty()) {
                self.tell_unselected(spot, labels, "the endpoints are found by name, which has no labels");
            }
            return Some(vec![address].into());
        }
        let has = |endpoint: &&Endpoint| {
            labels.is_none_or(|(labels, _)| {
                labels
                    .iter()
                    .all(|(name, value)| endpoint.labels.get(name) == Some(value))
            })
        };
        let mut chosen: Vec<&Endpoint> = listed.iter().filter(has).collect();
        if let (true, Some((labels, spot))) = (chosen.is_empty(), labels) {
            self.tell_unselected(spot, labels, "no endpoint of the ServiceEntry has them");
            chosen = listed.iter().collect();
        }
        let written = chosen
            .into_iter()
            .filter_map(|endpoint| self.endpoint(endpoint, service_port, port, entry?));
        Some(written.collect::<Vec<_>>().into())
    }

    fn endpoint(
        &self,
        endpoint: &Endpoint,
        service_port: Option<&Port>,
        port: u16,
        entry: &ServiceEntry,
    ) -> Option<Json> {
        let own = service_port.and_then(|port| endpoint.ports.get(&port.name).copied());
        let target = own.or(service_port.and_then(|port| port.target)).unwrap_or(port);
        let address = hosts::address(&endpoint.address, target)?;
        let weight = endpoint.weight.map(|weight| weight.min(MAX_WEIGHT));
        if endpoint.weight > weight {
            let why = "a weight is at most 1000";
            self.losses.changed(&entry.spot, &endpoint.address, why, "");
        }
        let weight = weight.filter(|weight| *weight > 0);
        if weight.is_none() && endpoint.labels.is_empty() {
            return Some(address.into());
        }
        let mut long = Object::new().with("address", address);
        long.set_some("weight", weight);
        let mut labels = Object::new();
        for (name, value) in &endpoint.labels {
            labels.set(name.clone(), value.as_str());
        }
        long.set_filled("labels", labels);
        Some(long.into())
    }

    fn tell_unselected(&self, spot: &Spot, labels: &BTreeMap<String, String>, reason: &str) {
        let text: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let why = format!("endpoints are not chosen by these labels, because {reason}: the upstream has all of them");
        self.losses.lost(
            spot,
            &text.join(","),
            &why,
            "list the subset's endpoints in its upstream",
        );
    }

    fn tell_assumed(&self, destination: &Destination, host: &str, port: u16) {
        let why = match destination.port {
            Some(_) => format!("no ServiceEntry describes this host: its endpoint is {host}:{port}, by name"),
            None => format!(
                "no ServiceEntry describes this host, and no port is named: its endpoint is {host}:{port}, by name"
            ),
        };
        let instead = format!("--endpoint {}=ADDRESS:PORT names its endpoints", destination.host);
        self.losses
            .changed(&destination.spot, &destination.host, &why, &instead);
    }

    /// A name that says what the upstream stands for, in the characters that names may have.
    fn unused_name(&mut self, key: &Key) -> String {
        let host = key.host.strip_suffix(".svc.cluster.local").unwrap_or(&key.host);
        let host = host.strip_suffix(".default").unwrap_or(host);
        let mut name = host.to_owned();
        let has_other_port = self
            .names
            .keys()
            .any(|other| other.host == key.host && other.port != key.port);
        if has_other_port {
            name.push_str(&format!("-{}", key.port));
        }
        if let Some(subset) = &key.subset {
            name.push_str(&format!("-{subset}"));
        }
        super::names::unused(&name, 64, &mut self.used)
    }
}
