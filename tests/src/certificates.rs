//! Certificates made for a test.

use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, DnValue, IsCa, Issuer, KeyPair, SanType};
use std::fs;
use std::path::Path;
use std::time::Duration;

use time::OffsetDateTime;

/// Writes a self-signed certificate for a name as `NAME.pem` and `NAME.key`, each in one step, over what was there. Answers the
/// certificate as PEM.
///
/// # Panics
/// When the folder is not writable.
pub fn write(folder: &Path, file: &str, host: &str) -> String {
    let made = rcgen::generate_simple_self_signed([host.to_string()]).expect("the name is a DNS name");
    let pem = made.cert.pem();
    place(folder, &format!("{file}.key"), &made.signing_key.serialize_pem());
    place(folder, &format!("{file}.pem"), &pem);
    pem
}

/// Writes a self-signed certificate that became valid so long ago, and ends so long from now; none: it ended 30 days ago.
///
/// # Panics
/// When the folder is not writable.
pub fn write_valid(folder: &Path, file: &str, began: Duration, ends: Option<Duration>) {
    const MONTH: Duration = Duration::from_secs(30 * 24 * 60 * 60);
    let key = KeyPair::generate().expect("a key can be made");
    let mut params = CertificateParams::new([format!("{file}.test")]).expect("the name is a DNS name");
    let now = OffsetDateTime::now_utc();
    params.not_before = now - began;
    params.not_after = ends.map_or(now - MONTH - Duration::from_secs(60), |ends| now + ends);
    let certificate = params.self_signed(&key).expect("a certificate can be signed");
    place(folder, &format!("{file}.key"), &key.serialize_pem());
    place(folder, &format!("{file}.pem"), &certificate.pem());
}

/// An authority that issues certificates.
#[derive(Debug)]
pub struct Authority(Issuer<'static, KeyPair>);

/// What is in a certificate: the parts of its subject in their order, and its names.
#[derive(Debug, Default)]
pub struct Contents {
    /// Types and values.
    pub subject: Vec<(DnType, DnValue)>,
    /// DNS names.
    pub dns: Vec<&'static str>,
    /// URIs.
    pub uris: Vec<&'static str>,
    /// The years in which it begins and ends to be valid; none: it is valid now.
    pub years: Option<(i32, i32)>,
}

impl Authority {
    /// A new one; its own certificate is written in one step.
    ///
    /// # Panics
    /// When the folder is not writable.
    #[must_use]
    pub fn write(folder: &Path, file: &str) -> Self {
        let key = KeyPair::generate().expect("a key can be made");
        let mut params = CertificateParams::new([]).expect("no name is wrong");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("a certificate can be signed");
        place(folder, &format!("{file}.pem"), &certificate.pem());
        Self(Issuer::new(params, key))
    }

    /// Writes a certificate of this authority as `NAME.pem` and `NAME.key`.
    ///
    /// # Panics
    /// When the folder is not writable, or a name cannot be in a certificate.
    pub fn issue(&self, folder: &Path, file: &str, contents: &Contents) {
        let key = KeyPair::generate().expect("a key can be made");
        let dns: Vec<_> = contents.dns.iter().map(|name| (*name).to_string()).collect();
        let mut params = CertificateParams::new(dns).expect("the names are DNS names");
        params.distinguished_name = DistinguishedName::new();
        for (kind, value) in &contents.subject {
            params.distinguished_name.push(kind.clone(), value.clone());
        }
        if let Some((from, until)) = contents.years {
            params.not_before = rcgen::date_time_ymd(from, 1, 1);
            params.not_after = rcgen::date_time_ymd(until, 1, 1);
        }
        let uris = contents.uris.iter();
        let uris = uris.map(|uri| SanType::URI((*uri).try_into().expect("a URI is ASCII")));
        params.subject_alt_names.extend(uris);
        let certificate = params.signed_by(&key, &self.0).expect("a certificate can be signed");
        place(folder, &format!("{file}.key"), &key.serialize_pem());
        place(folder, &format!("{file}.pem"), &certificate.pem());
    }
}

fn place(folder: &Path, file: &str, text: &str) {
    let part = folder.join(format!(".{file}.part"));
    fs::write(&part, text)
        .and_then(|()| fs::rename(&part, folder.join(file)))
        .expect("the folder is writable");
}
