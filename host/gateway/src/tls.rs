//! TLS towards clients: certificates from files, chosen by the name that the client asks for, replaced without a restart.
//!
//! Client certificates are not asked for, and connections to upstreams are not this module's.

mod names;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use lockgate_config::model::{CertificateFiles, Protocol};
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::{self, Ticketer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use names::ByName;

/// Why certificates are not taken. Names files, so it is for operators and never for clients.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file cannot be read, or it holds no such PEM section.
    #[error("{}: {}", .0.display(), .1)]
    File(PathBuf, rustls_pki_types::pem::Error),
    /// The key is not the certificate's, or one of them is of no use.
    #[error("{} with {}: {}", .cert.display(), .key.display(), .source)]
    Pair {
        /// The certificate chain's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What is wrong.
        source: rustls::Error,
    },
    /// No certificate at all.
    #[error("no certificate is given")]
    Empty,
    /// The library has no random numbers or no protocol version.
    #[error("TLS cannot be set up: {0}")]
    Setup(#[from] rustls::Error),
}

/// A listener's certificates. All workers share one.
#[derive(Debug)]
pub struct CertificateStore {
    files: Vec<CertificateFiles>,
    provider: Arc<CryptoProvider>,
    current: Arc<Current>,
    acceptor: Arc<ServerConfig>,
}

/// What handshakes choose from, replaced as a whole.
#[derive(Debug)]
struct Current(ArcSwap<ByName>);

impl CertificateStore {
    /// Reads the certificates; the first one serves clients that ask for no name or for an unknown one. Offers TLS 1.2 and 1.3, and
    /// by ALPN what is to be spoken: HTTP/2 and HTTP/1.1, or, for bytes, nothing.
    ///
    /// # Errors
    /// A file is missing or broken, or a key does not belong to its certificate.
    pub fn load(files: &[CertificateFiles], protocol: &Protocol) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let current = Arc::new(Current(ArcSwap::from_pointee(read_all(files, &provider)?)));
        let builder = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
        let mut config = builder.with_no_client_auth().with_cert_resolver(current.clone());
        if *protocol == Protocol::Http {
            config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        }
        // A ticket takes no memory here, unlike the session cache, and it resumes on every worker.
        config.ticketer = Ticketer::new()?;
        config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        Ok(Self {
            files: files.to_vec(),
            provider,
            current,
            acceptor: Arc::new(config),
        })
    }

    /// Reads all files anew. Handshakes that begin from now on get the new certificates.
    ///
    /// # Errors
    /// As for [`CertificateStore::load`]; then nothing has changed.
    pub fn reload(&self) -> Result<(), TlsError> {
        let read = read_all(&self.files, &self.provider)?;
        self.current.0.store(Arc::new(read));
        Ok(())
    }

    /// Every file that is read: what to watch.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().flat_map(|pair| [&*pair.cert, &*pair.key])
    }

    /// Does the handshake on a fresh connection. Sets no limit of time.
    ///
    /// # Errors
    /// The client broke off or wants what is not offered.
    pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> io::Result<TlsStream<S>> {
        TlsAcceptor::from(self.acceptor.clone()).accept(stream).await
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load().choose(hello.server_name()).clone())
    }
}

/// All certificates or none: a listener never serves half of a change.
fn read_all(files: &[CertificateFiles], provider: &CryptoProvider) -> Result<ByName, TlsError> {
    let mut names = None;
    for pair in files {
        let key = Arc::new(read(pair, provider)?);
        match &mut names {
            None => names = Some(ByName::new(key)),
            Some(names) => names.add(key),
        }
    }
    names.ok_or(TlsError::Empty)
}

fn read(pair: &CertificateFiles, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    let cert_error = |error| TlsError::File(pair.cert.clone(), error);
    let chain = CertificateDer::pem_file_iter(&pair.cert).map_err(cert_error)?;
    let chain = chain.collect::<Result<Vec<_>, _>>().map_err(cert_error)?;
    if chain.is_empty() {
        return Err(cert_error(rustls_pki_types::pem::Error::NoItemsFound));
    }
    let key = PrivateKeyDer::from_pem_file(&pair.key).map_err(|error| TlsError::File(pair.key.clone(), error))?;
    let mismatch = |source| TlsError::Pair {
        cert: pair.cert.clone(),
        key: pair.key.clone(),
        source,
    };
    CertifiedKey::from_der(chain, key, provider).map_err(mismatch)
}

#[cfg(test)]
mod tests;
