//! What is known of a request besides its bytes: connection, TLS, route, upstream, times, sizes.

use std::borrow::Cow;
use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::HeaderValue;

use crate::clock::{Timestamp, WallClock};
use crate::properties::Properties;

/// [`StreamInfo::code_details`] of an upstream's response, as in Envoy. Those of the gateway and of plugins have others.
pub const VIA_UPSTREAM: &str = "via_upstream";

/// A client connection. Its requests share it.
#[derive(Clone, Debug)]
pub struct ConnectionInfo {
    /// Unique in this process.
    pub id: u64,
    /// The listener's name.
    pub listener: Arc<str>,
    /// The peer's address, as the kernel knows it.
    pub peer: SocketAddr,
    /// The local address.
    pub local: SocketAddr,
    /// The TLS session, with TLS.
    pub tls: Option<TlsInfo>,
    /// The properties that plugins have set for all requests of the connection.
    pub properties: RefCell<Properties>,
}

/// A TLS session.
#[derive(Clone, Debug)]
pub struct TlsInfo {
    /// `"TLSv1.2"` or `"TLSv1.3"`.
    pub version: &'static str,
    /// The server name of the client (SNI).
    pub server_name: Option<String>,
    /// The negotiated protocol.
    pub alpn: Option<String>,
    /// The gateway's certificate, if it is known.
    pub local: Option<Arc<CertificateInfo>>,
    /// The client's verified certificate, if it has sent one.
    pub peer: Option<Arc<CertificateInfo>>,
}

/// A certificate, in Envoy's notation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificateInfo {
    /// The subject's distinguished name (RFC 2253).
    pub subject: String,
    /// The first DNS name of the subject alternative names.
    pub dns_san: Option<String>,
    /// The first URI of the subject alternative names.
    pub uri_san: Option<String>,
    /// SHA-256 of the DER encoding, in lower-case hexadecimal digits.
    pub sha256: String,
}

/// What properties show of a request or a TCP connection. The pipeline fills it in.
#[derive(Clone, Debug)]
pub struct StreamInfo {
    /// The client's connection.
    pub connection: Rc<ConnectionInfo>,
    /// The client's address, past trusted proxies.
    pub client: IpAddr,
    /// `x-request-id`.
    pub request_id: HeaderValue,
    /// The HTTP version of the client.
    pub version: http::Version,
    /// When the request's head had been read, for durations.
    pub started: Instant,
    /// When the request's head had been read, as time of day.
    pub started_at: SystemTime,
    /// The route's name.
    pub route: Option<Arc<str>>,
    /// Whether the request has left the route whose chain it passes, because a plugin has cleared the route cache.
    pub rerouted: bool,
    /// Whether the request has a body or trailers. Known once its head is at the first plugin.
    pub has_body: bool,
    /// Name of the upstream.
    pub upstream: Option<Arc<str>>,
    /// The endpoint that the request was sent to.
    pub upstream_address: Option<SocketAddr>,
    /// The local address of the connection to the endpoint.
    pub upstream_local: Option<SocketAddr>,
    /// The number of attempts.
    pub attempts: u32,
    /// State of the upstream's circuit breaker when the request reached it; none without a breaker.
    pub breaker: Option<&'static str>,
    /// Body bytes from the client.
    pub request_bytes: u64,
    /// Body bytes to the client.
    pub response_bytes: u64,
    /// The reason for the response, for the access log.
    pub code_details: Option<Cow<'static, str>>,
    /// What happened, in words, when the response is not the upstream's or is incomplete. For logs: it names addresses and plugins.
    pub cause: Option<Cow<'static, str>>,
    /// Envoy's response flags, as bits.
    pub flags: u64,
    /// From sending the request to the response's head.
    pub upstream_latency: Option<Duration>,
    /// The duration of the whole request, after its end.
    pub ended: Option<Duration>,
}

impl StreamInfo {
    /// Whether the response is an upstream's, and not one of the gateway or of a plugin.
    #[must_use]
    pub fn is_from_upstream(&self) -> bool {
        self.code_details.as_deref() == Some(VIA_UPSTREAM)
    }

    /// A request whose head has just been read.
    #[must_use]
    pub fn new(
        connection: Rc<ConnectionInfo>,
        client: IpAddr,
        request_id: HeaderValue,
        version: http::Version,
    ) -> Self {
        Self::since(
            connection,
            client,
            request_id,
            version,
            WallClock::default().timestamp(),
        )
    }

    /// A request whose head had been read at `start`.
    #[inline]
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
            rerouted: false,
            has_body: false,
            upstream: None,
            upstream_address: None,
            upstream_local: None,
            attempts: 0,
            breaker: None,
            request_bytes: 0,
            response_bytes: 0,
            code_details: None,
            cause: None,
            flags: 0,
            upstream_latency: None,
            ended: None,
        }
    }
}
