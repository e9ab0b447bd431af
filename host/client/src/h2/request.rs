//! [`H2Request`]: a request on its way out over HTTP/2.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, TE, TRANSFER_ENCODING};
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Request, Uri, Version};
use http_body::Body;
use http_body_util::{Either, Empty};

use crate::address::Address;
use crate::outgoing::OutgoingHead;

/// The body of a request: its own, or none when it goes out once more.
pub(super) type RequestBody<B> = Either<B, Empty<Bytes>>;

/// A request on its way out over HTTP/2.
pub struct H2Request<B> {
    /// The request, while it may be sent. Its host is a header until it is sent for the first time, and part of its URI from then on.
    request: Option<Request<RequestBody<B>>>,
    has_body: bool,
}

impl<B: Body<Data = Bytes>> H2Request<B> {
    /// The request that consists of a head and a body.
    pub fn new(head: OutgoingHead<'_>, body: B) -> Self {
        let has_body = !body.is_end_stream();
        let mut headers = head.headers.clone();
        headers.insert(HOST, head.host.clone());
        if !has_body && headers.contains_key(CONTENT_LENGTH) {
            // A length that lies is a broken stream.
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        let mut request = Request::new(Either::Left(body));
        *request.method_mut() = head.method.clone();
        // A target that is no path becomes the root; the gateway lets none pass.
        *request.uri_mut() = Uri::try_from(head.target).unwrap_or_default();
        *request.headers_mut() = headers;
        Self {
            request: Some(request),
            has_body,
        }
    }
}

impl<B> H2Request<B> {
    /// Replaces the host.
    pub fn set_host(&mut self, host: &HeaderValue) {
        if let Some(request) = &mut self.request {
            request.headers_mut().insert(HOST, host.clone());
        }
    }

    /// The request as it is sent to `address`. A copy stays here if it `is_repeatable` and has no body.
    pub(super) fn take(&mut self, address: &Address, is_repeatable: bool) -> Request<RequestBody<B>> {
        let mut request = self
            .request
            .take()
            .expect("a request is put back wherever it may be sent again");
        convert(&mut request, address);
        if is_repeatable && !self.has_body {
            self.request = Some(copy_head(&request));
        }
        request
    }

    /// Puts a request back of which nothing was sent.
    pub(super) fn put_back(&mut self, request: Request<RequestBody<B>>) {
        self.request = Some(request);
    }
}

/// The same request without a body.
fn copy_head<B>(request: &Request<RequestBody<B>>) -> Request<RequestBody<B>> {
    let mut copy = Request::new(Either::Right(Empty::new()));
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    copy
}

/// Gives a request its HTTP/2 form: the host in its URI, no framing of HTTP/1.1's, and `te` for gRPC. The host of a request that has
/// none, or a malformed one, is `address`.
fn convert<B>(request: &mut Request<B>, address: &Address) {
    *request.version_mut() = Version::HTTP_2;
    let headers = request.headers_mut();
    headers.remove(TRANSFER_ENCODING);
    let is_grpc = headers
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    if is_grpc {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    let host = headers.remove(HOST);
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.authority = host
        .and_then(|host| Authority::try_from(host.as_bytes()).ok())
        .or(parts.authority)
        .or_else(|| Authority::try_from(address.to_string()).ok());
    parts.scheme = Some(Scheme::HTTP);
    // Every part is well-formed. Should they not fit together, the upstream gets a request for its root without a host and refuses it.
    *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
}
