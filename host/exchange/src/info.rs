//! What is known of a request besides its bytes: where it came from, which way it goes, how far it has got.

use std::borrow::Cow;
use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::HeaderValue;

use crate::properties::Properties;

/// One client connection; its requests share it.
#[derive(Clone, Debug)]
pub struct ConnectionInfo {
    /// Unique in this process.
    pub id: u64,
    /// The listener's name.
    pub listener: Arc<str>,
    /// The other end, as the kernel knows it.
    pub peer: SocketAddr,
    /// Our end.
    pub local: SocketAddr,
    /// What the handshake told, if there was one.
    pub tls: Option<TlsInfo>,
    /// What plugins have set for all of the connection's requests.
    pub properties: RefCell<Properties>,
}

/// What a TLS handshake told.
#[derive(Clone, Debug)]
pub struct TlsInfo {
    /// `"TLSv1.2"`, `"TLSv1.3"`.
    pub version: &'static str,
    /// SNI.
    pub server_name: Option<String>,
    /// The protocol agreed on.
    pub alpn: Option<String>,
    /// Our certificate; none where nothing is known of it.
    pub local: Option<Arc<CertificateInfo>>,
    /// The client's, which has been verified; none if it has shown none.
    pub peer: Option<Arc<CertificateInfo>>,
}

/// What is known of a certificate, written as Envoy does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificateInfo {
    /// The subject's distinguished name, by RFC 2253.
    pub subject: String,
    /// The first DNS name among its alternative names.
    pub dns_san: Option<String>,
    /// The first URI among them.
    pub uri_san: Option<String>,
    /// SHA-256 of its DER, in lower-case hexadecimal digits.
    pub sha256: String,
}

/// A point in time, by both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Timestamp {
    /// For durations.
    pub instant: Instant,
    /// One readable line per event.
    pub time: SystemTime,
}

impl Timestamp {
    /// What the system's clocks say.
    #[must_use]
    pub fn now() -> Self {
        Self {
            instant: Instant::now(),
            time: SystemTime::now(),
        }
    }
}

/// What plugins may ask about a request through properties. The pipeline fills it in as it learns.
#[derive(Clone, Debug)]
pub struct StreamInfo {
    /// The connection that the request came on.
    pub connection: Rc<ConnectionInfo>,
    /// The real client, past trusted proxies.
    pub client: IpAddr,
    /// `x-request-id`.
    pub request_id: HeaderValue,
    /// How the client speaks.
    pub version: http::Version,
    /// When the request's head was there, for durations.
    pub started: Instant,
    /// When the request's head was there, for people.
    pub started_at: SystemTime,
    /// The route's name.
    pub route: Option<Arc<str>>,
    /// Name of the upstream.
    pub upstream: Option<Arc<str>>,
    /// The endpoint that got the request.
    pub upstream_address: Option<SocketAddr>,
    /// Our end of the connection to it.
    pub upstream_local: Option<SocketAddr>,
    /// How often the request was sent.
    pub attempts: u32,
    /// Body bytes from the client so far.
    pub request_bytes: u64,
    /// Body bytes to the client so far.
    pub response_bytes: u64,
    /// Why the response is what it is.
    pub code_details: Option<Cow<'static, str>>,
    /// Envoy's response flags, as bits.
    pub flags: u64,
    /// From sending the request to the response's head.
    pub upstream_latency: Option<Duration>,
    /// How long the whole took, once it is over.
    pub ended: Option<Duration>,
}

impl StreamInfo {
    /// What is known when a request's head has just been read.
    #[must_use]
    pub fn new(
        connection: Rc<ConnectionInfo>,
        client: IpAddr,
        request_id: HeaderValue,
        version: http::Version,
    ) -> Self {
        Self::since(connection, client, request_id, version, Timestamp::now())
    }

    /// The same for a head that was there at `start`.
    #[must_use]
    pub fn since(
        connection: Rc<ConnectionInfo>,
        client: IpAddr,
        request_id: HeaderValue,
        version: http::Version,
        start: Timestamp,
    ) -> Self {
        Self {
            connection,
            client,
            request_id,
            version,
            started: start.instant,
            started_at: start.time,
            route: None,
            upstream: None,
            upstream_address: None,
            upstream_local: None,
            attempts: 0,
            request_bytes: 0,
            response_bytes: 0,
            code_details: None,
            flags: 0,
            upstream_latency: None,
            ended: None,
        }
    }
}
