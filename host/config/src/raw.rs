//! gateway.json as it is written: the types that its JSON Schema is made from, with the words that editors show.
//!
//! Texts that mean more than text (addresses, patterns, names) stay text here; `check` gives them their meaning. What must be there is
//! an option here all the same: the schema tells that it is missing, and the rest is read on.

mod plugins;
mod routes;

use std::collections::BTreeMap;

use lockgate_foreign::{CacheSettings, KvSettings};
use lockgate_http::{AmbiguousNames, EscapedSlashes, ListenerLimits, TrailerNames, UnsafeCharacters};
use lockgate_resolver::ResolverSettings;
use lockgate_sandbox::settings::NodeSettings;
use lockgate_tls::ClientCertificates;
use lockgate_units::Period;
use lockgate_upstream::UpstreamSettings;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::settings::{DEFAULT_DRAIN_TIMEOUT, SignatureSettings};

pub(crate) use plugins::{Chain, Plugin};
pub(crate) use routes::{Destinations, Match, Mirrors, Route, Scheme, ValueCondition, ValueMatch};

/// Lockgate's configuration.
///
/// `${env:NAME}` and `${file:PATH}` inside a string are replaced when the file is loaded; `$${` stands for a plain `${`.
/// Relative paths start at the folder of this file.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "gateway.json")]
#[expect(
    dead_code,
    reason = "sections are read one by one, so that a mistake in one does not hide those in another"
)]
pub(crate) struct Gateway {
    /// Path of the JSON Schema, for editors. Lockgate ignores it.
    #[serde(rename = "$schema")]
    schema: Option<String>,
    /// Number of worker threads. Absent: one per core. A change takes effect at the next start.
    #[schemars(range(min = 1, max = 1024))]
    workers: Option<usize>,
    /// Folder of plugin modules: `NAME.wasm` is the module `NAME`. New and changed files are loaded at once.
    #[schemars(example = &"plugins", length(min = 1))]
    plugin_dir: Option<String>,
    /// Folder of what outlives the process, such as the overlay of the admin API. It is made when there is something to keep. Absent:
    /// `LOCKGATE_STATE_DIR`, else `.lockgate` beside this file. A change takes effect at the next start.
    #[schemars(example = &"/var/lib/lockgate", length(min = 1))]
    state_dir: Option<String>,
    /// The admin API and metrics. Absent: none. A change takes effect at the next start.
    admin: Option<Admin>,
    /// Sockets that accept clients, by name.
    #[schemars(extend("minProperties" = 1))]
    listeners: BTreeMap<String, Listener>,
    /// Groups of endpoints that requests go to, by name.
    #[serde(default)]
    upstreams: BTreeMap<String, UpstreamSettings>,
    /// Modules with their configuration, by the name that chains use.
    #[serde(default)]
    plugins: BTreeMap<String, Plugin>,
    /// Lists of plugins, by the name that routes use.
    #[serde(default)]
    chains: BTreeMap<String, Vec<plugins::ChainItem>>,
    /// Chain that runs before the route's chain, also for requests that match no route: a chain's name, or a list of plugins.
    global_chain: Option<Chain>,
    /// Plugins that run without a chain: readers of queues, pollers, and others that have callbacks of the root context alone. Every
    /// worker has one VM of each.
    #[serde(default)]
    services: Vec<plugins::ChainItem>,
    /// What plugins read as the property `node`.
    #[serde(default)]
    node: NodeSettings,
    /// Which requests go to which upstream. May be absent with a single upstream, which then gets every request.
    routes: Option<Vec<Route>>,
    /// The access log, one JSON line per request. Absent: none. A change takes effect at the next start.
    access_log: Option<AccessLog>,
    /// Time that open requests have to end after SIGTERM. After it, or at a second signal, their connections are closed.
    #[serde(default = "drain_timeout")]
    drain_timeout: Period,
    /// Limits of the response cache, which all plugins share. A change takes effect at the next start.
    #[serde(default)]
    cache: CacheSettings,
    /// Limits of the values that plugins keep by key (`lockgate.kv`).
    #[serde(default)]
    kv: KvSettings,
    /// How host names of endpoints become addresses. Absent: as /etc/hosts and /etc/resolv.conf say.
    #[serde(default)]
    resolver: ResolverSettings,
    /// Required signatures of modules. Absent: modules in `plugin_dir` need no signature.
    #[serde(default)]
    signatures: SignatureSettings,
}

fn drain_timeout() -> Period {
    DEFAULT_DRAIN_TIMEOUT
}

/// The admin listener.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Admin {
    /// IP address and port.
    #[schemars(required, example = &"127.0.0.1:9900")]
    pub(crate) listen: Option<String>,
    /// Bearer token that requests must carry. Absent: health and metrics answer everyone, the rest answers loopback only.
    #[schemars(example = &"${env:LOCKGATE_ADMIN_TOKEN}")]
    pub(crate) token: Option<String>,
}

/// A socket that accepts clients.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Listener {
    /// IP address and port to listen on. Port 0: a free port that the system chooses.
    #[schemars(required, example = &"0.0.0.0:8080", example = &"[::]:8080")]
    pub(crate) listen: Option<String>,
    /// Protocol of the clients.
    #[serde(default)]
    pub(crate) protocol: ListenerProtocol,
    /// TLS settings. Absent: no TLS.
    pub(crate) tls: Option<Tls>,
    /// Networks of trusted proxies, as CIDRs. Only their `X-Forwarded-*` and `X-Request-Id` headers are used.
    #[serde(default)]
    #[schemars(example = ["10.0.0.0/8"])]
    pub(crate) trusted_proxies: Vec<String>,
    /// Handling of paths that contain `%2F`, `%5C`, `%00`, a double encoding, a backslash, or a dot segment with parameters (`..;`).
    #[serde(default)]
    pub(crate) escaped_slashes: EscapedSlashes,
    /// Handling of field names with a character other than letters, digits and hyphens.
    #[serde(default)]
    pub(crate) ambiguous_names: AmbiguousNames,
    /// Handling of `<`, `>`, `"` and backticks in paths and queries of HTTP/1 requests, where no URI has them.
    #[serde(default)]
    pub(crate) unsafe_characters: UnsafeCharacters,
    /// Trailers of requests that go on; others are left out. `"x-*"` allows all names with this prefix. Names that frame, route or
    /// authenticate a message, or say who the client is, are refused here.
    #[serde(default = "default_trailers")]
    pub(crate) trailers: Vec<String>,
    /// Limits for clients of this listener.
    #[serde(default)]
    pub(crate) limits: ListenerLimits,
    /// Only for protocol `tcp`: the upstream to connect to.
    pub(crate) upstream: Option<String>,
    /// Only for protocol `tcp`: the plugins that see the bytes.
    #[expect(dead_code, reason = "chains are read from the tree, item by item")]
    pub(crate) chain: Option<Chain>,
}

fn default_trailers() -> Vec<String> {
    TrailerNames::DEFAULT.map(String::from).into()
}

/// Protocol of a listener's clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ListenerProtocol {
    /// HTTP/1.1 and HTTP/2, distinguished by ALPN or the first bytes.
    #[default]
    Http,
    /// A byte stream between client and upstream. The plugins of the listener's chain see both directions.
    Tcp,
}

/// TLS on a listener.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tls {
    /// Certificates, chosen by the client's server name (SNI). The first one is the default.
    #[schemars(required, length(min = 1))]
    pub(crate) certificates: Option<Vec<Certificate>>,
    /// PEM file of the authorities that may issue client certificates. A changed file applies from the next handshake.
    /// Absent: clients are not asked for a certificate.
    #[schemars(example = &"clients.pem", length(min = 1))]
    pub(crate) client_ca: Option<String>,
    /// Only with `client_ca`: whether a client certificate is required. A certificate that is shown must always be valid.
    #[serde(default)]
    pub(crate) client_certificates: ClientCertificates,
}

/// PEM files. A changed file applies from the next handshake.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Certificate {
    /// The certificate chain, the server's own certificate first.
    #[schemars(required, example = &"api.pem", length(min = 1))]
    pub(crate) cert: Option<String>,
    /// Private key of the certificate.
    #[schemars(required, example = &"api.key", length(min = 1))]
    pub(crate) key: Option<String>,
}

/// The access log.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccessLog {
    /// `stdout`, `stderr` or a file. The file is appended to, and reopened on SIGHUP.
    #[schemars(required, example = &"stdout", example = &"access.log", length(min = 1))]
    pub(crate) path: Option<String>,
}
