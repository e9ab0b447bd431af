//! Selection of the server's certificate by SNI: by subject alternative names, exact before wildcard (RFC 6125, section 6.4).

use std::sync::Arc;

use lockgate_exchange::CertificateInfo;
use rustc_hash::FxHashMap;
use rustls::sign::CertifiedKey;
use webpki::EndEntityCert;

use crate::certificate_info;

/// A certificate with its key, and its facts for plugins.
#[derive(Debug)]
pub(super) struct ServerCertificate {
    pub(super) key: Arc<CertifiedKey>,
    pub(super) info: Arc<CertificateInfo>,
}

impl ServerCertificate {
    /// Reads the facts of a certificate.
    pub(super) fn new(key: CertifiedKey) -> Self {
        let info = key
            .cert
            .first()
            .map(|own| certificate_info::read(own))
            .unwrap_or_default();
        Self {
            key: Arc::new(key),
            info: Arc::new(info),
        }
    }
}

/// Certificates by the names in them, all in lower case.
#[derive(Debug)]
pub(super) struct CertificatesByName {
    default: Arc<ServerCertificate>,
    exact: FxHashMap<String, Arc<ServerCertificate>>,
    /// By the part after `*.`; a wildcard is one label.
    wildcard: FxHashMap<String, Arc<ServerCertificate>>,
}

impl CertificatesByName {
    /// A map in which `default` is for all names without a certificate.
    pub(super) fn new(default: Arc<ServerCertificate>) -> Self {
        let mut names = Self {
            default: default.clone(),
            exact: FxHashMap::default(),
            wildcard: FxHashMap::default(),
        };
        names.add(default);
        names
    }

    /// Adds a certificate under its names. Of two for one name, the first stays.
    pub(super) fn add(&mut self, entry: Arc<ServerCertificate>) {
        let Some(certificate) = entry.key.cert.first() else {
            return;
        };
        let Ok(certificate) = EndEntityCert::try_from(certificate) else {
            return;
        };
        for name in certificate.valid_dns_names() {
            let name = name.to_ascii_lowercase();
            let (names, name) = match name.strip_prefix("*.") {
                Some(parent) => (&mut self.wildcard, parent.to_owned()),
                None => (&mut self.exact, name),
            };
            names.entry(name).or_insert_with(|| entry.clone());
        }
    }

    /// The certificate for the client's server name, which rustls has checked and turned to lower case.
    pub(super) fn select(&self, name: Option<&str>) -> &Arc<ServerCertificate> {
        let Some(name) = name else { return &self.default };
        let wildcard = || name.split_once('.').and_then(|(_, parent)| self.wildcard.get(parent));
        self.exact.get(name).or_else(wildcard).unwrap_or(&self.default)
    }
}
