//! Verification of client certificates: issued for clients by an authority of the file, and not expired.
//!
//! Revocation is not looked up. To distrust an authority, operators remove it from the file.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{HandshakeKind, RootCertStore, ServerConnection};
use rustls_pki_types::{CertificateDer, UnixTime};

use crate::settings::{ClientAuthority, ClientCertificates};
use crate::{TlsError, pem_files};

/// The authorities of a file, and rustls' verifier for them.
#[derive(Debug)]
pub(super) struct ClientVerifier {
    authorities: Vec<CertificateDer<'static>>,
    verifier: Arc<dyn ClientCertVerifier>,
}

/// Compares the authorities: two verifiers of one listener differ in nothing else.
impl PartialEq for ClientVerifier {
    fn eq(&self, other: &Self) -> bool {
        self.authorities == other.authorities
    }
}

impl ClientVerifier {
    /// Reads the authorities.
    ///
    /// # Errors
    /// The file is missing, broken or empty, or a certificate in it is not an authority's.
    pub(super) fn read(authority: &ClientAuthority, provider: &Arc<CryptoProvider>) -> Result<Self, TlsError> {
        let file = || authority.ca.clone();
        let authorities = pem_files::certificates(&authority.ca).map_err(|error| TlsError::ClientCa(file(), error))?;
        let mut roots = RootCertStore::empty();
        for certificate in &authorities {
            let added = roots.add(certificate.clone());
            added.map_err(|error| TlsError::Authority(file(), error.to_string()))?;
        }
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
        let builder = match authority.certificates {
            ClientCertificates::Required => builder,
            ClientCertificates::Optional => builder.allow_unauthenticated(),
        };
        let built = builder.build();
        let verifier = built.map_err(|error| TlsError::Authority(file(), error.to_string()))?;
        Ok(Self { authorities, verifier })
    }

    /// The verifier for handshakes.
    pub(super) fn verifier(&self) -> Arc<dyn ClientCertVerifier> {
        self.verifier.clone()
    }

    /// Verifies the certificate of a resumed session. The handshake took it from the ticket, unverified, and it may have expired since.
    ///
    /// # Errors
    /// The certificate is no longer valid.
    pub(super) fn verify_resumed(&self, session: &ServerConnection) -> Result<(), rustls::Error> {
        let resumed = session.handshake_kind() == Some(HandshakeKind::Resumed);
        match session.peer_certificates() {
            Some([own, intermediates @ ..]) if resumed => {
                let verified = self.verifier.verify_client_cert(own, intermediates, UnixTime::now());
                verified.map(drop)
            }
            _ => Ok(()),
        }
    }
}
