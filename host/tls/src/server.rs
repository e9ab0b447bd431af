//! TLS towards clients: the server side of handshakes. Certificates come from files, are selected by server name, and are replaced
//! without a restart. Client certificates are verified where a listener asks for them.

mod client_verifier;
mod sni;

use std::io;
use std::sync::Arc;

use arc_swap::ArcSwap;
use lockgate_exchange::TlsInfo;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::{self, Ticketer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, ServerConnection};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use client_verifier::ClientVerifier;
use sni::{CertificatesByName, ServerCertificate};

use crate::settings::ServerTlsSettings;
use crate::{TlsError, certificate_info, pem_files};

/// TLS of one listener. All workers share it.
#[derive(Debug)]
pub struct ServerTls {
    settings: ServerTlsSettings,
    speaks_http: bool,
    provider: Arc<CryptoProvider>,
    resolver: Arc<CertificateResolver>,
    handshake: ArcSwap<HandshakeConfig>,
}

/// The current certificates, replaced as a whole.
#[derive(Debug)]
struct CertificateResolver(ArcSwap<CertificatesByName>);

/// Configuration of handshakes, replaced when the authorities for clients change.
#[derive(Debug)]
struct HandshakeConfig {
    config: Arc<ServerConfig>,
    verifier: Option<ClientVerifier>,
}

impl ServerTls {
    /// Reads the certificates. The first one is for clients that ask for no name or for an unknown one. Offers TLS 1.2 and 1.3 and, if
    /// the listener speaks HTTP, HTTP/2 and HTTP/1.1 by ALPN.
    ///
    /// # Errors
    /// A file is missing or broken, or a key does not belong to its certificate.
    pub fn load(settings: &ServerTlsSettings, speaks_http: bool) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let resolver = Arc::new(CertificateResolver(ArcSwap::from_pointee(read_certificates(
            settings, &provider,
        )?)));
        let verifier = client_verifier(settings, &provider)?;
        let handshake = HandshakeConfig::new(verifier, speaks_http, &provider, &resolver)?;
        Ok(Self {
            settings: settings.clone(),
            speaks_http,
            provider,
            resolver,
            handshake: ArcSwap::from_pointee(handshake),
        })
    }

    /// Reads all files again. Later handshakes use the new certificates, and clients must show one of the new authorities.
    ///
    /// # Errors
    /// As for [`ServerTls::load`]; then nothing has changed.
    pub fn reload(&self) -> Result<(), TlsError> {
        let read = read_certificates(&self.settings, &self.provider)?;
        let verifier = client_verifier(&self.settings, &self.provider)?;
        if verifier != self.handshake.load().verifier {
            let handshake = HandshakeConfig::new(verifier, self.speaks_http, &self.provider, &self.resolver)?;
            self.handshake.store(Arc::new(handshake));
        }
        self.resolver.0.store(Arc::new(read));
        Ok(())
    }

    /// Does the handshake of a new connection, without a time limit.
    ///
    /// # Errors
    /// The client disconnected, asked for something that is not offered, or has not shown a required certificate.
    pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> io::Result<TlsStream<S>> {
        let handshake = self.handshake.load_full();
        let stream = TlsAcceptor::from(handshake.config.clone()).accept(stream).await?;
        if let Some(verifier) = &handshake.verifier {
            verifier.verify_resumed(stream.get_ref().1).map_err(io::Error::other)?;
        }
        Ok(stream)
    }

    /// The facts of a handshake that plugins can read.
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
            local: Some(self.resolver.0.load().select(session.server_name()).info.clone()),
            peer: peer.map(|peer| Arc::new(certificate_info::read(peer))),
        }
    }
}

impl HandshakeConfig {
    /// A configuration with its own ticket keys: after a change of authorities, clients must show a certificate again.
    fn new(
        verifier: Option<ClientVerifier>,
        speaks_http: bool,
        provider: &Arc<CryptoProvider>,
        resolver: &Arc<CertificateResolver>,
    ) -> Result<Self, TlsError> {
        let builder = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
        let builder = match &verifier {
            Some(verifier) => builder.with_client_cert_verifier(verifier.verifier()),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(resolver.clone());
        if speaks_http {
            config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        }
        // Unlike a session cache, tickets take no memory here and resume on every worker.
        config.ticketer = Ticketer::new()?;
        config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        let config = Arc::new(config);
        Ok(Self { config, verifier })
    }
}

impl ResolvesServerCert for CertificateResolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load().select(hello.server_name()).key.clone())
    }
}

fn client_verifier(
    settings: &ServerTlsSettings,
    provider: &Arc<CryptoProvider>,
) -> Result<Option<ClientVerifier>, TlsError> {
    let clients = settings.clients.as_ref();
    clients
        .map(|authority| ClientVerifier::read(authority, provider))
        .transpose()
}

/// Reads all certificates, or none: a listener never uses half of a change.
fn read_certificates(settings: &ServerTlsSettings, provider: &CryptoProvider) -> Result<CertificatesByName, TlsError> {
    let mut names = None;
    for pair in &settings.certificates {
        let certificate = Arc::new(ServerCertificate::new(pem_files::key_pair(pair, provider)?));
        match &mut names {
            None => names = Some(CertificatesByName::new(certificate)),
            Some(names) => names.add(certificate),
        }
    }
    names.ok_or(TlsError::Empty)
}

#[cfg(test)]
mod tests;
