//! The scripted upstreams of a case: connections that are no sockets, what came in by them, and who answers.

mod grpc;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use lockgate_gateway::embedded::{Connect, Connecting, Stream};
use tokio::sync::Notify;

use grpc::{Fed, Question};

use crate::bodies::{Paced, Parts};
use crate::cases::{Answer, Body, Fault};
use crate::client::LocalExecutor;
use crate::compose::{Endpoint, Version};
use crate::judge::Observed;
use crate::pipe::{self, Pipe};
use crate::script::{Cue, Scripts, Unmet};

/// Who sends a request to an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    /// The gateway, on a client's behalf.
    Gateway,
    /// A plugin.
    Plugin,
}

/// All upstreams of a case. A clone is the same ones.
#[derive(Clone)]
pub(crate) struct Upstreams(Rc<Inner>);

struct Inner {
    /// Who is behind an endpoint's address.
    endpoints: BTreeMap<String, Endpoint>,
    scripts: RefCell<Scripts>,
    seen: RefCell<Vec<Seen>>,
    /// Requests that the script has no answer for, in words.
    unexpected: RefCell<Vec<String>>,
    /// What the gateway speaks with them.
    spoken: Spoken,
    /// The far ends of TCP connections that have come, each with the upstream that it came to.
    lines: RefCell<Vec<(String, Pipe)>>,
}

/// A request, and what of its gRPC messages has come by the time that it is looked at.
type Seen = (Sender, Observed, Option<Rc<Question>>);

/// What the gateway speaks with upstreams; plugins speak HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spoken {
    /// Requests, answered by the script.
    Http,
    /// Any bytes, for whoever takes the line.
    Bytes,
}

impl Upstreams {
    pub(crate) fn new(endpoints: BTreeMap<String, Endpoint>, scripts: Scripts, spoken: Spoken) -> Self {
        Self(Rc::new(Inner {
            endpoints,
            scripts: RefCell::new(scripts),
            seen: RefCell::default(),
            unexpected: RefCell::default(),
            spoken,
            lines: RefCell::default(),
        }))
    }

    /// The way to them for requests from `sender`.
    pub(crate) fn way(&self, sender: Sender) -> Rc<dyn Connect> {
        Rc::new(Way {
            upstreams: self.clone(),
            sender,
        })
    }

    /// What came in since the last time.
    pub(crate) fn take_seen(&self) -> Vec<(Sender, Observed)> {
        let told = |(sender, mut observed, question): Seen| {
            if let Some(question) = question {
                observed.messages = Some(question.messages.borrow().clone());
                observed.body = question.messages.borrow().concat().into();
            }
            (sender, observed)
        };
        self.0.seen.take().into_iter().map(told).collect()
    }

    /// The far end of the next TCP connection that has come, and whose it is.
    pub(crate) fn take_line(&self) -> Option<(String, Pipe)> {
        let mut lines = self.0.lines.borrow_mut();
        (!lines.is_empty()).then(|| lines.remove(0))
    }

    /// Requests that nobody had an answer for, since the last time.
    pub(crate) fn take_unexpected(&self) -> Vec<String> {
        self.0.unexpected.take()
    }

    /// What the scripts still hold.
    pub(crate) fn unmet(&self) -> Vec<Unmet> {
        self.0.scripts.borrow().unmet()
    }

    async fn answer(
        self,
        place: Place,
        sender: Sender,
        request: http::Request<Incoming>,
    ) -> io::Result<Response<Outgoing>> {
        let (parts, body) = request.into_parts();
        let (mut question, mut bytes) = (None, Bytes::new());
        if grpc::is_grpc(&parts.headers) && parts.version == http::Version::HTTP_2 {
            question = Some(Question::heard_in(body));
        } else {
            bytes = body.collect().await.map_err(io::Error::other)?.to_bytes();
        }
        let mut headers = parts.headers;
        let host = headers.remove(header::HOST);
        let mut observed = Observed {
            upstream: place.upstream.upstream,
            endpoint: place.endpoint,
            method: parts.method.to_string(),
            path: parts.uri.path_and_query().map_or_else(String::new, ToString::to_string),
            host: match (host, parts.uri.authority()) {
                (Some(host), _) => String::from_utf8_lossy(host.as_bytes()).into_owned(),
                // As HTTP/2 has it.
                (None, authority) => authority.map_or_else(String::new, ToString::to_string),
            },
            headers,
            body: bytes,
            messages: None,
        };
        self.0
            .seen
            .borrow_mut()
            .push((sender, observed.clone(), question.clone()));
        if let Some(question) = &question {
            question.until(1).await;
            observed.messages = Some(question.messages.borrow().clone());
        }
        let cue = self.0.scripts.borrow_mut().cue(&observed.upstream, &observed);
        match cue {
            Cue::Answer(answer) => play(&answer, question).await,
            Cue::Echo if question.is_none() => echo(&observed).map(plain),
            Cue::Echo | Cue::Nothing => self.nothing(&observed, question),
        }
    }

    /// The script has nothing for a request, which is told.
    fn nothing(&self, observed: &Observed, question: Option<Rc<Question>>) -> io::Result<Response<Outgoing>> {
        let told = format!(
            "{} {} to upstream \"{}\"",
            observed.method, observed.path, observed.upstream
        );
        self.0.unexpected.borrow_mut().push(told);
        let sorry = "the script has no response for this request";
        match question {
            // gRPC's UNKNOWN.
            Some(_) => grpc::failure(2, sorry).map(|response| response.map(Outgoing::Fed)),
            None => respond(500, HeaderMap::new(), Some(&Body::Text(sorry.to_owned())), false).map(plain),
        }
    }
}

/// An answer's body.
enum Outgoing {
    Paced(Paced),
    Fed(Fed),
}

impl HttpBody for Outgoing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut *self {
            Self::Paced(body) => Pin::new(body).poll_frame(cx),
            Self::Fed(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Paced(body) => body.is_end_stream(),
            Self::Fed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Paced(body) => body.size_hint(),
            Self::Fed(body) => body.size_hint(),
        }
    }
}

#[derive(Clone)]
struct Place {
    upstream: Endpoint,
    endpoint: String,
}

struct Way {
    upstreams: Upstreams,
    sender: Sender,
}

impl Connect for Way {
    fn connect<'a>(&'a self, address: &'a lockgate_gateway::embedded::Address) -> Connecting<'a> {
        Box::pin(async move {
            let endpoint = address.to_string();
            let inner = &self.upstreams.0;
            let upstream = inner.endpoints.get(&endpoint).cloned().unwrap_or_default();
            if inner.scripts.borrow_mut().refuses(&upstream.upstream) {
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            let (near, far) = pipe::pair();
            let peer = endpoint
                .parse()
                .unwrap_or(SocketAddr::new(IpAddr::V4(Ipv4Addr::new(198, 51, 100, 254)), 80));
            let place = Place { upstream, endpoint };
            if inner.spoken == Spoken::Bytes && self.sender == Sender::Gateway {
                inner.lines.borrow_mut().push((place.upstream.upstream, far));
            } else {
                tokio::task::spawn_local(serve(self.upstreams.clone(), place, self.sender, far));
            }
            Ok(Stream {
                bytes: Box::pin(near),
                peer,
                local: SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 100)), 50_000),
            })
        })
    }
}

/// Takes one request: each connection asks the script anew.
async fn serve(upstreams: Upstreams, place: Place, sender: Sender, stream: Pipe) {
    let (version, asked) = (place.upstream.version, Rc::new(Notify::new()));
    let told = asked.clone();
    let service = service_fn(move |request| {
        told.notify_one();
        upstreams.clone().answer(place.clone(), sender, request)
    });
    if version == Version::Http2 {
        let connection = http2::Builder::new(LocalExecutor).serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            _ = connection.as_mut() => return,
            () = asked.notified() => connection.as_mut().graceful_shutdown(),
        }
        let _ = connection.await;
        return;
    }
    // A connection that breaks is what the script wants, or the gateway's own business.
    let _ = http1::Builder::new()
        .keep_alive(false)
        .auto_date_header(false)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn play(answer: &Answer, question: Option<Rc<Question>>) -> io::Result<Response<Outgoing>> {
    if let Some(delay) = answer.delay {
        tokio::time::sleep(delay.duration()).await;
    }
    match answer.fault {
        Some(Fault::Reset | Fault::Refused) => return Err(io::Error::other("connection reset by the script")),
        Some(Fault::Timeout) => return std::future::pending().await,
        Some(Fault::Truncated) | None => {}
    }
    if let Some(told) = &answer.grpc {
        let response = grpc::answer(answer, told, question.unwrap_or_default())?;
        return Ok(response.map(Outgoing::Fed));
    }
    let headers = grpc::fields(&answer.headers)?;
    let truncated = answer.fault == Some(Fault::Truncated);
    respond(answer.status.unwrap_or(200), headers, answer.body.as_ref(), truncated).map(plain)
}

fn plain(response: Response<Paced>) -> Response<Outgoing> {
    response.map(Outgoing::Paced)
}

fn respond(status: u16, mut headers: HeaderMap, body: Option<&Body>, truncated: bool) -> io::Result<Response<Paced>> {
    let parts = Parts::of(body).map_err(|(_, reason)| io::Error::other(reason))?;
    if let Some(kind) = parts.kind.filter(|_| !headers.contains_key(header::CONTENT_TYPE)) {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    let mut response = Response::new(parts.body(truncated));
    *response.status_mut() = StatusCode::from_u16(status).map_err(io::Error::other)?;
    *response.headers_mut() = headers;
    Ok(response)
}

/// 200, with the request as JSON.
fn echo(request: &Observed) -> io::Result<Response<Paced>> {
    let mut headers = serde_json::Map::new();
    for name in request.headers.keys() {
        let values = request.headers.get_all(name).iter();
        let values: Vec<_> = values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        headers.insert(name.to_string(), values.join(", ").into());
    }
    let json = serde_json::json!({
        "upstream": request.upstream,
        "method": request.method,
        "path": request.path,
        "host": request.host,
        "headers": headers,
        "body": String::from_utf8_lossy(&request.body),
    });
    let mut response = Response::new(
        Parts {
            pieces: vec![Bytes::from(json.to_string())],
            ..Parts::default()
        }
        .body(false),
    );
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}
