//! TLS towards upstreams: the client side of handshakes. Files are read here, and replaced without a restart; handshakes are done by
//! `lockgate_client`.

mod roots;
mod verifier;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use lockgate_client::{TlsClient, TlsMaterial, TlsSettings};
use ring::digest::{Context, SHA256};
use rustls::ClientConfig;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring as ring_provider;
use rustls::sign::CertifiedKey;

use self::roots::Roots;
pub use self::roots::SystemRoots;
use self::verifier::{NotVerified, Verifier};
use crate::settings::CertificateFiles;
use crate::{TlsError, pem_files};

/// TLS of one upstream. All workers share it.
pub struct ClientTls {
    settings: TlsSettings,
    client: Arc<TlsClient>,
    /// What the current files hold.
    digest: Mutex<Digest>,
}

type Digest = [u8; 32];

impl ClientTls {
    /// Reads the files that the settings name. `system` has the authorities of the system, if they name none.
    ///
    /// # Errors
    /// A file is missing or broken, a key does not belong to its certificate, or the system trusts nobody.
    pub fn load(settings: &TlsSettings, system: &mut SystemRoots) -> Result<Self, TlsError> {
        let server_name = settings.parsed_server_name().map_err(|_| TlsError::ServerName)?;
        let read = Read::new(settings, system)?;
        let digest = read.digest();
        Ok(Self {
            settings: settings.clone(),
            client: Arc::new(TlsClient::new(server_name, read.into_material()?)),
            digest: Mutex::new(digest),
        })
    }

    /// Reads the files again. If one has changed, connections from now on are made with what it holds now, and older ones are not used
    /// for further requests.
    ///
    /// # Errors
    /// As for [`ClientTls::load`]; then nothing has changed.
    pub fn reload(&self, system: &mut SystemRoots) -> Result<(), TlsError> {
        let read = Read::new(&self.settings, system)?;
        let digest = read.digest();
        let mut current = self.digest.lock().unwrap_or_else(PoisonError::into_inner);
        if *current != digest {
            self.client.replace(read.into_material()?);
            *current = digest;
        }
        Ok(())
    }

    /// What connections are made with.
    #[must_use]
    pub fn client(&self) -> &Arc<TlsClient> {
        &self.client
    }

    /// The settings that it was made of.
    #[must_use]
    pub fn settings(&self) -> &TlsSettings {
        &self.settings
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ClientTls")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// The content of the files of one upstream.
struct Read {
    provider: Arc<CryptoProvider>,
    /// None: nothing is verified.
    roots: Option<Arc<Roots>>,
    pair: Option<(CertificateFiles, CertifiedKey)>,
    key_digest: Digest,
}

impl Read {
    fn new(settings: &TlsSettings, system: &mut SystemRoots) -> Result<Self, TlsError> {
        let provider = Arc::new(ring_provider::default_provider());
        let roots = match (settings.verify, &settings.ca) {
            (false, _) => None,
            (true, Some(file)) => Some(Arc::new(Roots::of_file(file)?)),
            (true, None) => Some(system.get()?),
        };
        let pair = match (&settings.cert, &settings.key) {
            (Some(cert), Some(key)) => Some(CertificateFiles {
                cert: cert.clone(),
                key: key.clone(),
            }),
            _ => None,
        };
        let mut key_digest = [0; 32];
        let pair = match pair {
            Some(files) => {
                let key = pem_files::client_key_pair(&files, &provider)?;
                // The key alone is not readable any more; its file is.
                let text = std::fs::read(&files.key).unwrap_or_default();
                key_digest.copy_from_slice(ring::digest::digest(&SHA256, &text).as_ref());
                Some((files, key))
            }
            None => None,
        };
        Ok(Self {
            provider,
            roots,
            pair,
            key_digest,
        })
    }

    /// Differs if any certificate or key does.
    fn digest(&self) -> Digest {
        let mut context = Context::new(&SHA256);
        if let Some(roots) = &self.roots {
            roots
                .certificates
                .iter()
                .for_each(|certificate| update(&mut context, certificate));
        }
        update(&mut context, &[]);
        if let Some((_, pair)) = &self.pair {
            pair.cert
                .iter()
                .for_each(|certificate| update(&mut context, certificate));
            update(&mut context, &self.key_digest);
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(context.finish().as_ref());
        digest
    }

    fn into_material(self) -> Result<TlsMaterial, TlsError> {
        let Self {
            provider, roots, pair, ..
        } = self;
        let verifier: Option<Arc<dyn ServerCertVerifier>> = match roots {
            Some(roots) => Some(Arc::new(Verifier::new(&roots, &provider)?)),
            None => None,
        };
        let builder = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
        let builder = builder.dangerous().with_custom_certificate_verifier(match &verifier {
            Some(verifier) => verifier.clone(),
            None => Arc::new(NotVerified::new(&provider)),
        });
        let has_certificate = pair.is_some();
        // Sessions that can be resumed belong to the configuration, and so to this material alone.
        let config = match pair {
            Some((_, key)) => builder.with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(key))),
            None => builder.with_no_client_auth(),
        };
        Ok(TlsMaterial {
            config: Arc::new(config),
            verifier,
            has_certificate,
        })
    }
}

/// Adds a piece with its length, so that two lists of pieces are never the same bytes.
fn update(context: &mut Context, piece: &[u8]) {
    context.update(&piece.len().to_be_bytes());
    context.update(piece);
}

#[cfg(test)]
mod tests;
