//! Files of TLS towards upstreams: what counts as a change, and what a broken one says.

use std::fs;
use std::path::Path;

use rcgen::{CertificateParams, KeyPair};

use super::*;

fn write_pair(folder: &Path, name: &str) {
    let made = rcgen::generate_simple_self_signed([format!("{name}.test")]).unwrap();
    fs::write(folder.join(format!("{name}.pem")), made.cert.pem()).unwrap();
    fs::write(folder.join(format!("{name}.key")), made.signing_key.serialize_pem()).unwrap();
}

fn settings(folder: &Path) -> TlsSettings {
    TlsSettings {
        ca: Some(folder.join("ca.pem")),
        cert: Some(folder.join("client.pem")),
        key: Some(folder.join("client.key")),
        ..TlsSettings::default()
    }
}

#[test]
fn what_a_file_holds_makes_the_difference_and_not_that_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    write_pair(here, "ca");
    write_pair(here, "client");
    let digest = || {
        Read::new(&settings(here), &mut SystemRoots::default())
            .unwrap()
            .digest()
    };
    let first = digest();
    fs::write(here.join("ca.pem"), fs::read(here.join("ca.pem")).unwrap()).unwrap();
    assert_eq!(digest(), first);
    write_pair(here, "client");
    let second = digest();
    assert_ne!(second, first);
    write_pair(here, "ca");
    assert_ne!(digest(), second);
}

#[test]
fn a_broken_file_is_told_at_its_setting() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    write_pair(here, "ca");
    write_pair(here, "client");
    let setting = || {
        let error = ClientTls::load(&settings(here), &mut SystemRoots::default()).unwrap_err();
        error.upstream_setting()
    };
    fs::write(here.join("client.key"), "nothing").unwrap();
    assert_eq!(setting(), Some("key"));
    let other = KeyPair::generate().unwrap();
    fs::write(here.join("client.key"), other.serialize_pem()).unwrap();
    assert_eq!(setting(), Some("key"));
    fs::write(here.join("client.pem"), "nothing").unwrap();
    assert_eq!(setting(), Some("cert"));
    fs::write(here.join("ca.pem"), "nothing").unwrap();
    assert_eq!(setting(), Some("ca"));
}

#[test]
fn a_certificate_that_is_itself_trusted_is_held_to_its_name_and_its_time() {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["orders.test".to_owned()]).unwrap();
    // As `openssl req -x509` makes them.
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2030, 1, 1);
    let certificate = params.self_signed(&key).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    fs::write(&file, certificate.pem()).unwrap();
    let provider = Arc::new(ring_provider::default_provider());
    let verifier = Verifier::new(&Roots::of_file(&file).unwrap(), &provider).unwrap();
    let verify = |name: &str, seconds| {
        let now = rustls_pki_types::UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
        let name = rustls_pki_types::ServerName::try_from(name.to_owned()).unwrap();
        let verified = verifier.verify_server_cert(certificate.der(), &[], &name, &[], now);
        verified.map(drop).map_err(|error| error.to_string())
    };
    let in_time = 1_750_000_000;
    assert_eq!(verify("orders.test", in_time), Ok(()));
    assert!(
        verify("other.test", in_time)
            .unwrap_err()
            .contains("not valid for name")
    );
    assert!(verify("orders.test", 2_000_000_000).unwrap_err().contains("expired"));
    assert!(
        verify("orders.test", 1_000_000_000)
            .unwrap_err()
            .contains("not valid yet")
    );
}
