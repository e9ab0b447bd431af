//! The checked model of a gateway.json: every name in it exists, and every value has its type.
//!
//! The model has no JSON, except [`PluginModel::pointer`], which gives a failure that shows only later (when the plugin is
//! configured) its position. The types of the file as it is written are in `raw`.

mod plugins;
mod routes;
mod upstreams;

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ipnet::IpNet;
use lockgate_client::TlsSettings;
use lockgate_foreign::{CacheSettings, KvSettings};
use lockgate_http::{AmbiguousNames, EscapedSlashes, ListenerLimits, TrailerNames, UnsafeCharacters};
use lockgate_resolver::ResolverSettings;
use lockgate_telemetry::AccessLogSettings;
use lockgate_tls::ServerTlsSettings;
use lockgate_units::Period;

pub use plugins::{PluginIndex, PluginModel, SigningKey};
pub use routes::{Destination, Route, RoutePolicy};
pub use upstreams::{NamedUpstream, UpstreamIndex};

/// A whole configuration. Every index in it is in bounds, every path absolute, every name unique in its list.
#[derive(Debug, Clone)]
pub struct Model {
    /// Number of data workers; none: one per core.
    pub workers: Option<NonZeroUsize>,
    /// The folder of `.wasm` files; absolute. Never none when there is a plugin.
    pub plugin_dir: Option<PathBuf>,
    /// The folder of what outlives the process, if the file names one; absolute.
    pub state_dir: Option<PathBuf>,
    /// The admin listener, if there is one.
    pub admin: Option<Admin>,
    /// In the order of the file; at least one.
    pub listeners: Vec<Listener>,
    /// In the order of the file.
    pub upstreams: Vec<NamedUpstream>,
    /// Named plugins in the order of the file, then inline ones in the order of global chain, chains, routes, listeners, services.
    pub plugins: Vec<PluginModel>,
    /// Runs before every route's chain, also for requests that match no route.
    pub global_chain: Vec<PluginIndex>,
    /// They run without a chain.
    pub services: Vec<PluginIndex>,
    /// In the order of the file, which decides between routes of equal precedence.
    pub routes: Vec<Route>,
    /// The access log, if there is one.
    pub access_log: Option<AccessLogSettings>,
    /// Maximum time that open requests have to end after SIGTERM.
    pub drain_timeout: Period,
    /// Limits of the response cache.
    pub cache: CacheSettings,
    /// Limits of the values that plugins keep by key.
    pub kv: KvSettings,
    /// How host names of endpoints become addresses.
    pub resolver: ResolverSettings,
    /// Public keys for the signatures of modules.
    pub signing_keys: Vec<SigningKey>,
    /// Whether a plugin without `signed_by` also needs a module that is signed with one of them.
    pub requires_signatures: bool,
}

/// The admin listener.
#[derive(Clone)]
pub struct Admin {
    /// IP address and port.
    pub listen: SocketAddr,
    /// Bearer token that requests must carry; never empty. None: the API answers loopback peers only.
    pub token: Option<String>,
}

/// A socket that accepts clients.
#[derive(Debug, Clone)]
pub struct Listener {
    /// Its key in the file.
    pub name: Arc<str>,
    /// IP address and port. Port 0: a free port that the system chooses.
    pub listen: SocketAddr,
    /// Protocol of the clients.
    pub protocol: ListenerProtocol,
    /// None: no TLS.
    pub tls: Option<ServerTlsSettings>,
    /// Networks of trusted proxies, whose `X-Forwarded-*` and `X-Request-Id` are used.
    pub trusted_proxies: Vec<IpNet>,
    /// Handling of paths with escaped slashes and the like.
    pub escaped_slashes: EscapedSlashes,
    /// What becomes of field names that upstreams read in different ways.
    pub ambiguous_names: AmbiguousNames,
    /// Handling of characters that no URI has.
    pub unsafe_characters: UnsafeCharacters,
    /// Trailers that requests may have.
    pub trailers: TrailerNames,
    /// Limits for clients.
    pub limits: ListenerLimits,
}

/// Protocol of a listener's clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenerProtocol {
    /// HTTP/1.1 and HTTP/2. Requests go by the routes.
    Http,
    /// A byte stream to an upstream.
    Tcp(Forwarding),
}

/// Destination and chain of TCP connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forwarding {
    /// The upstream, unless a plugin chooses another.
    pub upstream: UpstreamIndex,
    /// Plugins in the order from the client to the upstream. Bytes to the client pass them in reverse.
    pub chain: Vec<PluginIndex>,
}

impl Model {
    /// The plugin at `index`.
    pub fn plugin(&self, index: PluginIndex) -> &PluginModel {
        &self.plugins[index.0]
    }

    /// Files that the `tls` of listeners and upstreams names.
    pub fn tls_files(&self) -> impl Iterator<Item = &Path> {
        let of_listeners = self.listeners.iter().filter_map(|listener| listener.tls.as_ref());
        let of_upstreams = self
            .upstreams
            .iter()
            .filter_map(|upstream| upstream.settings.tls.as_ref());
        let of_listeners = of_listeners.flat_map(ServerTlsSettings::files);
        of_listeners.chain(of_upstreams.flat_map(TlsSettings::files))
    }

    /// The upstream at `index`.
    pub fn upstream(&self, index: UpstreamIndex) -> &NamedUpstream {
        &self.upstreams[index.0]
    }
}

impl fmt::Debug for Admin {
    /// Without the token.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let token = self.token.as_ref().map(|_| "…");
        out.debug_struct("Admin")
            .field("listen", &self.listen)
            .field("token", &token)
            .finish()
    }
}
