//! Endpoints from Consul: the health API with blocking queries
//! (<https://developer.hashicorp.com/consul/api-docs/features/blocking>).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use http::HeaderName;
use lockgate_upstream::{ConsulDiscovery, EndpointSettings};
use serde::Deserialize;
use serde_json::Value;

use super::{address, read_token};
use crate::backoff::Backoff;
use crate::error::SourceError;
use crate::http_api::{ApiRequest, HttpClient, Server, encoded, query};
use crate::publisher::Publisher;
use crate::weights;

/// Time beyond the wait after which a query is given up. Consul adds up to a sixteenth of the wait.
const GRACE: Duration = Duration::from_secs(10);
/// Minimum time between two queries: a service that changes all the time is not asked all the time.
const MIN_INTERVAL: Duration = Duration::from_millis(250);
/// The same where the agent does not hold queries.
const UNHELD_INTERVAL: Duration = Duration::from_secs(1);

const TOKEN: HeaderName = HeaderName::from_static("x-consul-token");

pub(super) async fn run(settings: ConsulDiscovery, mut publisher: Publisher, client: HttpClient) {
    let mut backoff = Backoff::default();
    let mut index = 0;
    loop {
        let began = Instant::now();
        match ask(&settings, &client, index).await {
            Ok((next, entries)) => {
                let (list, skipped) = endpoints(&settings, entries);
                publisher.skipped(skipped, "an instance without a valid address and port");
                publisher.list(list).await;
                backoff.clear();
                let interval = if next == 0 { UNHELD_INTERVAL } else { MIN_INTERVAL };
                index = next_index(index, next);
                tokio::time::sleep(interval.saturating_sub(began.elapsed())).await;
            }
            Err(error) => {
                publisher.failed(&error);
                // What was missed meanwhile is not known: the next query is answered at once.
                index = 0;
                tokio::time::sleep(backoff.next()).await;
            }
        }
    }
}

/// The index of the next query. One that goes back starts anew: the agent has lost its state, and would hold the query for ever.
fn next_index(last: u64, next: u64) -> u64 {
    if next < last { 0 } else { next }
}

async fn ask(settings: &ConsulDiscovery, client: &HttpClient, index: u64) -> Result<(u64, Vec<Value>), SourceError> {
    let server = Server::new(&settings.url)?;
    let mut pairs = vec![("wait", format!("{}ms", settings.wait.duration().as_millis()))];
    if index > 0 {
        pairs.push(("index", index.to_string()));
    }
    if !settings.warning {
        pairs.push(("passing", "true".to_owned()));
    }
    pairs.extend(settings.datacenter.iter().map(|datacenter| ("dc", datacenter.clone())));
    pairs.extend(settings.namespace.iter().map(|namespace| ("ns", namespace.clone())));
    pairs.extend(settings.tags.iter().map(|tag| ("tag", tag.clone())));
    let target = format!("/v1/health/service/{}?{}", encoded(&settings.service), query(pairs));
    let mut request = ApiRequest::get(target);
    let token = match &settings.token_file {
        Some(file) => Some(read_token(file).await?),
        None => settings.token.clone(),
    };
    if let Some(token) = token {
        request = request.with(TOKEN, &token);
    }
    let answer = client.send(&server, &request, settings.wait.duration() + GRACE).await?;
    let index = answer
        .headers
        .get("x-consul-index")
        .and_then(|index| index.to_str().ok()?.parse().ok());
    Ok((index.unwrap_or(0), answer.json().await?))
}

/// An instance, as far as it is used.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    node: Node,
    service: Service,
    #[serde(default)]
    checks: Option<Vec<Check>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Node {
    #[serde(default)]
    node: String,
    #[serde(default)]
    address: String,
    #[serde(default)]
    datacenter: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Service {
    #[serde(default)]
    address: String,
    port: u16,
    #[serde(default)]
    tags: Option<Vec<String>>,
    #[serde(default)]
    meta: Option<BTreeMap<String, String>>,
    #[serde(default)]
    weights: Option<Weights>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Weights {
    passing: f64,
    warning: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Check {
    #[serde(default)]
    status: String,
}

/// The endpoints that take requests, and the number of instances that cannot be read.
fn endpoints(settings: &ConsulDiscovery, entries: Vec<Value>) -> (Vec<EndpointSettings>, usize) {
    let (mut list, mut weights, mut skipped) = (Vec::new(), Vec::new(), 0);
    for entry in entries {
        // One broken instance does not hide the others.
        let Ok(entry) = serde_json::from_value::<Entry>(entry) else {
            skipped += 1;
            continue;
        };
        let has = |status: &str| entry.checks.iter().flatten().any(|check| check.status == status);
        if has("critical") || has("maintenance") || has("warning") && !settings.warning {
            continue;
        }
        let host = match entry.service.address.as_str() {
            "" => &entry.node.address,
            host => host,
        };
        let Some(address) = address(host, entry.service.port) else {
            skipped += 1;
            continue;
        };
        weights.push(
            entry
                .service
                .weights
                .as_ref()
                .map_or(1.0, |weights| match has("warning") {
                    true => weights.warning,
                    false => weights.passing,
                }),
        );
        list.push(EndpointSettings {
            labels: labels(&entry),
            ..EndpointSettings::at(address)
        });
    }
    for (endpoint, weight) in list.iter_mut().zip(weights::scaled(&weights)) {
        endpoint.weight = weight;
    }
    (list, skipped)
}

/// The metadata of the service, and where it runs.
fn labels(entry: &Entry) -> BTreeMap<String, String> {
    let mut labels = entry.service.meta.clone().unwrap_or_default();
    let datacenter = entry.node.datacenter.clone().unwrap_or_default();
    let tags = entry.service.tags.clone().unwrap_or_default().join(",");
    let more = [
        ("node", entry.node.node.clone()),
        ("datacenter", datacenter),
        ("tags", tags),
    ];
    for (name, value) in more.into_iter().filter(|(_, value)| !value.is_empty()) {
        labels.entry(name.to_owned()).or_insert(value);
    }
    labels
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn settings(more: &str) -> ConsulDiscovery {
        serde_json::from_str(&format!(r#"{{ "service": "orders"{more} }}"#)).unwrap()
    }

    fn entries() -> Vec<Value> {
        vec![
            json!({ "Node": { "Node": "n1", "Address": "10.0.0.1", "Datacenter": "dc1" },
                "Service": { "ID": "a", "Address": "", "Port": 80, "Tags": ["v1", "x"], "Meta": { "version": "1" },
                    "Weights": { "Passing": 10, "Warning": 1 } },
                "Checks": [{ "Status": "passing" }] }),
            json!({ "Node": { "Address": "10.0.0.2" }, "Service": { "Address": "::2", "Port": 81, "Tags": null, "Meta": null,
                    "Weights": { "Passing": 10, "Warning": 2 } },
                "Checks": [{ "Status": "warning" }] }),
            json!({ "Node": { "Address": "10.0.0.3" }, "Service": { "Port": 82 }, "Checks": [{ "Status": "critical" }] }),
            json!({ "Node": { "Address": "10.0.0.4" }, "Service": { "Port": 0 } }),
            json!({ "Node": 7 }),
            json!({ "Node": { "Address": "not a host" }, "Service": { "Port": 80 } }),
            json!({ "Node": { "Address": "10.0.0.5" }, "Service": { "Port": 70000 } }),
        ]
    }

    #[test]
    fn healthy_instances_are_endpoints_and_broken_ones_hide_no_others() {
        let (list, skipped) = endpoints(&settings(""), entries());
        assert_eq!((list.len(), skipped), (1, 4));
        assert_eq!(
            (list[0].address.to_string().as_str(), list[0].weight.value()),
            ("10.0.0.1:80", 10)
        );
        let labels: Vec<_> = list[0]
            .labels
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        assert_eq!(labels, ["datacenter=dc1", "node=n1", "tags=v1,x", "version=1"]);
        let (list, _) = endpoints(&settings(r#", "warning": true"#), entries());
        assert_eq!(
            (list[1].address.to_string().as_str(), list[1].weight.value()),
            ("[::2]:81", 2)
        );
    }

    #[test]
    fn an_index_that_goes_back_starts_anew() {
        assert_eq!(next_index(7, 9), 9);
        assert_eq!(next_index(7, 7), 7);
        assert_eq!(next_index(7, 3), 0);
        assert_eq!(next_index(7, 0), 0);
    }
}
