//! Which certificates of clients are good: those that an authority of a file has issued for clients and that have not run out.
//!
//! Revocation is not looked up: an authority that is no longer to be believed is taken out of the file.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{HandshakeKind, RootCertStore, ServerConnection};
use rustls_pki_types::{CertificateDer, UnixTime};

use super::{TlsError, certificates_in};
use crate::settings::{ClientAuthority, ClientCertificates};

/// The authorities as they were read, and what judges by them.
#[derive(Debug)]
pub(super) struct Clients {
    authorities: Vec<CertificateDer<'static>>,
    verifier: Arc<dyn ClientCertVerifier>,
}

/// By the authorities: two of one listener differ in nothing else.
impl PartialEq for Clients {
    fn eq(&self, other: &Self) -> bool {
        self.authorities == other.authorities
    }
}

impl Clients {
    /// Reads the authorities.
    ///
    /// # Errors
    /// The file is missing, broken or empty, or holds what cannot be an authority.
    pub(super) fn read(authority: &ClientAuthority, provider: &Arc<CryptoProvider>) -> Result<Self, TlsError> {
        let file = || authority.ca.clone();
        let authorities = certificates_in(&authority.ca).map_err(|error| TlsError::ClientCa(file(), error))?;
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

    /// What judges during handshakes.
    pub(super) fn verifier(&self) -> Arc<dyn ClientCertVerifier> {
        self.verifier.clone()
    }

    /// Judges the certificate of a session that was resumed, which the handshake took from the ticket as it stood in there: by now it
    /// may have run out.
    ///
    /// # Errors
    /// It is not good any more.
    pub(super) fn look_again(&self, session: &ServerConnection) -> Result<(), rustls::Error> {
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
