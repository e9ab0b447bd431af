//! Real handshakes over a pipe in memory, and what the client got.

mod mutual;

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tempfile::TempDir;
use tokio_rustls::TlsConnector;

use super::ServerTls;
use crate::TlsError;
use crate::settings::{CertificateFiles, ServerTlsSettings};

/// Writes a new certificate for `names` to `NAME.pem` and `NAME.key` and returns it.
fn issue(folder: &Path, name: &str, names: &[&str]) -> (CertificateFiles, CertificateDer<'static>) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let files = CertificateFiles {
        cert: folder.join(format!("{name}.pem")),
        key: folder.join(format!("{name}.key")),
    };
    std::fs::write(&files.cert, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    (files, made.cert.der().clone())
}

fn store(certificates: &[CertificateFiles]) -> Result<ServerTls, TlsError> {
    let settings = ServerTlsSettings {
        certificates: certificates.to_vec(),
        clients: None,
    };
    ServerTls::load(&settings, true)
}

/// Takes any certificate: which one came is what the tests look at.
#[derive(Debug)]
struct Anything;

impl ServerCertVerifier for Anything {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ring::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// What a client saw: the certificate and the protocol.
async fn handshake(store: &ServerTls, name: &str, alpn: &[&str]) -> (CertificateDer<'static>, Option<String>) {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let mut config = builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anything))
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    let (near, far) = tokio::io::duplex(64 * 1024);
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let (client, server) = tokio::join!(connector.connect(name, near), store.accept(far));
    let protocol = server
        .unwrap()
        .get_ref()
        .1
        .alpn_protocol()
        .map(|name| String::from_utf8(name.to_vec()).unwrap());
    let client = client.unwrap();
    (
        client.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned(),
        protocol,
    )
}

async fn server_certificate(store: &ServerTls, name: &str) -> CertificateDer<'static> {
    handshake(store, name, &["http/1.1"]).await.0
}

#[tokio::test]
async fn the_server_name_selects_the_certificate() {
    let folder = TempDir::new().unwrap();
    let (first, default) = issue(folder.path(), "first", &["default.example"]);
    let (second, wildcard) = issue(folder.path(), "second", &["*.shop.example", "shop.example"]);
    let (third, exact) = issue(folder.path(), "third", &["Pay.shop.example"]);
    let store = store(&[first, second, third]).unwrap();
    for (name, expected) in [
        ("default.example", &default),
        ("shop.example", &wildcard),
        ("a.shop.example", &wildcard),
        ("A.Shop.Example", &wildcard),
        ("pay.shop.example", &exact),
        ("a.b.shop.example", &default),
        ("unknown.example", &default),
        ("127.0.0.1", &default),
    ] {
        assert_eq!(&server_certificate(&store, name).await, expected, "{name}");
    }
}

#[tokio::test]
async fn alpn_prefers_http2_and_falls_back() {
    let folder = TempDir::new().unwrap();
    let (files, _) = issue(folder.path(), "a", &["a.example"]);
    let store = store(&[files]).unwrap();
    assert_eq!(
        handshake(&store, "a.example", &["http/1.1", "h2"]).await.1.as_deref(),
        Some("h2")
    );
    assert_eq!(
        handshake(&store, "a.example", &["http/1.1"]).await.1.as_deref(),
        Some("http/1.1")
    );
    assert_eq!(handshake(&store, "a.example", &[]).await.1, None);
}

#[tokio::test]
async fn the_next_handshake_gets_a_replaced_certificate() {
    let folder = TempDir::new().unwrap();
    let (files, before) = issue(folder.path(), "a", &["a.example"]);
    let store = store(&[files]).unwrap();
    assert_eq!(server_certificate(&store, "a.example").await, before);
    let (_, after) = issue(folder.path(), "a", &["b.example"]);
    store.reload().unwrap();
    assert_ne!(before, after);
    assert_eq!(server_certificate(&store, "a.example").await, after);
}

#[tokio::test]
async fn a_broken_replacement_changes_nothing() {
    let folder = TempDir::new().unwrap();
    let (one, first) = issue(folder.path(), "one", &["one.example"]);
    let (two, second) = issue(folder.path(), "two", &["two.example"]);
    let store = store(&[one.clone(), two.clone()]).unwrap();
    let good = std::fs::read(&two.cert).unwrap();

    issue(folder.path(), "one", &["one.example"]);
    let (foreign, _) = issue(folder.path(), "foreign", &["two.example"]);
    for broken in [
        &b""[..],
        b"not PEM",
        &good[..good.len() / 2],
        &std::fs::read(&foreign.cert).unwrap(),
    ] {
        std::fs::write(&two.cert, broken).unwrap();
        store.reload().unwrap_err();
        assert_eq!(server_certificate(&store, "one.example").await, first);
        assert_eq!(server_certificate(&store, "two.example").await, second);
    }
    std::fs::remove_file(&two.cert).unwrap();
    assert!(matches!(store.reload(), Err(TlsError::File(path, _)) if path == two.cert));
    std::fs::write(&two.cert, good).unwrap();
    store.reload().unwrap();
    assert_ne!(server_certificate(&store, "one.example").await, first);
    assert_eq!(server_certificate(&store, "two.example").await, second);
}

#[test]
fn a_key_of_another_certificate_is_refused_with_both_files_named() {
    let folder = TempDir::new().unwrap();
    let (one, _) = issue(folder.path(), "one", &["one.example"]);
    let (two, _) = issue(folder.path(), "two", &["two.example"]);
    let error = store(&[CertificateFiles {
        cert: one.cert,
        key: two.key,
    }])
    .unwrap_err()
    .to_string();
    assert!(error.contains("one.pem") && error.contains("two.key"), "{error}");
    assert!(matches!(store(&[]), Err(TlsError::Empty)));
}
