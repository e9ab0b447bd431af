//! A listener's settings of TLS.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// TLS of a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerTlsSettings {
    /// At least one. The first is for clients that ask for no name or for an unknown one.
    pub certificates: Vec<CertificateFiles>,
    /// None: clients are not asked for a certificate.
    pub clients: Option<ClientAuthority>,
}

impl ServerTlsSettings {
    /// All files in these settings, for watching.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let pairs = self.certificates.iter().flat_map(|pair| [&*pair.cert, &*pair.key]);
        pairs.chain(self.clients.iter().map(|clients| &*clients.ca))
    }
}

/// The authorities for client certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientAuthority {
    /// PEM file with at least one authority's certificate, readable at load. An absolute path.
    pub ca: PathBuf,
    /// Whether a client needs a certificate.
    pub certificates: ClientCertificates,
}

/// A certificate chain and its key: PEM files that were readable at load. Absolute paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The chain, the server's own certificate first.
    pub cert: PathBuf,
    /// Private key of the certificate.
    pub key: PathBuf,
}

/// Whether a client of a TLS listener must show a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClientCertificates {
    /// The handshake fails without one.
    #[default]
    Required,
    /// The client may connect without one. Plugins see the property `connection.mtls`.
    Optional,
}
