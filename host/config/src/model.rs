//! The checked model: what a gateway.json means once every name in it is known to exist and every value is in its type.
//!
//! Nothing here refers to JSON any more, except [`PluginModel::pointer`], by which a failure that shows only later
//! (the plugin's own configure) is told at its place. The raw, as-written types are in `raw`.

mod plugins;
mod routes;
mod upstreams;

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ipnet::IpNet;
use lockgate_foreign::CacheSettings;
use lockgate_http::settings::{EscapedSlashes, ListenerLimits};
use lockgate_telemetry::AccessLogSettings;
use lockgate_tls::TlsSettings;
use lockgate_units::Period;

pub use plugins::{PluginIndex, PluginModel, SigningKey};
pub use routes::{Rewrite, Route};
pub use upstreams::{NamedUpstream, UpstreamIndex};

/// A whole configuration. Every index in it is in bounds, every path absolute, every name unique in its list.
#[derive(Debug, Clone)]
pub struct Model {
    /// Number of data workers; none: one per core.
    pub workers: Option<NonZeroUsize>,
    /// The folder of `.wasm` files; absolute. Always there when a plugin is.
    pub plugin_dir: Option<PathBuf>,
    /// Where the admin API listens; none: nowhere.
    pub admin: Option<Admin>,
    /// In the order of the file; at least one.
    pub listeners: Vec<Listener>,
    /// In the order of the file.
    pub upstreams: Vec<NamedUpstream>,
    /// Named plugins in the order of the file, then inline ones in the order of global chain, chains, routes, listeners.
    pub plugins: Vec<PluginModel>,
    /// Runs before every route's chain, also for requests that match no route.
    pub global_chain: Vec<PluginIndex>,
    /// In the order of the file, which is the last word of precedence.
    pub routes: Vec<Route>,
    /// Where the access log goes; none: there is none.
    pub access_log: Option<AccessLogSettings>,
    /// Longest wait for open requests after SIGTERM.
    pub drain_timeout: Period,
    /// Bounds of the response cache.
    pub cache: CacheSettings,
    /// Keys that modules may be signed with.
    pub signing_keys: Vec<SigningKey>,
    /// Whether every plugin's module must be signed with one of them, unless it names its own.
    pub requires_signatures: bool,
}

/// The admin listener.
#[derive(Clone)]
pub struct Admin {
    /// Where it listens.
    pub listen: SocketAddr,
    /// What `Authorization: Bearer` must carry; never empty. None: only loopback peers are answered.
    pub token: Option<String>,
}

/// A socket that takes requests, or connections.
#[derive(Debug, Clone)]
pub struct Listener {
    /// Its key in the file.
    pub name: Arc<str>,
    /// Where it listens. Port 0 asks the system for a free one.
    pub listen: SocketAddr,
    /// What is spoken.
    pub protocol: Protocol,
    /// None: in the clear.
    pub tls: Option<TlsSettings>,
    /// Peers whose `X-Forwarded-*` and `X-Request-Id` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// What happens to paths with escaped slashes and the like.
    pub escaped_slashes: EscapedSlashes,
    /// What a client may use up.
    pub limits: ListenerLimits,
}

/// What a listener speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1 and HTTP/2; routes say what becomes of a request.
    Http,
    /// Any bytes.
    Tcp(Forwarding),
}

/// What becomes of a TCP connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forwarding {
    /// Where its bytes go, unless a plugin says otherwise.
    pub upstream: UpstreamIndex,
    /// Who sees them: in this order from the client to the upstream, in reverse on the way back.
    pub chain: Vec<PluginIndex>,
}

impl Model {
    /// The plugin at `index`.
    pub fn plugin(&self, index: PluginIndex) -> &PluginModel {
        &self.plugins[index.0]
    }

    /// Every file that a listener's `tls` names.
    pub fn tls_files(&self) -> impl Iterator<Item = &Path> {
        let of_listeners = self.listeners.iter().filter_map(|listener| listener.tls.as_ref());
        of_listeners.flat_map(TlsSettings::files)
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
