//! TLS towards a target: whom connections ask for, by which keys and certificates, and what they have agreed on.
//!
//! Nothing here reads a file: the configuration of handshakes ([`TlsMaterial`]) comes from above, and may be replaced at any time.
//! Connections that were made with the one before leave the pools.

mod failure;
mod stream;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use arc_swap::ArcSwap;
use rustls::client::danger::ServerCertVerifier;
use rustls::{ClientConfig, HandshakeKind};
use rustls_pki_types::{DnsName, ServerName, UnixTime};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream as RustlsStream;

pub use self::failure::{TlsFailure, TlsFailureKind};
pub use self::stream::TlsStream;
use crate::address::Address;
use crate::alpn::{Alpn, Offer};

/// How the endpoints of a group are spoken to over TLS. All workers share it.
pub struct TlsClient {
    /// The name that all endpoints are asked for; `None`: each for its own.
    server_name: Option<ServerName<'static>>,
    material: ArcSwap<TlsMaterial>,
}

/// What handshakes are made with, replaced as a whole.
pub struct TlsMaterial {
    /// Trust, client certificate and the sessions that may be resumed. No two materials may share one: a session that was made for one
    /// would serve another.
    pub config: Arc<ClientConfig>,
    /// What has verified the certificates of resumed sessions, which handshakes do not look at again; `None`: nothing is verified.
    pub verifier: Option<Arc<dyn ServerCertVerifier>>,
    /// Whether the endpoint is shown a certificate if it asks for one.
    pub has_certificate: bool,
}

impl TlsClient {
    /// TLS with this material, for endpoints that are asked for `server_name`, or for the host of their address.
    pub fn new(server_name: Option<ServerName<'static>>, material: TlsMaterial) -> Self {
        Self {
            server_name,
            material: ArcSwap::from_pointee(material),
        }
    }

    /// Replaces the material. Connections from now on are made with this one. Those that were made before are not used for further requests.
    pub fn replace(&self, material: TlsMaterial) {
        self.material.store(Arc::new(material));
    }
}

impl fmt::Debug for TlsClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TlsClient")
            .field("server_name", &self.server_name)
            .finish_non_exhaustive()
    }
}

/// One endpoint of a group that is spoken to over TLS.
#[derive(Clone, Debug)]
pub struct TlsTarget(Arc<TlsEndpoint>);

#[derive(Debug)]
struct TlsEndpoint {
    client: Arc<TlsClient>,
    /// Whom the certificate must be for; `None`: no certificate could be.
    server_name: Option<ServerName<'static>>,
    /// The protocol of the last handshake that offered both.
    speaks: AtomicU8,
}

/// Two are equal if connections to one can serve the other: the group is the same one, and so is the name.
impl PartialEq for TlsTarget {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.is_of(&other.0.client) && self.0.server_name == other.0.server_name
    }
}

impl Eq for TlsTarget {}

impl TlsTarget {
    pub(crate) fn of_address(client: &Arc<TlsClient>, address: &Address) -> Self {
        let own = || match address {
            Address::Socket(socket) => Some(ServerName::IpAddress(socket.ip().into())),
            Address::Name(host, _) => name(host),
        };
        Self::of(client, own)
    }

    pub(crate) fn of_host(client: &Arc<TlsClient>, host: &str) -> Self {
        Self::of(client, || name(host))
    }

    fn of(client: &Arc<TlsClient>, own: impl FnOnce() -> Option<ServerName<'static>>) -> Self {
        Self(Arc::new(TlsEndpoint {
            client: Arc::clone(client),
            server_name: client.server_name.clone().or_else(own),
            speaks: AtomicU8::new(0),
        }))
    }

    /// The same security, for another server of the same name.
    pub(crate) fn elsewhere(&self) -> Self {
        Self::of(&self.0.client, || self.0.server_name.clone())
    }

    pub(crate) fn is_of(&self, client: &Arc<TlsClient>) -> bool {
        Arc::ptr_eq(&self.0.client, client)
    }

    /// The protocol that the endpoint chose when it was last offered both; `None` before that.
    pub(crate) fn speaks(&self) -> Option<Alpn> {
        match self.0.speaks.load(Ordering::Relaxed) {
            1 => Some(Alpn::Http1),
            2 => Some(Alpn::Http2),
            _ => None,
        }
    }

    fn note(&self, protocol: Alpn) {
        let number = match protocol {
            Alpn::Http1 => 1,
            Alpn::Http2 => 2,
        };
        self.0.speaks.store(number, Ordering::Relaxed);
    }

    /// Does the handshake on a fresh socket, without a time limit.
    pub(crate) async fn handshake(&self, socket: TcpStream, offer: Offer) -> Result<(TlsStream, Alpn), TlsFailure> {
        let material = self.0.client.material.load_full();
        let Some(server_name) = self.0.server_name.clone() else {
            return Err(TlsFailure::no_name());
        };
        let connector = TlsConnector::from(Arc::clone(&material.config));
        let connecting = connector.with_alpn(offer.names()).connect(server_name.clone(), socket);
        let explain = |error| TlsFailure::of_handshake(error, &material, &server_name, offer);
        let stream = Box::pin(connecting).await.map_err(explain)?;
        verify_resumed(&stream, &material, &server_name)
            .map_err(|error| TlsFailure::new(error, &material, &server_name, offer))?;
        let chosen = match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => Alpn::Http2,
            _ => Alpn::Http1,
        };
        match offer {
            Offer::Both => self.note(chosen),
            Offer::Http2 if chosen != Alpn::Http2 => return Err(TlsFailure::no_http2()),
            _ => {}
        }
        Ok((TlsStream::new(stream, Arc::clone(&self.0.client), material), chosen))
    }
}

/// The name of a host as certificates have it.
fn name(host: &str) -> Option<ServerName<'static>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Some(ServerName::IpAddress(address.into()));
    }
    let host = host.strip_suffix('.').unwrap_or(host);
    DnsName::try_from(host.to_owned()).ok().map(ServerName::DnsName)
}

/// Verifies the certificate of a resumed session once more: it may have expired since.
fn verify_resumed(
    stream: &RustlsStream<TcpStream>,
    material: &TlsMaterial,
    server_name: &ServerName<'_>,
) -> Result<(), rustls::Error> {
    let session = stream.get_ref().1;
    match (&material.verifier, session.peer_certificates()) {
        (Some(verifier), Some([own, intermediates @ ..]))
            if session.handshake_kind() == Some(HandshakeKind::Resumed) =>
        {
            let verified = verifier.verify_server_cert(own, intermediates, server_name, &[], UnixTime::now());
            verified.map(drop)
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_host_of_an_address_has_a_name_for_certificates_or_none() {
        for (host, expected) in [
            ("orders.internal", Some("orders.internal")),
            ("orders.internal.", Some("orders.internal")),
            ("my_service", Some("my_service")),
            ("127.0.0.1", Some("127.0.0.1")),
            ("::1", Some("::1")),
            ("a.0x7f", None),
        ] {
            let name = name(host).map(|name| name.to_str().into_owned());
            assert_eq!(name.as_deref(), expected, "{host}");
        }
    }
}
