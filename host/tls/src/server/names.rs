//! Which certificate belongs to which name: those of its subject alternative names, exact before wildcard (RFC 6125, section 6.4).

use std::sync::Arc;

use lockgate_exchange::CertificateInfo;
use rustc_hash::FxHashMap;
use rustls::sign::CertifiedKey;
use webpki::EndEntityCert;

use super::certificate;

/// A certificate with its key, and what plugins are told of it.
#[derive(Debug)]
pub(super) struct Served {
    pub(super) key: Arc<CertifiedKey>,
    pub(super) info: Arc<CertificateInfo>,
}

impl Served {
    /// Reads the facts.
    pub(super) fn new(key: CertifiedKey) -> Self {
        let info = key.cert.first().map(|own| certificate::info(own)).unwrap_or_default();
        Self {
            key: Arc::new(key),
            info: Arc::new(info),
        }
    }
}

/// Certificates by the names in them, all in lower case.
#[derive(Debug)]
pub(super) struct ByName {
    default: Arc<Served>,
    exact: FxHashMap<String, Arc<Served>>,
    /// By what stands behind `*.`; a wildcard is one label.
    wildcard: FxHashMap<String, Arc<Served>>,
}

impl ByName {
    /// `default` serves whatever no certificate is for.
    pub(super) fn new(default: Arc<Served>) -> Self {
        let mut names = Self {
            default: default.clone(),
            exact: FxHashMap::default(),
            wildcard: FxHashMap::default(),
        };
        names.add(default);
        names
    }

    /// Enters a certificate under its names; of two for one name, the first stays.
    pub(super) fn add(&mut self, served: Arc<Served>) {
        let Some(certificate) = served.key.cert.first() else {
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
            names.entry(name).or_insert_with(|| served.clone());
        }
    }

    /// The certificate for a name as the client sent it, which rustls has checked and turned to lower case.
    pub(super) fn choose(&self, name: Option<&str>) -> &Arc<Served> {
        let Some(name) = name else { return &self.default };
        let wildcard = || name.split_once('.').and_then(|(_, parent)| self.wildcard.get(parent));
        self.exact.get(name).or_else(wildcard).unwrap_or(&self.default)
    }
}
