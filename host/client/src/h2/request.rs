//! [`H2Request`]: a request on its way out over HTTP/2.

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TE, TRANSFER_ENCODING, UPGRADE};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version};
use http_body::Body;

use super::upload::Upload;
use crate::error::BodyFailure;
use crate::h1::H1Request;
use crate::interim::Interim;
use crate::outgoing::OutgoingHead;
use crate::target::{Target, TransportSecurity};

/// Fields of one connection that HTTP/2 forbids (RFC 9113, section 8.2.2).
const FORBIDDEN: [HeaderName; 5] = [
    CONNECTION,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// A request on its way out over HTTP/2. It is kept until its response comes.
pub struct H2Request<B> {
    /// The head. Its host is a header until it is sent.
    head: Request<()>,
    pub(super) upload: Upload<B>,
    /// Who is told of interim responses.
    pub(super) interim: Interim,
}

impl<B> H2Request<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BodyFailure>,
{
    /// The request that consists of a head and a body.
    pub fn new(outgoing: OutgoingHead<'_>, body: B) -> Self {
        let upload = Upload::new(body);
        let mut headers = outgoing.headers.clone();
        headers.insert(HOST, outgoing.host.clone());
        for name in &FORBIDDEN {
            headers.remove(name);
        }
        frame(&mut headers, &upload);
        let mut request = Request::new(());
        *request.method_mut() = outgoing.method.clone();
        // A target that is no path becomes the root; the gateway lets none pass.
        *request.uri_mut() = Uri::try_from(outgoing.target).unwrap_or_default();
        *request.headers_mut() = headers;
        *request.version_mut() = Version::HTTP_2;
        Self {
            head: request,
            upload,
            interim: outgoing.interim.clone(),
        }
    }

    /// The same request for HTTP/1.1. Only for one of which nothing has gone out. What is left here has neither fields nor body.
    pub(crate) fn take_as_h1(&mut self) -> H1Request<B> {
        let mut headers = std::mem::take(self.head.headers_mut());
        let host = headers.remove(HOST).unwrap_or(HeaderValue::from_static(""));
        let head = OutgoingHead {
            method: self.head.method(),
            target: self.head.uri().path_and_query().map_or("/", PathAndQuery::as_str),
            host: &host,
            headers: &headers,
            interim: &self.interim,
            // One that asks for an upgrade is HTTP/1.1 from the start.
            upgrade: None,
        };
        H1Request::with(head, self.upload.take_body())
    }
}

impl<B> H2Request<B> {
    /// Replaces the host.
    pub fn set_host(&mut self, host: &HeaderValue) {
        self.head.headers_mut().insert(HOST, host.clone());
    }

    /// Whether something of its body has gone out.
    pub(crate) fn has_begun(&self) -> bool {
        self.upload.has_begun()
    }

    pub(super) fn is_head(&self) -> bool {
        *self.head.method() == Method::HEAD
    }

    /// The head as it is sent to `target`, whose address takes the place of the host of a request that has none, or a malformed one.
    pub(super) fn head(&self, target: &Target) -> Request<()> {
        let mut head = self.head.clone();
        let host = head.headers_mut().remove(HOST);
        let mut parts = std::mem::take(head.uri_mut()).into_parts();
        parts.authority = host
            .and_then(|host| Authority::try_from(host.as_bytes()).ok())
            .or(parts.authority)
            .or_else(|| Authority::try_from(target.address.to_string()).ok());
        parts.scheme = Some(match target.security {
            TransportSecurity::ClearText => Scheme::HTTP,
            TransportSecurity::Tls(_) => Scheme::HTTPS,
        });
        // Every part is well-formed. Should they not fit together, the upstream gets a request for its root without a host and
        // refuses it.
        *head.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
        head
    }
}

/// Gives the head the length that the body has, whatever it says, and `te` for gRPC. A length that lies is a broken stream.
fn frame<B>(headers: &mut HeaderMap, upload: &Upload<B>)
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BodyFailure>,
{
    match upload.length() {
        Some(length) => {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        None if !upload.is_empty() => {
            headers.remove(CONTENT_LENGTH);
        }
        None if headers.contains_key(CONTENT_LENGTH) => {
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        None => {}
    }
    let is_grpc = headers
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    if is_grpc {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    } else if headers.get(TE).is_some_and(|te| te != "trailers") {
        headers.remove(TE);
    }
}
