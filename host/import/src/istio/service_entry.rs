//! ServiceEntry: hosts with their ports and endpoints.

use std::collections::BTreeMap;

use super::hosts;
use super::resources::Identity;
use crate::fields::{Field, Section};
use crate::losses::Spot;

/// A service that the files describe.
#[derive(Debug, Clone)]
pub(super) struct ServiceEntry {
    pub(super) hosts: Vec<String>,
    pub(super) ports: Vec<Port>,
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) spot: Spot,
}

/// A port of a service.
#[derive(Debug, Clone)]
pub(super) struct Port {
    pub(super) number: u16,
    pub(super) name: String,
    /// In upper case.
    pub(super) protocol: String,
    /// The endpoints' port, if it is another.
    pub(super) target: Option<u16>,
}

/// An endpoint of a service.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    /// IP address or name.
    pub(super) address: String,
    /// By the name of a service port.
    pub(super) ports: BTreeMap<String, u16>,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) weight: Option<u64>,
}

/// Reads one. None: nothing of it can be used.
pub(super) fn read(spec: &Section<'_>, identity: &Identity) -> Option<ServiceEntry> {
    // Where a service runs and to which virtual addresses it answers decides nothing at a gateway.
    spec.skip(&["location", "addresses"]);
    spec.lost(
        "exportTo",
        "the gateway has no namespaces: every route may use the service",
        "",
    );
    let why = "workloads are not selected by labels";
    spec.lost("workloadSelector", why, "list the endpoints, or use a discovery");
    let why = "names in the service's certificate are not compared with this list";
    spec.lost(
        "subjectAltNames",
        why,
        "\"tls\": { \"server_name\": … } of the upstream",
    );
    let names = spec.items("hosts");
    let hosts = names.iter().filter_map(Field::text);
    let hosts: Vec<String> = hosts
        .map(|host| hosts::canonical(host, identity.namespace.as_deref()))
        .collect();
    let ports = spec.sections("ports").iter().filter_map(port).collect();
    let resolution = spec.get("resolution");
    let endpoints: Vec<Endpoint> = spec.sections("endpoints").iter().filter_map(endpoint).collect();
    match resolution.as_ref().and_then(|field| Some((field, field.text()?))) {
        None => {}
        Some((_, "DNS" | "DNS_ROUND_ROBIN" | "DYNAMIC_DNS" | "STATIC")) => {}
        Some((field, "NONE")) => field.changed(
            "connections go to the host's name, not to an address that the client chose",
            "",
        ),
        Some((field, _)) => field.lost("an unknown kind of resolution", ""),
    }
    let spot = spec.field().spot();
    Some(ServiceEntry {
        hosts,
        ports,
        endpoints,
        spot,
    })
}

fn port(section: &Section<'_>) -> Option<Port> {
    Some(Port {
        number: section.get("number")?.port()?,
        name: section.text("name").unwrap_or_default().to_owned(),
        protocol: section.text("protocol").unwrap_or_default().to_ascii_uppercase(),
        target: section.get("targetPort").and_then(|field| field.port()),
    })
}

fn endpoint(section: &Section<'_>) -> Option<Endpoint> {
    section.skip(&["serviceAccount"]);
    let why = "endpoints are not chosen by where they are";
    section.lost("locality", why, "");
    section.lost("network", why, "");
    let field = section.get("address")?;
    let address = field.text()?;
    if hosts::address(address, 1).is_none() {
        section.skip_all();
        field.lost("an endpoint is an IP address or a name", "");
        return None;
    }
    let members = |name: &str| section.section(name).map(|section| section.all()).unwrap_or_default();
    let port = |(name, field): (&str, Field<'_>)| Some((name.to_owned(), field.port()?));
    let label = |(name, field): (&str, Field<'_>)| Some((name.to_owned(), field.text()?.to_owned()));
    Some(Endpoint {
        address: address.to_ascii_lowercase(),
        ports: members("ports").into_iter().filter_map(port).collect(),
        labels: members("labels").into_iter().filter_map(label).collect(),
        weight: section.get("weight").and_then(|field| field.number()),
    })
}
