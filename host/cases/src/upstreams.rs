//! The scripted upstreams of a case: connections in memory, the requests that arrive by them, and the script's responses.

mod grpc;
mod respond;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;

use bytes::Bytes;
use http::{HeaderMap, Response, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use lockgate_gateway::embedded::{Connect, Connecting, Stream};
use tokio::sync::Notify;

use crate::assert::ReceivedRequest;
use crate::cases::Body;
use crate::client::LocalExecutor;
use crate::gateway_config::{Endpoint, Version};
use crate::memory_stream::{self, MemoryStream};
use crate::script::{ScriptedReply, Scripts, UnusedResponse};
use grpc::GrpcRequest;
use respond::{ResponseBody, plain};

/// Sender of a request to an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    /// The gateway, for a client.
    Gateway,
    /// A plugin.
    Plugin,
}

/// Protocol between gateway and upstreams. Plugins always use HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UpstreamTraffic {
    /// Requests. The script has the responses.
    Http,
    /// Any bytes. The case's steps send and receive them.
    Bytes,
}

/// All upstreams of a case. Clones share them.
#[derive(Clone)]
pub(crate) struct Upstreams(Rc<Inner>);

struct Inner {
    /// Endpoints by address.
    endpoints: BTreeMap<String, Endpoint>,
    scripts: RefCell<Scripts>,
    received: RefCell<Vec<Received>>,
    /// Descriptions of requests without a response in the script.
    unexpected: RefCell<Vec<String>>,
    traffic: UpstreamTraffic,
    /// Upstream ends of TCP connections, each with the upstream's name.
    connections: RefCell<Vec<(String, MemoryStream)>>,
}

/// A request, with its gRPC messages as far as they have arrived.
type Received = (Sender, ReceivedRequest, Option<Rc<GrpcRequest>>);

impl Upstreams {
    pub(crate) fn new(endpoints: BTreeMap<String, Endpoint>, scripts: Scripts, traffic: UpstreamTraffic) -> Self {
        Self(Rc::new(Inner {
            endpoints,
            scripts: RefCell::new(scripts),
            received: RefCell::default(),
            unexpected: RefCell::default(),
            traffic,
            connections: RefCell::default(),
        }))
    }

    /// The connector for requests from `sender`.
    pub(crate) fn connector(&self, sender: Sender) -> Rc<dyn Connect> {
        Rc::new(UpstreamConnector {
            upstreams: self.clone(),
            sender,
        })
    }

    /// Requests since the last call.
    pub(crate) fn take_received(&self) -> Vec<(Sender, ReceivedRequest)> {
        let complete = |(sender, mut request, grpc_request): Received| {
            if let Some(grpc_request) = grpc_request {
                request.messages = Some(grpc_request.messages.borrow().clone());
                request.body = grpc_request.messages.borrow().concat().into();
            }
            (sender, request)
        };
        self.0.received.take().into_iter().map(complete).collect()
    }

    /// The upstream end of the next TCP connection, with the upstream's name.
    pub(crate) fn take_connection(&self) -> Option<(String, MemoryStream)> {
        let mut connections = self.0.connections.borrow_mut();
        (!connections.is_empty()).then(|| connections.remove(0))
    }

    /// Descriptions of requests without a response in the script, since the last call.
    pub(crate) fn take_unexpected(&self) -> Vec<String> {
        self.0.unexpected.take()
    }

    /// Responses that were not used as often as required.
    pub(crate) fn unused(&self) -> Vec<UnusedResponse> {
        self.0.scripts.borrow().unused()
    }

    async fn respond(
        self,
        destination: Destination,
        sender: Sender,
        request: http::Request<Incoming>,
    ) -> io::Result<Response<ResponseBody>> {
        let (parts, body) = request.into_parts();
        let (mut grpc_request, mut bytes) = (None, Bytes::new());
        if grpc::is_grpc(&parts.headers) && parts.version == http::Version::HTTP_2 {
            grpc_request = Some(GrpcRequest::receive(body));
        } else {
            bytes = body.collect().await.map_err(io::Error::other)?.to_bytes();
        }
        let mut headers = parts.headers;
        let host = headers.remove(header::HOST);
        let mut received = ReceivedRequest {
            upstream: destination.endpoint.upstream,
            endpoint: destination.address,
            method: parts.method.to_string(),
            path: parts.uri.path_and_query().map_or_else(String::new, ToString::to_string),
            host: match (host, parts.uri.authority()) {
                (Some(host), _) => String::from_utf8_lossy(host.as_bytes()).into_owned(),
                // HTTP/2 has an authority instead.
                (None, authority) => authority.map_or_else(String::new, ToString::to_string),
            },
            headers,
            body: bytes,
            messages: None,
        };
        self.0
            .received
            .borrow_mut()
            .push((sender, received.clone(), grpc_request.clone()));
        if let Some(grpc_request) = &grpc_request {
            grpc_request.wait_for(1).await;
            received.messages = Some(grpc_request.messages.borrow().clone());
        }
        let reply = self.0.scripts.borrow_mut().reply(&received.upstream, &received);
        match reply {
            ScriptedReply::Response(response) => respond::scripted(&response, grpc_request).await,
            ScriptedReply::Echo if grpc_request.is_none() => respond::echo(&received).map(plain),
            ScriptedReply::Echo | ScriptedReply::Nothing => self.unexpected(&received, grpc_request),
        }
    }

    /// Notes a request without a response in the script, and returns an error for it.
    fn unexpected(
        &self,
        request: &ReceivedRequest,
        grpc_request: Option<Rc<GrpcRequest>>,
    ) -> io::Result<Response<ResponseBody>> {
        let description = format!(
            "{} {} to upstream \"{}\"",
            request.method, request.path, request.upstream
        );
        self.0.unexpected.borrow_mut().push(description);
        let text = "the script has no response for this request";
        match grpc_request {
            // gRPC's UNKNOWN.
            Some(_) => grpc::failure(2, text).map(|response| response.map(ResponseBody::Grpc)),
            None => respond::respond(500, HeaderMap::new(), Some(&Body::Text(text.to_owned())), false).map(plain),
        }
    }
}

/// Destination of a connection.
#[derive(Clone)]
struct Destination {
    endpoint: Endpoint,
    address: String,
}

/// Connects to the upstreams of a case for one sender.
struct UpstreamConnector {
    upstreams: Upstreams,
    sender: Sender,
}

impl Connect for UpstreamConnector {
    fn connect<'a>(&'a self, address: &'a lockgate_gateway::embedded::Address) -> Connecting<'a> {
        Box::pin(async move {
            let address = address.to_string();
            let inner = &self.upstreams.0;
            let endpoint = inner.endpoints.get(&address).cloned().unwrap_or_default();
            if inner.scripts.borrow_mut().refuses(&endpoint.upstream) {
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            let (near, far) = memory_stream::pair();
            let peer = address
                .parse()
                .unwrap_or(SocketAddr::new(IpAddr::V4(Ipv4Addr::new(198, 51, 100, 254)), 80));
            let destination = Destination { endpoint, address };
            if inner.traffic == UpstreamTraffic::Bytes && self.sender == Sender::Gateway {
                inner
                    .connections
                    .borrow_mut()
                    .push((destination.endpoint.upstream, far));
            } else {
                tokio::task::spawn_local(serve(self.upstreams.clone(), destination, self.sender, far));
            }
            Ok(Stream {
                bytes: Box::pin(near),
                peer,
                local: SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 100)), 50_000),
            })
        })
    }
}

/// Serves one request of a connection. Each request has a connection of its own.
async fn serve(upstreams: Upstreams, destination: Destination, sender: Sender, stream: MemoryStream) {
    let (version, received) = (destination.endpoint.version, Rc::new(Notify::new()));
    let on_request = received.clone();
    let service = service_fn(move |request| {
        on_request.notify_one();
        upstreams.clone().respond(destination.clone(), sender, request)
    });
    if version == Version::Http2 {
        let connection = http2::Builder::new(LocalExecutor).serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            _ = connection.as_mut() => return,
            () = received.notified() => connection.as_mut().graceful_shutdown(),
        }
        let _ = connection.await;
        return;
    }
    // A broken connection is scripted, or the gateway's decision.
    let _ = http1::Builder::new()
        .keep_alive(false)
        .auto_date_header(false)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
