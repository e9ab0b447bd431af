//! Endpoints from Nacos: the list of instances, polled
//! (<https://nacos.io/en/docs/open-api/>). Its push over UDP and gRPC is not used.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use http::header::CONTENT_TYPE;
use http::{HeaderName, Method};
use lockgate_upstream::{EndpointSettings, NacosDiscovery};
use serde::Deserialize;
use serde_json::Value;

use super::address;
use crate::backoff::Backoff;
use crate::error::SourceError;
use crate::http_api::{ApiRequest, HttpClient, Server, TIMEOUT, query};
use crate::publisher::Publisher;
use crate::weights;

/// Minimum time between two queries.
const MIN_INTERVAL: Duration = Duration::from_millis(100);
/// The token is renewed when this part of its time has passed: one half.
const RENEWAL: u32 = 2;

const TOKEN: HeaderName = HeaderName::from_static("accesstoken");

/// A token, and when it is renewed.
struct Token {
    text: String,
    renewal: Instant,
}

pub(super) async fn run(settings: NacosDiscovery, mut publisher: Publisher, client: HttpClient) {
    let mut backoff = Backoff::default();
    let mut token = None;
    loop {
        match ask(&settings, &client, &mut token).await {
            Ok(hosts) => {
                let (list, skipped) = endpoints(&settings, hosts);
                publisher.skipped(skipped, "an instance without a valid address and port");
                publisher.list(list).await;
                backoff.clear();
                tokio::time::sleep(settings.refresh.duration().max(MIN_INTERVAL)).await;
            }
            Err(error) => {
                publisher.failed(&error);
                // It may have been withdrawn.
                token = None;
                tokio::time::sleep(backoff.next()).await;
            }
        }
    }
}

async fn ask(
    settings: &NacosDiscovery,
    client: &HttpClient,
    token: &mut Option<Token>,
) -> Result<Vec<Value>, SourceError> {
    let server = Server::new(&settings.url)?;
    if let (Some(username), Some(password)) = (&settings.username, &settings.password)
        && token.as_ref().is_none_or(|token| Instant::now() >= token.renewal)
    {
        *token = Some(log_in(settings, client, &server, username, password).await?);
    }
    let path = match settings.api {
        1 => "/nacos/v1/ns/instance/list",
        2 => "/nacos/v2/ns/instance/list",
        _ => "/nacos/v3/client/ns/instance/list",
    };
    let namespace = settings.namespace.clone().unwrap_or_default();
    let mut pairs = vec![
        ("serviceName", settings.service.clone()),
        ("groupName", settings.group.clone()),
        ("healthyOnly", "true".to_owned()),
    ];
    if !namespace.is_empty() {
        pairs.push(("namespaceId", namespace));
    }
    if !settings.clusters.is_empty() {
        let name = if settings.api == 1 { "clusters" } else { "clusterName" };
        pairs.push((name, settings.clusters.join(",")));
    }
    // Nacos reads the token from the query; version 3 from a header, too.
    if let Some(token) = &token {
        pairs.push(("accessToken", token.text.clone()));
    }
    let mut request = ApiRequest::get(format!("{path}?{}", query(pairs)));
    if let Some(token) = &token {
        request = request.with(TOKEN, &token.text);
    }
    let answer: Value = client.send(&server, &request, TIMEOUT).await?.json().await?;
    hosts(answer)
}

/// The instances of an answer: of version 1 `{ "hosts": […] }`, of version 2 `{ "code": 0, "data": { "hosts": […] } }`, of version 3
/// `{ "code": 0, "data": […] }`.
fn hosts(mut answer: Value) -> Result<Vec<Value>, SourceError> {
    let malformed = |what: &str| SourceError::Malformed(what.to_owned());
    if let Some(code) = answer
        .get("code")
        .and_then(Value::as_i64)
        .filter(|code| !matches!(code, 0 | 200))
    {
        let message = answer.get("message").and_then(Value::as_str).unwrap_or_default();
        return Err(SourceError::Malformed(format!("answered code {code}: {message}")));
    }
    let mut data = match answer.get_mut("data") {
        Some(data) => data.take(),
        None => answer,
    };
    match data.get_mut("hosts").map(Value::take).unwrap_or(data) {
        Value::Array(hosts) => Ok(hosts),
        _ => Err(malformed("the answer has no list of instances")),
    }
}

async fn log_in(
    settings: &NacosDiscovery,
    client: &HttpClient,
    server: &Server,
    username: &str,
    password: &str,
) -> Result<Token, SourceError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct LogIn {
        access_token: String,
        #[serde(default)]
        token_ttl: u64,
    }
    let path = match settings.api {
        3 => "/nacos/v3/auth/user/login",
        _ => "/nacos/v1/auth/login",
    };
    let form = query([("username", username.to_owned()), ("password", password.to_owned())]);
    let mut request = ApiRequest::get(path.to_owned()).with(CONTENT_TYPE, "application/x-www-form-urlencoded");
    (request.method, request.body) = (Method::POST, form);
    let answer: LogIn = client.send(server, &request, TIMEOUT).await?.json().await?;
    let ttl = Duration::from_secs(answer.token_ttl.clamp(10, 86_400));
    Ok(Token {
        text: answer.access_token,
        renewal: Instant::now() + ttl / RENEWAL,
    })
}

/// An instance, as far as it is used.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Instance {
    ip: String,
    port: u16,
    #[serde(default = "one")]
    weight: f64,
    #[serde(default = "yes")]
    healthy: bool,
    #[serde(default = "yes")]
    enabled: bool,
    #[serde(default)]
    cluster_name: Option<String>,
    #[serde(default)]
    metadata: Option<BTreeMap<String, String>>,
}

fn one() -> f64 {
    1.0
}

fn yes() -> bool {
    true
}

/// The endpoints that take requests, and the number of instances that cannot be read.
fn endpoints(settings: &NacosDiscovery, hosts: Vec<Value>) -> (Vec<EndpointSettings>, usize) {
    let (mut list, mut weights, mut skipped) = (Vec::new(), Vec::new(), 0);
    for host in hosts {
        let instance = serde_json::from_value::<Instance>(host).ok();
        let Some((instance, address)) = instance.and_then(|instance| {
            let address = address(&instance.ip, instance.port)?;
            Some((instance, address))
        }) else {
            skipped += 1;
            continue;
        };
        let cluster = instance.cluster_name.clone().unwrap_or_default();
        let is_of_cluster = settings.clusters.is_empty() || settings.clusters.contains(&cluster);
        if !instance.healthy || !instance.enabled || !is_of_cluster {
            continue;
        }
        let mut labels = instance.metadata.unwrap_or_default();
        if !cluster.is_empty() {
            labels.entry("cluster".to_owned()).or_insert(cluster);
        }
        weights.push(instance.weight);
        list.push(EndpointSettings {
            labels,
            ..EndpointSettings::at(address)
        });
    }
    for (endpoint, weight) in list.iter_mut().zip(weights::scaled(&weights)) {
        endpoint.weight = weight;
    }
    (list, skipped)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn healthy_instances_are_endpoints_whatever_the_version() {
        let list = json!([
            { "ip": "10.0.0.1", "port": 80, "weight": 1.0, "healthy": true, "enabled": true, "clusterName": "A", "metadata": { "v": "1" } },
            { "ip": "10.0.0.2", "port": 80, "weight": 0.5 },
            { "ip": "10.0.0.3", "port": 80, "healthy": false },
            { "ip": "10.0.0.4", "port": 80, "enabled": false },
            { "ip": "10.0.0.5" },
            "garbage"
        ]);
        let settings: NacosDiscovery = serde_json::from_str(r#"{ "service": "orders" }"#).unwrap();
        for answer in [
            json!({ "hosts": list, "cacheMillis": 10000 }),
            json!({ "code": 0, "message": "success", "data": { "hosts": list } }),
            json!({ "code": 0, "data": list }),
        ] {
            let (found, skipped) = endpoints(&settings, hosts(answer).unwrap());
            assert_eq!((found.len(), skipped), (2, 2));
            assert_eq!(found[0].labels.len(), 2);
            let weights: Vec<u16> = found.iter().map(|endpoint| endpoint.weight.value()).collect();
            assert_eq!(weights, [100, 50]);
        }
        assert!(hosts(json!({ "code": 403, "message": "user not found" })).is_err());
        assert!(hosts(json!({ "hosts": null })).is_err());
    }
}
