//! The authorities that endpoints' certificates may be from: those of a file, or those that the system trusts.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;

use crate::{TlsError, pem_files};

/// Where systems keep the authorities that they trust.
const FILES: [&str; 6] = [
    // Debian, Ubuntu, Arch, Gentoo
    "/etc/ssl/certs/ca-certificates.crt",
    // Fedora, RHEL
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    // openSUSE
    "/etc/ssl/ca-bundle.pem",
    // Alpine, FreeBSD, macOS
    "/etc/ssl/cert.pem",
    "/usr/local/etc/ssl/cert.pem",
];

/// Authorities.
pub(super) struct Roots {
    pub(super) certificates: Vec<CertificateDer<'static>>,
    pub(super) store: Arc<RootCertStore>,
}

impl Roots {
    /// Those of a file, all of which must be usable.
    pub(super) fn of_file(file: &Path) -> Result<Self, TlsError> {
        let certificates = pem_files::certificates(file).map_err(|error| TlsError::Ca(file.to_owned(), error))?;
        let mut store = RootCertStore::empty();
        for certificate in &certificates {
            let added = store.add(certificate.clone());
            added.map_err(|error| TlsError::CaCertificate(file.to_owned(), error.to_string()))?;
        }
        Ok(Self {
            certificates,
            store: Arc::new(store),
        })
    }

    /// Those of files of the system, as far as they are usable.
    fn of_system(files: &[PathBuf]) -> Option<Self> {
        let all = files.iter().filter_map(|file| pem_files::certificates(file).ok());
        let certificates: Vec<_> = all.flatten().collect();
        let mut store = RootCertStore::empty();
        let (added, _) = store.add_parsable_certificates(certificates.iter().cloned());
        (added > 0).then(|| Self {
            certificates,
            store: Arc::new(store),
        })
    }
}

/// The authorities that the system trusts, read once for all upstreams of a configuration, if any needs them.
#[derive(Default)]
pub struct SystemRoots(Option<Arc<Roots>>);

impl SystemRoots {
    /// The authorities of `SSL_CERT_FILE` and `SSL_CERT_DIR`, if these are set as OpenSSL reads them; else of the first usual file.
    pub(super) fn get(&mut self) -> Result<Arc<Roots>, TlsError> {
        if let Some(roots) = &self.0 {
            return Ok(roots.clone());
        }
        let places = Self::places();
        let read = match env::var_os("SSL_CERT_FILE").is_some() || env::var_os("SSL_CERT_DIR").is_some() {
            true => Roots::of_system(&places),
            false => places
                .iter()
                .find_map(|file| Roots::of_system(std::slice::from_ref(file))),
        };
        let roots = Arc::new(read.ok_or(TlsError::NoSystemRoots(places))?);
        Ok(self.0.insert(roots).clone())
    }

    /// The files that are looked at.
    fn places() -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = env::var_os("SSL_CERT_FILE").map(PathBuf::from).into_iter().collect();
        for folder in env::var_os("SSL_CERT_DIR").iter().flat_map(env::split_paths) {
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            files.extend(entries.map(|entry| entry.path()));
        }
        match files.is_empty() {
            true => FILES.iter().map(PathBuf::from).collect(),
            false => files,
        }
    }
}
