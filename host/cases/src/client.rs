//! The client of a case: each request has its own connection.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use http_body_util::BodyExt;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use lockgate_gateway::embedded::{self, ClientInfo, EmbeddedWorker};
use tokio::io::DuplexStream;
use tokio::time::Instant;

use crate::bodies::{BodyParts, PacedBody};
use crate::cases::{ClientProtocol, Request};
use crate::handshake;
use crate::memory_stream::CAPACITY;

/// Name of the listener for requests.
pub(crate) const LISTENER: &str = "test";

/// Maximum time of an exchange, in the worker's time.
const MAX_EXCHANGE: Duration = Duration::from_secs(3600);

/// What the client received.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    /// None: no response.
    pub(crate) status: Option<u16>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: HeaderMap,
    /// Why there is no response, or an incomplete one.
    pub(crate) broken: Option<String>,
    pub(crate) took: Duration,
}

/// Sends a request and waits for the last byte of its response, or until the client disconnects.
pub(crate) async fn send(worker: &Rc<EmbeddedWorker>, request: &Request) -> Reply {
    let begun = Instant::now();
    let mut reply = Reply::default();
    let limit = request.leave_after.map_or(MAX_EXCHANGE, |period| period.duration());
    let outcome = tokio::time::timeout(limit, exchange(worker, request, &mut reply)).await;
    reply.broken = match outcome {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) if request.leave_after.is_some() => Some("the client left".to_owned()),
        Err(_) => Some("no response within an hour".to_owned()),
    };
    reply.took = begun.elapsed();
    reply
}

async fn exchange(worker: &Rc<EmbeddedWorker>, request: &Request, reply: &mut Reply) -> io::Result<()> {
    let stream = connect(worker, request);
    let message = message(request)?;
    match request.protocol {
        ClientProtocol::Http1 => {
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
            let _task = AbortOnDrop::spawn(async move { drop(connection.await) });
            let response = sender.send_request(message).await.map_err(io::Error::other)?;
            receive(response, reply).await
        }
        ClientProtocol::Http2 => {
            let (mut sender, connection) = http2::handshake(LocalExecutor, TokioIo::new(stream))
                .await
                .map_err(io::Error::other)?;
            let _task = AbortOnDrop::spawn(async move { drop(connection.await) });
            let response = sender.send_request(message).await.map_err(io::Error::other)?;
            receive(response, reply).await
        }
    }
}

/// A task that is aborted when this is dropped.
struct AbortOnDrop(tokio::task::AbortHandle);

impl AbortOnDrop {
    fn spawn(future: impl Future<Output = ()> + 'static) -> Self {
        Self(tokio::task::spawn_local(future).abort_handle())
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn connect(worker: &Rc<EmbeddedWorker>, request: &Request) -> DuplexStream {
    let (near, far) = tokio::io::duplex(CAPACITY);
    let address = request.client.unwrap_or(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)));
    let host = request.host.as_deref().unwrap_or("example.com");
    let tls = request.is_over_tls().then(|| {
        let alpn = match request.protocol {
            ClientProtocol::Http1 => "http/1.1",
            ClientProtocol::Http2 => "h2",
        };
        let name = host.split(':').next();
        handshake::info(name, Some(alpn), request.client_certificate.as_ref())
    });
    let caller = ClientInfo {
        peer: SocketAddr::new(address, 40_000),
        tls,
        version: match request.protocol {
            ClientProtocol::Http1 => embedded::HttpVersion::Http1,
            ClientProtocol::Http2 => embedded::HttpVersion::Http2,
        },
    };
    let worker = worker.clone();
    tokio::task::spawn_local(async move { worker.serve(LISTENER, far, caller).await });
    near
}

/// The request as an HTTP message.
///
/// # Errors
/// The request cannot be sent. The check of the file refuses such requests.
pub(crate) fn message(request: &Request) -> io::Result<http::Request<PacedBody>> {
    let parts = BodyParts::of(request.body.as_ref()).map_err(|(_, reason)| io::Error::other(reason))?;
    let host = request.host.as_deref().unwrap_or("example.com");
    let path = request.path.as_deref().unwrap_or("/");
    let usual = if request.body.is_some() { "POST" } else { "GET" };
    let method = Method::from_bytes(request.method.as_deref().unwrap_or(usual).as_bytes()).map_err(io::Error::other)?;
    let mut headers = HeaderMap::new();
    if request.protocol == ClientProtocol::Http1 {
        headers.insert(HOST, HeaderValue::from_str(host).map_err(io::Error::other)?);
    }
    for (name, values) in &request.headers {
        let name = HeaderName::try_from(name).map_err(io::Error::other)?;
        for value in values.each() {
            headers.append(&name, HeaderValue::from_str(value).map_err(io::Error::other)?);
        }
    }
    if let Some(kind) = parts.kind.filter(|_| !headers.contains_key(CONTENT_TYPE)) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    let uri = match request.protocol {
        ClientProtocol::Http1 => path.parse::<Uri>().map_err(io::Error::other)?,
        ClientProtocol::Http2 => {
            let scheme = if request.is_over_tls() { "https" } else { "http" };
            format!("{scheme}://{host}{path}")
                .parse::<Uri>()
                .map_err(io::Error::other)?
        }
    };
    let mut message = http::Request::new(parts.body(false));
    *message.method_mut() = method;
    *message.uri_mut() = uri;
    *message.headers_mut() = headers;
    Ok(message)
}

async fn receive(response: http::Response<hyper::body::Incoming>, reply: &mut Reply) -> io::Result<()> {
    let (parts, mut body) = response.into_parts();
    reply.status = Some(parts.status.as_u16());
    reply.headers = parts.headers;
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        match frame.map_err(io::Error::other).map(http_body::Frame::into_data) {
            Ok(Ok(data)) => {
                bytes.extend_from_slice(&data);
            }
            Ok(Err(frame)) => reply.trailers = frame.into_trailers().unwrap_or_default(),
            Err(error) => {
                reply.body = bytes.freeze();
                return Err(error);
            }
        }
    }
    reply.body = bytes.freeze();
    Ok(())
}

/// Executor of hyper's tasks on the worker's runtime.
#[derive(Clone, Copy)]
pub(crate) struct LocalExecutor;

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, task: F) {
        tokio::task::spawn_local(task);
    }
}
