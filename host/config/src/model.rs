//! The checked model: what a gateway.json means once every name in it is known to exist and every value is in its type.
//!
//! Nothing here refers to JSON any more, except [`PluginModel::pointer`], by which a failure that shows only later
//! (the plugin's own configure) is told at its place. The raw, as-written types are in `raw`.

mod plugins;
mod routes;
mod upstreams;

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use ipnet::IpNet;
use lockgate_units::Period;

pub use crate::settings::{CacheSettings, ClientCertificates, EscapedSlashes, ListenerLimits};
pub use plugins::{PluginIndex, PluginModel, SigningKey};
pub use routes::{HostPattern, Match, PathMatch, Rewrite, Route, ValueMatch};
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

/// TLS on a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSettings {
    /// At least one. The first serves clients that ask for no name or an unknown one.
    pub certificates: Vec<CertificateFiles>,
    /// None: clients are not asked for a certificate.
    pub clients: Option<ClientAuthority>,
}

impl TlsSettings {
    /// Every file that it names: what to watch.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let pairs = self.certificates.iter().flat_map(|pair| [&*pair.cert, &*pair.key]);
        pairs.chain(self.clients.iter().map(|clients| &*clients.ca))
    }
}

/// Whose certificates clients must show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientAuthority {
    /// PEM, at least one certificate of an authority; readable at load. An absolute path.
    pub ca: PathBuf,
    /// Whether a client may do without.
    pub certificates: ClientCertificates,
}

/// A certificate chain and its key: PEM files that were readable at load. Absolute paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The chain, the server's own certificate first.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Where the access log goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessLogSettings {
    /// A stream or a file.
    pub path: AccessLogPath,
}

/// A stream of the process, or a file that is appended to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessLogPath {
    /// `"stdout"`
    Stdout,
    /// `"stderr"`
    Stderr,
    /// Anything else; absolute. Its folder existed at load.
    File(PathBuf),
}

impl FromStr for AccessLogPath {
    type Err = Infallible;

    /// A file's path is taken as it is: it starts where the process is.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "stdout" => Self::Stdout,
            "stderr" => Self::Stderr,
            file => Self::File(PathBuf::from(file)),
        })
    }
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
