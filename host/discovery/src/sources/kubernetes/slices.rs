//! EndpointSlices (discovery.k8s.io/v1), and the endpoints that they make together.

use std::collections::{BTreeMap, HashSet};

use lockgate_upstream::EndpointSettings;
use serde::Deserialize;
use serde_json::Value;

use crate::error::SourceError;
use crate::sources::address;

/// The slices of a service, by name.
#[derive(Debug, Default)]
pub(super) struct Slices(BTreeMap<String, Slice>);

/// A slice, as far as it is used.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Slice {
    metadata: Metadata,
    #[serde(default)]
    endpoints: Option<Vec<Value>>,
    #[serde(default)]
    ports: Option<Vec<Port>>,
}

#[derive(Clone, Debug, Deserialize)]
struct Metadata {
    name: String,
}

#[derive(Clone, Debug, Deserialize)]
struct Port {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    port: Option<u16>,
    #[serde(default)]
    protocol: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Endpoint {
    addresses: Vec<String>,
    #[serde(default)]
    conditions: Option<Conditions>,
    #[serde(default)]
    node_name: Option<String>,
    #[serde(default)]
    zone: Option<String>,
    #[serde(default)]
    target_ref: Option<TargetRef>,
}

#[derive(Default, Deserialize)]
struct Conditions {
    #[serde(default)]
    ready: Option<bool>,
    #[serde(default)]
    serving: Option<bool>,
    #[serde(default)]
    terminating: Option<bool>,
}

#[derive(Deserialize)]
struct TargetRef {
    #[serde(default)]
    name: Option<String>,
}

/// Whether an endpoint takes requests.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Readiness {
    Ready,
    /// It ends, and still answers: used only if no other is ready, as kube-proxy does.
    Ending,
    NotReady,
}

impl Slices {
    pub(super) fn set(&mut self, slice: Slice) {
        self.0.insert(slice.metadata.name.clone(), slice);
    }

    /// Removes a slice; whether there was one.
    pub(super) fn remove(&mut self, name: &str) -> bool {
        self.0.remove(name).is_some()
    }

    /// The endpoints that take requests, each once. An endpoint that cannot be read is left out.
    ///
    /// # Errors
    /// It is not clear which port is meant, or none is.
    pub(super) fn endpoints(&self, wanted: Option<&str>) -> Result<Vec<EndpointSettings>, SourceError> {
        let (mut ready, mut ending, mut known) = (Vec::new(), Vec::new(), HashSet::new());
        for slice in self.0.values() {
            let endpoints = slice.endpoints.iter().flatten();
            let mut endpoints = endpoints
                .filter_map(|value| Endpoint::deserialize(value).ok())
                .peekable();
            if endpoints.peek().is_none() {
                continue;
            }
            let port = slice.port(wanted)?;
            for endpoint in endpoints {
                // Several addresses of one endpoint are the same server.
                let Some(address) = endpoint.addresses.first().and_then(|host| address(host, port)) else {
                    continue;
                };
                let list = match endpoint.readiness() {
                    Readiness::Ready => &mut ready,
                    Readiness::Ending => &mut ending,
                    Readiness::NotReady => continue,
                };
                if known.insert((address.clone(), endpoint.readiness() == Readiness::Ready)) {
                    list.push(EndpointSettings {
                        labels: endpoint.labels(),
                        ..EndpointSettings::at(address)
                    });
                }
            }
        }
        Ok(if ready.is_empty() { ending } else { ready })
    }
}

impl Slice {
    fn port(&self, wanted: Option<&str>) -> Result<u16, SourceError> {
        let is_tcp = |port: &&Port| port.protocol.as_deref().unwrap_or("TCP") == "TCP";
        let ports: Vec<(&str, u16)> = self
            .ports
            .iter()
            .flatten()
            .filter(is_tcp)
            .filter_map(|port| Some((port.name.as_deref().unwrap_or_default(), port.port?)))
            .collect();
        let found = match wanted {
            None if ports.len() == 1 => Some(ports[0].1),
            None => None,
            Some(wanted) => {
                let is_wanted = |(name, port): &&(&str, u16)| *name == wanted || wanted.parse() == Ok(*port);
                ports.iter().find(is_wanted).map(|(_, port)| *port)
            }
        };
        found.ok_or_else(|| {
            let shown: Vec<String> = ports
                .iter()
                .map(|(name, port)| format!("{name} {port}").trim().to_owned())
                .collect();
            let reason = if wanted.is_some() {
                "no such port"
            } else {
                "\"port\" has to name one"
            };
            SourceError::Malformed(format!("{reason}: the service has {}", shown.join(", ")))
        })
    }
}

impl Endpoint {
    /// What is not said counts as ready (API documentation of EndpointConditions).
    fn readiness(&self) -> Readiness {
        let nothing = Conditions::default();
        let conditions = self.conditions.as_ref().unwrap_or(&nothing);
        match (conditions.ready, conditions.serving, conditions.terminating) {
            (None | Some(true), _, _) => Readiness::Ready,
            (_, Some(true), Some(true)) => Readiness::Ending,
            _ => Readiness::NotReady,
        }
    }

    fn labels(&self) -> BTreeMap<String, String> {
        let pod = self.target_ref.as_ref().and_then(|target| target.name.clone());
        let labels = [
            ("zone", self.zone.clone()),
            ("node", self.node_name.clone()),
            ("pod", pod),
        ];
        let known = labels.into_iter();
        known
            .filter_map(|(name, value)| Some((name.to_owned(), value?)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn slices(all: Vec<Value>) -> Slices {
        let mut slices = Slices::default();
        for slice in all {
            slices.set(serde_json::from_value(slice).unwrap());
        }
        slices
    }

    fn addresses(slices: &Slices, port: Option<&str>) -> Vec<String> {
        let endpoints = slices.endpoints(port).unwrap();
        endpoints.iter().map(|endpoint| endpoint.address.to_string()).collect()
    }

    #[test]
    fn ready_endpoints_of_all_slices_are_used_once_with_their_labels() {
        let mut slices = slices(vec![
            json!({ "metadata": { "name": "a" }, "addressType": "IPv4", "ports": [{ "name": "http", "port": 8080, "protocol": "TCP" }],
                "endpoints": [
                    { "addresses": ["10.0.0.1", "10.0.0.9"], "conditions": { "ready": true }, "zone": "z1", "nodeName": "n1", "targetRef": { "name": "p1" } },
                    { "addresses": ["10.0.0.2"], "conditions": { "ready": false } },
                    { "addresses": ["10.0.0.3"] },
                    { "addresses": 7 },
                    { "addresses": ["10.0.0.4"], "conditions": { "ready": false, "serving": true, "terminating": true } }
                ] }),
            json!({ "metadata": { "name": "b" }, "ports": [{ "name": "http", "port": 8081 }],
                "endpoints": [{ "addresses": ["::5"] }, { "addresses": ["10.0.0.1"] }] }),
            json!({ "metadata": { "name": "c" }, "ports": null, "endpoints": null }),
        ]);
        assert_eq!(
            addresses(&slices, None),
            ["10.0.0.1:8080", "10.0.0.3:8080", "[::5]:8081", "10.0.0.1:8081"]
        );
        let first = &slices.endpoints(None).unwrap()[0];
        assert_eq!(
            (&*first.labels["zone"], &*first.labels["node"], &*first.labels["pod"]),
            ("z1", "n1", "p1")
        );
        assert!(slices.remove("a") && slices.remove("b") && !slices.remove("b"));
        assert_eq!(addresses(&slices, None), Vec::<String>::new());
    }

    #[test]
    fn when_none_is_ready_those_that_end_still_serve() {
        let ending = json!({ "ready": false, "serving": true, "terminating": true });
        let slices = slices(vec![json!({ "metadata": { "name": "a" }, "ports": [{ "port": 80 }],
            "endpoints": [{ "addresses": ["10.0.0.1"], "conditions": ending }, { "addresses": ["10.0.0.2"], "conditions": { "ready": false } }] })]);
        assert_eq!(addresses(&slices, None), ["10.0.0.1:80"]);
    }

    #[test]
    fn a_port_is_chosen_by_name_or_number_and_has_to_be_clear() {
        let slices = slices(vec![json!({ "metadata": { "name": "a" },
            "ports": [{ "name": "http", "port": 80 }, { "name": "admin", "port": 81 }, { "name": "dns", "port": 53, "protocol": "UDP" }],
            "endpoints": [{ "addresses": ["10.0.0.1"] }] })]);
        assert_eq!(addresses(&slices, Some("admin")), ["10.0.0.1:81"]);
        assert_eq!(addresses(&slices, Some("80")), ["10.0.0.1:80"]);
        let unclear = slices.endpoints(None).unwrap_err().to_string();
        assert_eq!(unclear, "\"port\" has to name one: the service has http 80, admin 81");
        assert!(slices.endpoints(Some("dns")).is_err());
    }
}
