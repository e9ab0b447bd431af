//! gateway.json as it is written: the types that its JSON Schema is made from, with the words that editors show.
//!
//! Texts that mean more than text (addresses, patterns, names) stay text here; `check` gives them their meaning. What must be there is
//! an option here all the same: the schema tells that it is missing, and the rest is read on.

mod plugins;
mod routes;

use std::collections::BTreeMap;

use lockgate_http::settings::{EscapedSlashes, ListenerLimits};
use lockgate_store::settings::CacheSettings;
use lockgate_tls::settings::ClientCertificates;
use lockgate_units::Period;
use lockgate_upstream::UpstreamSettings;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::settings::{DEFAULT_DRAIN_TIMEOUT, SignatureSettings};

pub(crate) use plugins::{Chain, Plugin};
pub(crate) use routes::{Match, Rewrite, Route, ValueCondition, ValueMatch};

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
    /// Where this schema is, for editors. Lockgate ignores it.
    #[serde(rename = "$schema")]
    schema: Option<String>,
    /// Number of data workers, each with a thread of its own; absent: one per core.
    #[schemars(range(min = 1, max = 1024))]
    workers: Option<usize>,
    /// The folder of plugin modules: NAME.wasm is the module NAME. Files that appear or change there are taken up at once.
    #[schemars(example = &"plugins", length(min = 1))]
    plugin_dir: Option<String>,
    /// The admin API and metrics; absent: there are none.
    admin: Option<Admin>,
    /// Where requests come in, by name.
    #[schemars(extend("minProperties" = 1))]
    listeners: BTreeMap<String, Listener>,
    /// Where requests go, by name.
    #[serde(default)]
    upstreams: BTreeMap<String, UpstreamSettings>,
    /// Modules with their configuration, by the name that chains call them.
    #[serde(default)]
    plugins: BTreeMap<String, Plugin>,
    /// Lists of plugins, by the name that routes call them.
    #[serde(default)]
    chains: BTreeMap<String, Vec<plugins::Step>>,
    /// Runs before the route's chain, also for requests that match no route: a chain's name, or a list of plugins.
    global_chain: Option<Chain>,
    /// Which requests go where. Absent, with one upstream: everything goes there.
    routes: Option<Vec<Route>>,
    /// The access log: a JSON line per request; absent: there is none.
    access_log: Option<AccessLog>,
    /// How long open requests may take to end after SIGTERM.
    #[serde(default = "drain_timeout")]
    drain_timeout: Period,
    /// Bounds of the response cache that plugins share.
    #[serde(default)]
    cache: CacheSettings,
    /// Whose modules are run; absent: anybody's that lie in `plugin_dir`.
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
    /// What `Authorization: Bearer` must carry; absent: everything but health and metrics is answered on loopback only.
    #[schemars(example = &"${env:LOCKGATE_ADMIN_TOKEN}")]
    pub(crate) token: Option<String>,
}

/// A socket that takes requests.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Listener {
    /// IP address and port; port 0 asks the system for a free one.
    #[schemars(required, example = &"0.0.0.0:8080", example = &"[::]:8080")]
    pub(crate) listen: Option<String>,
    /// What is spoken.
    #[serde(default)]
    pub(crate) protocol: Protocol,
    /// TLS with these certificates; absent: in the clear.
    pub(crate) tls: Option<Tls>,
    /// Networks whose `X-Forwarded-*` and `X-Request-Id` headers are believed, as CIDRs.
    #[serde(default)]
    #[schemars(example = ["10.0.0.0/8"])]
    pub(crate) trusted_proxies: Vec<String>,
    /// Whether paths with `%2F`, `%5C`, `%00`, double encoding or backslashes are refused or kept.
    #[serde(default)]
    pub(crate) escaped_slashes: EscapedSlashes,
    /// What a client may use up.
    #[serde(default)]
    pub(crate) limits: ListenerLimits,
    /// Only for protocol `tcp`: where the bytes go.
    pub(crate) upstream: Option<String>,
    /// Only for protocol `tcp`: the plugins that see the bytes.
    #[expect(dead_code, reason = "chains are read from the tree, item by item")]
    pub(crate) chain: Option<Chain>,
}

/// What a listener speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Protocol {
    /// HTTP/1.1 and HTTP/2, told apart by the first bytes or by ALPN.
    #[default]
    Http,
    /// Any bytes, passed on between client and upstream; plugins of the listener's chain see them both ways.
    Tcp,
}

/// TLS on a listener.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tls {
    /// Chosen by the name that the client asks for (SNI); the first serves everyone else.
    #[schemars(required, length(min = 1))]
    pub(crate) certificates: Option<Vec<Certificate>>,
    /// PEM file of the authorities that clients' certificates must come from; a changed one holds for the next handshake. Absent:
    /// clients are not asked for a certificate.
    #[schemars(example = &"clients.pem", length(min = 1))]
    pub(crate) client_ca: Option<String>,
    /// Only with `client_ca`: whether a client may do without a certificate. One that it shows must be good either way.
    #[serde(default)]
    pub(crate) client_certificates: ClientCertificates,
}

/// PEM files; a changed one is served to the next handshake.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Certificate {
    /// The certificate chain, the server's own certificate first.
    #[schemars(required, example = &"api.pem", length(min = 1))]
    pub(crate) cert: Option<String>,
    /// Its private key.
    #[schemars(required, example = &"api.key", length(min = 1))]
    pub(crate) key: Option<String>,
}

/// The access log.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccessLog {
    /// `stdout`, `stderr`, or a file that is appended to, and opened anew on SIGHUP.
    #[schemars(required, example = &"stdout", example = &"access.log", length(min = 1))]
    pub(crate) path: Option<String>,
}
