//! Reading of certificates and keys from PEM files.

use std::fs;
use std::path::{Path, PathBuf};

use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::settings::CertificateFiles;
use crate::{TlsError, certificate_info};

/// Reads a listener's certificate chain and its key.
pub(crate) fn key_pair(pair: &CertificateFiles, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    read_pair(pair, provider, TlsError::Version1)
}

/// Reads the certificate chain that upstreams are shown, and its key.
pub(crate) fn client_key_pair(pair: &CertificateFiles, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    read_pair(pair, provider, TlsError::ClientVersion1)
}

fn read_pair(
    pair: &CertificateFiles,
    provider: &CryptoProvider,
    version_1: fn(PathBuf) -> TlsError,
) -> Result<CertifiedKey, TlsError> {
    let chain = certificates(&pair.cert).map_err(|error| TlsError::File(pair.cert.clone(), error))?;
    if chain.first().is_some_and(|own| certificate_info::is_version_1(own)) {
        return Err(version_1(pair.cert.clone()));
    }
    let key = PrivateKeyDer::from_pem_file(&pair.key).map_err(|error| {
        if is_encrypted(&pair.key) {
            TlsError::EncryptedKey(pair.key.clone())
        } else {
            TlsError::Key(pair.key.clone(), error)
        }
    })?;
    let mismatch = |source| TlsError::Pair {
        cert: pair.cert.clone(),
        key: pair.key.clone(),
        source,
    };
    CertifiedKey::from_der(chain, key, provider).map_err(mismatch)
}

/// Whether a PEM file has a key that needs a passphrase: PKCS #8 (RFC 5958), or the older form with a header (RFC 1421).
fn is_encrypted(file: &Path) -> bool {
    let text = fs::read_to_string(file).unwrap_or_default();
    let mut lines = text.lines();
    lines.any(|line| line == "-----BEGIN ENCRYPTED PRIVATE KEY-----" || line == "Proc-Type: 4,ENCRYPTED")
}

/// Reads the certificates in a PEM file, at least one.
pub(crate) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, pem::Error> {
    let certificates = CertificateDer::pem_file_iter(file)?.collect::<Result<Vec<_>, _>>()?;
    if certificates.is_empty() {
        return Err(pem::Error::NoItemsFound);
    }
    Ok(certificates)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};
    use rustls::crypto::ring;

    use super::*;

    /// The error of a pair with this certificate and this key.
    fn refused(cert: &str, key: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let pair = CertificateFiles {
            cert: folder.path().join("api.pem"),
            key: folder.path().join("api.key"),
        };
        fs::write(&pair.cert, cert).unwrap();
        fs::write(&pair.key, key).unwrap();
        let error = key_pair(&pair, &ring::default_provider()).unwrap_err().to_string();
        error.replace(&format!("{}/", folder.path().display()), "")
    }

    #[test]
    fn a_key_with_a_passphrase_is_refused_in_words() {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["api.test".to_owned()]).unwrap();
        let cert = params.self_signed(&key).unwrap().pem();
        let expected = "api.key: the private key is encrypted, and nobody could enter its passphrase at a start; \
                        `openssl pkey -in api.key -out plain.key` decrypts it";
        let body = "TG9ja2dhdGU=\n";
        for encrypted in [
            format!("-----BEGIN ENCRYPTED PRIVATE KEY-----\n{body}-----END ENCRYPTED PRIVATE KEY-----\n"),
            format!(
                "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n{body}-----END RSA PRIVATE KEY-----\n"
            ),
        ] {
            assert_eq!(refused(&cert, &encrypted), expected);
        }
    }

    #[test]
    fn a_certificate_of_version_1_is_refused_in_words() {
        let key = KeyPair::generate().unwrap();
        // Its beginning, 30 05 30 03 02 01 07: the serial number where the version would be, as `openssl x509 -req` makes it without
        // extensions.
        let cert = "-----BEGIN CERTIFICATE-----\nMAUwAwIBBw==\n-----END CERTIFICATE-----\n";
        assert_eq!(
            refused(cert, &key.serialize_pem()),
            "api.pem: it is an X.509 version 1 certificate, which TLS libraries do not accept for a server, expected version 3: \
             issue it with extensions such as subjectAltName"
        );
    }
}
