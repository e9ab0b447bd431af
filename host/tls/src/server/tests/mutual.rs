//! Handshakes in which the client shows a certificate, and what is read from it.

use std::io;
use std::path::Path;
use std::sync::Arc;

use lockgate_exchange::TlsInfo;
use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, SanType};
use rustls::crypto::ring;
use rustls::{ClientConfig, HandshakeKind};
use rustls_pki_types::{PrivateKeyDer, ServerName};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;

use super::super::client_verifier::ClientVerifier;
use super::super::{HandshakeConfig, ServerTls};
use super::{Anything, issue};
use crate::settings::{ClientAuthority, ClientCertificates, ServerTlsSettings};
use crate::{TlsError, certificate_info};

type Authority = Issuer<'static, KeyPair>;

/// Writes a new authority to `clients.pem`.
fn authority(folder: &Path) -> Authority {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).unwrap();
    std::fs::write(folder.join("clients.pem"), certificate.pem()).unwrap();
    Issuer::new(params, key)
}

/// A client that any server is good for, with a certificate of this authority. Its sessions can be resumed.
fn client_of(authority: Option<&Authority>) -> Arc<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(Anything));
    let Some(authority) = authority else {
        return Arc::new(builder.with_no_client_auth());
    };
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["client.example".to_owned()]).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Shop, Inc.");
    params.distinguished_name.push(DnType::CommonName, "J\u{fc}rgen");
    params
        .subject_alt_names
        .push(SanType::URI("spiffe://shop/orders".try_into().unwrap()));
    let certificate = params.signed_by(&key, authority).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    Arc::new(
        builder
            .with_client_auth_cert(vec![certificate.der().clone()], key)
            .unwrap(),
    )
}

fn store(folder: &Path, certificates: ClientCertificates) -> Result<ServerTls, TlsError> {
    let (files, _) = issue(folder, "gateway", &["gateway.example"]);
    let settings = ServerTlsSettings {
        certificates: vec![files],
        clients: Some(ClientAuthority {
            ca: folder.join("clients.pem"),
            certificates,
        }),
    };
    ServerTls::load(&settings, true)
}

/// A handshake, a byte to the client and back; what the gateway knows then, and whether the session was resumed.
async fn met(store: &ServerTls, client: &Arc<ClientConfig>) -> io::Result<(TlsInfo, bool)> {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let name = ServerName::try_from("gateway.example").unwrap();
    let connector = TlsConnector::from(client.clone());
    let asks = async {
        let mut stream = connector.connect(name, near).await?;
        // Tickets come with the first bytes.
        stream.read_u8().await
    };
    let serves = async {
        let mut stream = store.accept(far).await?;
        stream.write_u8(7).await?;
        stream.flush().await?;
        let session = stream.get_ref().1;
        Ok::<_, io::Error>((
            store.info(session),
            session.handshake_kind() == Some(HandshakeKind::Resumed),
        ))
    };
    let (_, served) = tokio::join!(asks, serves);
    served
}

#[tokio::test]
async fn a_client_certificate_of_the_authority_is_required_and_read() {
    let folder = TempDir::new().unwrap();
    let ours = authority(folder.path());
    let required = store(folder.path(), ClientCertificates::Required).unwrap();
    let optional = store(folder.path(), ClientCertificates::Optional).unwrap();
    for store in [&required, &optional] {
        let (info, _) = met(store, &client_of(Some(&ours))).await.unwrap();
        let peer = info.peer.unwrap();
        assert_eq!(peer.subject, r"CN=J\C3\BCrgen,O=Shop\, Inc.");
        assert_eq!(peer.dns_san.as_deref(), Some("client.example"));
        assert_eq!(peer.uri_san.as_deref(), Some("spiffe://shop/orders"));
        assert_eq!(info.local.unwrap().dns_san.as_deref(), Some("gateway.example"));
    }
    let elsewhere = TempDir::new().unwrap();
    let stranger = client_of(Some(&authority(elsewhere.path())));
    met(&required, &stranger).await.unwrap_err();
    met(&optional, &stranger).await.unwrap_err();
    met(&required, &client_of(None)).await.unwrap_err();
    let (info, _) = met(&optional, &client_of(None)).await.unwrap();
    assert_eq!(info.peer, None);
}

#[tokio::test]
async fn a_session_is_not_resumed_past_a_replaced_authority() {
    let folder = TempDir::new().unwrap();
    let client = client_of(Some(&authority(folder.path())));
    let store = store(folder.path(), ClientCertificates::Required).unwrap();
    assert!(!met(&store, &client).await.unwrap().1);
    store.reload().unwrap();
    let (info, resumed) = met(&store, &client).await.unwrap();
    assert!(resumed, "nothing has changed");
    assert!(info.peer.is_some(), "the ticket has the certificate in it");
    let successor = authority(folder.path());
    store.reload().unwrap();
    met(&store, &client).await.unwrap_err();
    met(&store, &client_of(Some(&successor))).await.unwrap();
}

#[tokio::test]
async fn the_certificate_of_a_resumed_session_is_verified_again() {
    let folder = TempDir::new().unwrap();
    let client = client_of(Some(&authority(folder.path())));
    let store = store(folder.path(), ClientCertificates::Required).unwrap();
    met(&store, &client).await.unwrap();
    // As if the certificate had run out: the tickets are still good, and what judges says no.
    authority(folder.path());
    let stricter = ClientVerifier::read(store.settings.clients.as_ref().unwrap(), &store.provider).unwrap();
    store.handshake.store(Arc::new(HandshakeConfig {
        config: store.handshake.load().config.clone(),
        verifier: Some(stricter),
    }));
    met(&store, &client).await.unwrap_err();
}

#[tokio::test]
async fn a_broken_replacement_of_the_authority_changes_nothing() {
    let folder = TempDir::new().unwrap();
    let client = client_of(Some(&authority(folder.path())));
    let store = store(folder.path(), ClientCertificates::Required).unwrap();
    let ca = folder.path().join("clients.pem");
    for broken in [
        "",
        "not PEM",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        std::fs::write(&ca, broken).unwrap();
        let error = store.reload().unwrap_err();
        assert_eq!(error.setting(), "client_ca", "{error}");
        assert!(error.to_string().contains("clients.pem"), "{error}");
        met(&store, &client).await.unwrap();
    }
    std::fs::remove_file(ca).unwrap();
    assert!(matches!(store.reload(), Err(TlsError::ClientCa(..))));
}

#[test]
fn invalid_certificates_have_no_names() {
    let (_, der) = issue(TempDir::new().unwrap().path(), "a", &["a.example"]);
    for end in 0..der.len() {
        let info = certificate_info::read(&der[..end]);
        assert_eq!(info.sha256.len(), 64);
    }
    assert_eq!(certificate_info::read(b"").subject, "");
    assert_eq!(certificate_info::read(&der).dns_san.as_deref(), Some("a.example"));
}
