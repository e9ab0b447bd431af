//! Which certificate belongs to which name: those of its subject alternative names, exact before wildcard (RFC 6125, section 6.4).

use std::sync::Arc;

use rustc_hash::FxHashMap;
use rustls::sign::CertifiedKey;
use webpki::EndEntityCert;

/// Certificates by the names in them, all in lower case.
#[derive(Debug)]
pub(super) struct ByName {
    default: Arc<CertifiedKey>,
    exact: FxHashMap<String, Arc<CertifiedKey>>,
    /// By what stands behind `*.`; a wildcard is one label.
    wildcard: FxHashMap<String, Arc<CertifiedKey>>,
}

impl ByName {
    /// `default` serves whatever no certificate is for.
    pub(super) fn new(default: Arc<CertifiedKey>) -> Self {
        let mut names = Self {
            default: default.clone(),
            exact: FxHashMap::default(),
            wildcard: FxHashMap::default(),
        };
        names.add(default);
        names
    }

    /// Enters a certificate under its names; of two for one name, the first stays.
    pub(super) fn add(&mut self, key: Arc<CertifiedKey>) {
        let Some(certificate) = key.cert.first() else { return };
        let Ok(certificate) = EndEntityCert::try_from(certificate) else {
            return;
        };
        for name in certificate.valid_dns_names() {
            let name = name.to_ascii_lowercase();
            let (names, name) = match name.strip_prefix("*.") {
                Some(parent) => (&mut self.wildcard, parent.to_owned()),
                None => (&mut self.exact, name),
            };
            names.entry(name).or_insert_with(|| key.clone());
        }
    }

    /// The certificate for a name as the client sent it, which rustls has checked and turned to lower case.
    pub(super) fn choose(&self, name: Option<&str>) -> &Arc<CertifiedKey> {
        let Some(name) = name else { return &self.default };
        let wildcard = || name.split_once('.').and_then(|(_, parent)| self.wildcard.get(parent));
        self.exact.get(name).or_else(wildcard).unwrap_or(&self.default)
    }
}
