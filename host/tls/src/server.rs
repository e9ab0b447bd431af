//! TLS towards clients: certificates from files, chosen by the name that the client asks for, replaced without a restart; and
//! certificates of clients, where a listener asks for them.
//!
//! Connections to upstreams are not this module's.

mod certificate;
mod clients;
mod names;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use lockgate_exchange::TlsInfo;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::{self, Ticketer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, ServerConnection};
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use clients::Clients;
use names::{ByName, Served};

use crate::settings::{CertificateFiles, TlsSettings};

/// Why certificates are not taken. Names files, so it is for operators and never for clients.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file cannot be read, or it holds no such PEM section.
    #[error("{}: {}", .0.display(), unread(.1))]
    File(PathBuf, pem::Error),
    /// The key is not the certificate's, or one of them is of no use.
    #[error("{} with {}: {}", .cert.display(), .key.display(), unfit(.source))]
    Pair {
        /// The certificate chain's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What is wrong.
        source: rustls::Error,
    },
    /// The file of the authorities of clients cannot be read, or it holds no certificate.
    #[error("{}: {}", .0.display(), unread(.1))]
    ClientCa(PathBuf, pem::Error),
    /// A certificate in it cannot be an authority's.
    #[error("{}: {}", .0.display(), .1)]
    Authority(PathBuf, String),
    /// No certificate at all.
    #[error("no certificate is given")]
    Empty,
    /// The library has no random numbers or no protocol version.
    #[error("TLS cannot be set up: {0}")]
    Setup(#[from] rustls::Error),
}

impl TlsError {
    /// The setting of a listener's `tls` that is to blame.
    #[must_use]
    pub fn setting(&self) -> &'static str {
        match self {
            Self::ClientCa(..) | Self::Authority(..) => "client_ca",
            Self::File(..) | Self::Pair { .. } | Self::Empty | Self::Setup(_) => "certificates",
        }
    }
}

fn unread(error: &pem::Error) -> String {
    match error {
        pem::Error::NoItemsFound => {
            "no certificate or key found, expected PEM: -----BEGIN CERTIFICATE----- or -----BEGIN PRIVATE KEY-----"
                .to_owned()
        }
        other => other.to_string(),
    }
}

fn unfit(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InconsistentKeys(_) => {
            "the key does not match the certificate; the server's own certificate must come first in the file"
                .to_owned()
        }
        other => other.to_string(),
    }
}

/// A listener's certificates. All workers share one.
#[derive(Debug)]
pub struct CertificateStore {
    settings: TlsSettings,
    speaks_http: bool,
    provider: Arc<CryptoProvider>,
    current: Arc<Current>,
    doorman: ArcSwap<Doorman>,
}

/// What handshakes choose from, replaced as a whole.
#[derive(Debug)]
struct Current(ArcSwap<ByName>);

/// Does handshakes; replaced when other clients are to be believed.
#[derive(Debug)]
struct Doorman {
    config: Arc<ServerConfig>,
    clients: Option<Clients>,
}

impl CertificateStore {
    /// Reads the certificates; the first one serves clients that ask for no name or for an unknown one. Offers TLS 1.2 and 1.3, and
    /// by ALPN what is to be spoken: HTTP/2 and HTTP/1.1, or, for bytes, nothing.
    ///
    /// # Errors
    /// A file is missing or broken, or a key does not belong to its certificate.
    pub fn load(settings: &TlsSettings, speaks_http: bool) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let current = Arc::new(Current(ArcSwap::from_pointee(read_all(settings, &provider)?)));
        let clients = clients_of(settings, &provider)?;
        let doorman = Doorman::new(clients, speaks_http, &provider, &current)?;
        Ok(Self {
            settings: settings.clone(),
            speaks_http,
            provider,
            current,
            doorman: ArcSwap::from_pointee(doorman),
        })
    }

    /// Reads all files anew. Handshakes that begin from now on get the new certificates, and must show one that is good by the
    /// new authorities.
    ///
    /// # Errors
    /// As for [`CertificateStore::load`]; then nothing has changed.
    pub fn reload(&self) -> Result<(), TlsError> {
        let read = read_all(&self.settings, &self.provider)?;
        let clients = clients_of(&self.settings, &self.provider)?;
        if clients != self.doorman.load().clients {
            let doorman = Doorman::new(clients, self.speaks_http, &self.provider, &self.current)?;
            self.doorman.store(Arc::new(doorman));
        }
        self.current.0.store(Arc::new(read));
        Ok(())
    }

    /// Does the handshake on a fresh connection. Sets no limit of time.
    ///
    /// # Errors
    /// The client broke off, wants what is not offered, or has not shown a certificate that it must.
    pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> io::Result<TlsStream<S>> {
        let doorman = self.doorman.load_full();
        let stream = TlsAcceptor::from(doorman.config.clone()).accept(stream).await?;
        if let Some(clients) = &doorman.clients {
            clients.look_again(stream.get_ref().1).map_err(io::Error::other)?;
        }
        Ok(stream)
    }

    /// What plugins may know of a handshake.
    #[must_use]
    pub fn info(&self, session: &ServerConnection) -> TlsInfo {
        let peer = session.peer_certificates().and_then(<[_]>::first);
        TlsInfo {
            version: match session.protocol_version() {
                Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
                Some(rustls::ProtocolVersion::TLSv1_2) => "TLSv1.2",
                _ => "unknown",
            },
            server_name: session.server_name().map(str::to_owned),
            alpn: session
                .alpn_protocol()
                .map(|name| String::from_utf8_lossy(name).into_owned()),
            local: Some(self.current.0.load().choose(session.server_name()).info.clone()),
            peer: peer.map(|peer| Arc::new(certificate::info(peer))),
        }
    }
}

impl Doorman {
    /// Tickets of another one are not taken: whoever was let in by other authorities shows a certificate anew.
    fn new(
        clients: Option<Clients>,
        speaks_http: bool,
        provider: &Arc<CryptoProvider>,
        current: &Arc<Current>,
    ) -> Result<Self, TlsError> {
        let builder = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
        let builder = match &clients {
            Some(clients) => builder.with_client_cert_verifier(clients.verifier()),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(current.clone());
        if speaks_http {
            config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        }
        // A ticket takes no memory here, unlike the session cache, and it resumes on every worker.
        config.ticketer = Ticketer::new()?;
        config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        let config = Arc::new(config);
        Ok(Self { config, clients })
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load().choose(hello.server_name()).key.clone())
    }
}

fn clients_of(settings: &TlsSettings, provider: &Arc<CryptoProvider>) -> Result<Option<Clients>, TlsError> {
    let clients = settings.clients.as_ref();
    clients.map(|authority| Clients::read(authority, provider)).transpose()
}

/// All certificates or none: a listener never serves half of a change.
fn read_all(settings: &TlsSettings, provider: &CryptoProvider) -> Result<ByName, TlsError> {
    let mut names = None;
    for pair in &settings.certificates {
        let served = Arc::new(Served::new(read(pair, provider)?));
        match &mut names {
            None => names = Some(ByName::new(served)),
            Some(names) => names.add(served),
        }
    }
    names.ok_or(TlsError::Empty)
}

fn read(pair: &CertificateFiles, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    let chain = certificates_in(&pair.cert).map_err(|error| TlsError::File(pair.cert.clone(), error))?;
    let key = PrivateKeyDer::from_pem_file(&pair.key).map_err(|error| TlsError::File(pair.key.clone(), error))?;
    let mismatch = |source| TlsError::Pair {
        cert: pair.cert.clone(),
        key: pair.key.clone(),
        source,
    };
    CertifiedKey::from_der(chain, key, provider).map_err(mismatch)
}

/// The certificates in a PEM file, at least one.
fn certificates_in(file: &Path) -> Result<Vec<CertificateDer<'static>>, pem::Error> {
    let certificates = CertificateDer::pem_file_iter(file)?.collect::<Result<Vec<_>, _>>()?;
    if certificates.is_empty() {
        return Err(pem::Error::NoItemsFound);
    }
    Ok(certificates)
}

#[cfg(test)]
mod tests;
