//! Reading of certificates and keys from PEM files.

use std::path::Path;

use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::TlsError;
use crate::settings::CertificateFiles;

/// Reads a certificate chain and its key.
pub(crate) fn key_pair(pair: &CertificateFiles, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    let chain = certificates(&pair.cert).map_err(|error| TlsError::File(pair.cert.clone(), error))?;
    let key = PrivateKeyDer::from_pem_file(&pair.key).map_err(|error| TlsError::File(pair.key.clone(), error))?;
    let mismatch = |source| TlsError::Pair {
        cert: pair.cert.clone(),
        key: pair.key.clone(),
        source,
    };
    CertifiedKey::from_der(chain, key, provider).map_err(mismatch)
}

/// Reads the certificates in a PEM file, at least one.
pub(crate) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, pem::Error> {
    let certificates = CertificateDer::pem_file_iter(file)?.collect::<Result<Vec<_>, _>>()?;
    if certificates.is_empty() {
        return Err(pem::Error::NoItemsFound);
    }
    Ok(certificates)
}
