//! From documents to resources: finds the four kinds, unpacks lists, and reports everything else.

use super::destination_rule::{self, DestinationRule};
use super::gateway::{self, Gateway};
use super::service_entry::{self, ServiceEntry};
use super::virtual_service::{self, VirtualService};
use crate::fields::{Field, Resource};
use crate::losses::Losses;
use crate::yaml::{Node, Value};

/// Versions of the API, which have the same fields.
const VERSIONS: [&str; 3] = ["v1", "v1beta1", "v1alpha3"];
const GROUP: &str = "networking.istio.io";

/// Name and namespace of a resource.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub(super) name: String,
    pub(super) namespace: Option<String>,
}

/// All resources, in the order of the files.
#[derive(Debug, Default)]
pub(super) struct Resources {
    pub(super) virtual_services: Vec<VirtualService>,
    pub(super) destination_rules: Vec<DestinationRule>,
    pub(super) service_entries: Vec<ServiceEntry>,
    pub(super) gateways: Vec<Gateway>,
}

/// A document's place.
#[derive(Clone, Copy)]
struct Origin<'a> {
    file: &'a str,
    file_index: usize,
    losses: &'a Losses,
}

impl Resources {
    /// Number of resources.
    pub(super) fn count(&self) -> usize {
        self.virtual_services.len() + self.destination_rules.len() + self.service_entries.len() + self.gateways.len()
    }

    /// Adds the resources of a document.
    pub(super) fn add(&mut self, document: &Node, file: &str, file_index: usize, losses: &Losses) {
        let origin = Origin {
            file,
            file_index,
            losses,
        };
        let kind = document.member("kind").and_then(Node::text).unwrap_or_default();
        match document.member("items").map(|items| &items.value) {
            // What `kubectl get -o yaml` prints.
            Some(Value::Sequence(items)) if kind.ends_with("List") => {
                items.iter().for_each(|item| self.add_one(item, origin));
            }
            _ => self.add_one(document, origin),
        }
    }

    fn add_one(&mut self, document: &Node, origin: Origin<'_>) {
        let text = |node: &Node, name: &str| node.member(name).and_then(Node::text).unwrap_or_default().to_owned();
        let kind = text(document, "kind");
        let metadata = document.member("metadata");
        let name = metadata.map(|metadata| text(metadata, "name")).unwrap_or_default();
        let namespace = metadata.map(|metadata| text(metadata, "namespace"));
        let title = match (kind.is_empty(), name.is_empty()) {
            (true, _) => "document".to_owned(),
            (false, true) => kind.clone(),
            (false, false) => format!("{kind} {name}"),
        };
        let resource = Resource {
            file: origin.file,
            file_index: origin.file_index,
            title,
            losses: origin.losses,
        };
        let whole = Field::of(&resource, document, "");
        let api = text(document, "apiVersion");
        let (group, version) = api.split_once('/').unwrap_or(("", &api));
        let is_known = matches!(
            kind.as_str(),
            "VirtualService" | "DestinationRule" | "ServiceEntry" | "Gateway"
        );
        if !is_known || group != GROUP {
            let why =
                "only VirtualService, DestinationRule, ServiceEntry and Gateway of networking.istio.io are imported";
            return whole.lost(why, "");
        }
        if !VERSIONS.contains(&version) {
            return whole.lost(&format!("the importer knows the versions {}", VERSIONS.join(", ")), "");
        }
        let Some(spec) = document.member("spec") else {
            return whole.lost("it has no spec", "");
        };
        let spec = Field::of(&resource, spec, "spec");
        let identity = Identity {
            name,
            namespace: namespace.filter(|namespace| !namespace.is_empty()),
        };
        self.read(&kind, &spec, identity);
    }

    fn read(&mut self, kind: &str, spec: &Field<'_>, identity: Identity) {
        let Some(spec) = spec.section() else { return };
        match kind {
            "VirtualService" => self.virtual_services.push(virtual_service::read(&spec, identity)),
            "DestinationRule" => self.destination_rules.extend(destination_rule::read(&spec, &identity)),
            "ServiceEntry" => self.service_entries.extend(service_entry::read(&spec, &identity)),
            _ => self.gateways.push(gateway::read(&spec, identity)),
        }
    }
}
