//! Where an upstream's endpoints come from, beside those that are written down. The sources are in host/discovery.

use std::fmt;
use std::path::PathBuf;

use lockgate_client::Address;
use lockgate_units::Period;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::server_url::ServerUrl;

/// A source of endpoints. What it lists is added to `endpoints`; while it cannot be asked, its last list stays in use, also over a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum DiscoverySettings {
    /// A file that lists the endpoints.
    File(FileDiscovery),
    /// The addresses of a host name (A and AAAA records), each an endpoint.
    Dns(DnsDiscovery),
    /// The servers of a service in DNS (SRV records).
    Srv(SrvDiscovery),
    /// The healthy instances of a service in Consul.
    Consul(ConsulDiscovery),
    /// The ready endpoints of a Kubernetes service (EndpointSlices).
    Kubernetes(KubernetesDiscovery),
    /// The healthy instances of a service in Nacos.
    Nacos(NacosDiscovery),
    /// None but the endpoints that register themselves by the admin API.
    Registration(RegistrationDiscovery),
}

/// A file that lists the endpoints: `["10.0.0.7:80", { "address": "10.0.0.8:80", "weight": 2 }]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileDiscovery {
    /// Path of the file: a JSON array of endpoints, written as in `endpoints`. A changed file takes effect within a second. `[]`: no endpoint.
    #[schemars(example = &"orders.json")]
    pub path: PathBuf,
}

/// The addresses of a host name, each an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DnsDiscovery {
    /// The host name, and the port of all endpoints.
    #[schemars(example = &"orders.internal:9001")]
    pub name: Address,
    /// Maximum time between two lookups, where the TTL of the records is longer. Absent: `resolver.max_ttl`.
    pub refresh: Option<Period>,
}

/// The servers of a service in DNS (RFC 2782). Those of the lowest priority number are used; their weights are the endpoints'.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SrvDiscovery {
    /// The name of the SRV records.
    #[schemars(example = &"_http._tcp.orders.internal", length(min = 1, max = 253))]
    pub name: String,
    /// Maximum time between two lookups, where the TTL of the records is longer. Absent: `resolver.max_ttl`.
    pub refresh: Option<Period>,
}

/// The healthy instances of a service in Consul, by blocking queries.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsulDiscovery {
    /// The name of the service.
    #[schemars(example = &"orders", length(min = 1, max = 256))]
    pub service: String,
    /// HTTP API of a Consul agent: `http://HOST:PORT`.
    #[serde(default = "consul_url")]
    pub url: ServerUrl,
    /// Tags that an instance must have, all of them.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Whether instances with a check in the state `warning` are used, too, with their weight for warnings.
    #[serde(default)]
    pub warning: bool,
    /// Datacenter. Absent: the agent's.
    pub datacenter: Option<String>,
    /// Namespace (Consul Enterprise).
    pub namespace: Option<String>,
    /// ACL token.
    #[schemars(example = &"${env:CONSUL_TOKEN}")]
    pub token: Option<String>,
    /// File with the ACL token, read again before each request. Not with `token`.
    pub token_file: Option<PathBuf>,
    /// Maximum time that Consul holds a query until something changes.
    #[serde(default = "consul_wait")]
    pub wait: Period,
}

/// The ready endpoints of a Kubernetes service: its EndpointSlices, listed and watched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KubernetesDiscovery {
    /// The name of the service.
    #[schemars(example = &"orders", length(min = 1, max = 253))]
    pub service: String,
    /// The namespace of the service. Absent: that of this pod, or `default`.
    pub namespace: Option<String>,
    /// The port of the service, by name or as the number of the pods' port. Absent: its only port.
    #[schemars(example = &"http", example = &"8080")]
    pub port: Option<String>,
    /// The API server: `http://HOST:PORT`, such as that of a `kubectl proxy` beside the gateway.
    #[serde(default = "kubernetes_url")]
    pub url: ServerUrl,
    /// File with the bearer token, read again before each request. Absent: that of this pod's service account, if there is one.
    pub token_file: Option<PathBuf>,
}

/// The healthy instances of a service in Nacos, by polling.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NacosDiscovery {
    /// The name of the service.
    #[schemars(example = &"orders", length(min = 1, max = 512))]
    pub service: String,
    /// Nacos: `http://HOST:PORT`.
    #[serde(default = "nacos_url")]
    pub url: ServerUrl,
    /// Version of the HTTP API: 1 (Nacos 1 and 2), 2 (Nacos 2) or 3 (Nacos 3).
    #[serde(default = "nacos_api")]
    #[schemars(range(min = 1, max = 3))]
    pub api: u8,
    /// Group of the service.
    #[serde(default = "nacos_group")]
    pub group: String,
    /// Id of the namespace. Absent: the public one.
    pub namespace: Option<String>,
    /// Clusters whose instances are used. Empty: all.
    #[serde(default)]
    pub clusters: Vec<String>,
    /// User name, if Nacos asks for one.
    pub username: Option<String>,
    /// Password of `username`.
    #[schemars(example = &"${env:NACOS_PASSWORD}")]
    pub password: Option<String>,
    /// Time between two queries.
    #[serde(default = "nacos_refresh")]
    pub refresh: Period,
}

/// None but the endpoints that register themselves: `PUT /api/upstreams/NAME/endpoints/ADDRESS`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RegistrationDiscovery {}

fn consul_url() -> ServerUrl {
    ServerUrl::clear_text([127, 0, 0, 1], 8500)
}

fn consul_wait() -> Period {
    Period::seconds(55)
}

fn kubernetes_url() -> ServerUrl {
    ServerUrl::clear_text([127, 0, 0, 1], 8001)
}

fn nacos_url() -> ServerUrl {
    ServerUrl::clear_text([127, 0, 0, 1], 8848)
}

fn nacos_api() -> u8 {
    1
}

fn nacos_group() -> String {
    "DEFAULT_GROUP".to_owned()
}

fn nacos_refresh() -> Period {
    Period::seconds(1)
}

impl DiscoverySettings {
    /// The name of its type.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::File(_) => "file",
            Self::Dns(_) => "dns",
            Self::Srv(_) => "srv",
            Self::Consul(_) => "consul",
            Self::Kubernetes(_) => "kubernetes",
            Self::Nacos(_) => "nacos",
            Self::Registration(_) => "registration",
        }
    }

    /// The path that it names.
    pub fn path_mut(&mut self) -> Option<&mut PathBuf> {
        match self {
            Self::File(file) => Some(&mut file.path),
            Self::Dns(_) | Self::Srv(_) | Self::Nacos(_) | Self::Registration(_) => None,
            Self::Consul(consul) => consul.token_file.as_mut(),
            Self::Kubernetes(kubernetes) => kubernetes.token_file.as_mut(),
        }
    }

    /// The server that it names.
    pub fn url(&self) -> Option<&ServerUrl> {
        match self {
            Self::Consul(consul) => Some(&consul.url),
            Self::Kubernetes(kubernetes) => Some(&kubernetes.url),
            Self::Nacos(nacos) => Some(&nacos.url),
            Self::File(_) | Self::Dns(_) | Self::Srv(_) | Self::Registration(_) => None,
        }
    }
}

/// Stands for a secret.
const HIDDEN: &str = "…";

impl fmt::Debug for ConsulDiscovery {
    /// Without the token.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("ConsulDiscovery")
            .field("service", &self.service)
            .field("url", &self.url)
            .field("token", &self.token.as_ref().map(|_| HIDDEN))
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for NacosDiscovery {
    /// Without the password.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("NacosDiscovery")
            .field("service", &self.service)
            .field("url", &self.url)
            .field("password", &self.password.as_ref().map(|_| HIDDEN))
            .finish_non_exhaustive()
    }
}
