//! gRPC calls and streams that plugins make (gRPC over HTTP/2): framed, sent like any other request, and read message by message.
//!
//! The response is delivered as in Envoy: metadata, messages, trailing metadata, end; a call delivers one message or its failure.

mod frames;

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::BodyExt;
use lockgate_client::PooledBody;
use lockgate_exchange::{Reservation, ResponseHead, grpc_status};
use lockgate_http::grpc;
use lockgate_sandbox::{GrpcCall, GrpcEvent, GrpcKind, GrpcReply, GrpcStream, Status};
use lockgate_upstream::{Client, Overdue, Upstream, in_words};
use tokio::task::AbortHandle;

use frames::{Frames, framed};

use crate::body::source::BodySource;
use crate::body::writer::BodyWriter;
use crate::callouts::observer::CalloutObserver;
use crate::chain::message_body::MessageBody;

/// gRPC's own statuses, where the upstream sends none.
mod code {
    pub(super) const UNKNOWN: u32 = 2;
    pub(super) const DEADLINE_EXCEEDED: u32 = 4;
    pub(super) const RESOURCE_EXHAUSTED: u32 = 8;
    pub(super) const INTERNAL: u32 = 13;
    pub(super) const UNAVAILABLE: u32 = 14;
}

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// How an exchange ended.
struct End {
    status: u32,
    message: String,
    /// Why the gateway has ended it; `None` if the upstream has.
    cause: Option<Cause>,
}

/// Why the gateway has ended an exchange.
enum Cause {
    TimedOut,
    Failed(String),
}

impl End {
    fn new(status: u32, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            cause: None,
        }
    }

    /// An end that the gateway decides, and what the log says of it.
    fn failed(status: u32, message: impl Into<String>, cause: impl Into<String>) -> Self {
        Self {
            cause: Some(Cause::Failed(cause.into())),
            ..Self::new(status, message)
        }
    }

    /// Tells the observer.
    fn observed_by(self, observer: CalloutObserver) -> Self {
        match &self.cause {
            None => observer.responded(),
            Some(Cause::TimedOut) => observer.timed_out("no response within the call's own timeout"),
            Some(Cause::Failed(cause)) => observer.failed(cause),
        }
        self
    }

    /// The status in headers or trailers; UNKNOWN if there is none.
    fn told_by(fields: &HeaderMap) -> Self {
        let status = status_in(fields).unwrap_or(code::UNKNOWN);
        let message = fields.get("grpc-message").map(HeaderValue::as_bytes);
        Self::new(status, message.map(grpc::decode_message).unwrap_or_default())
    }

    fn event(self) -> GrpcEvent {
        GrpcEvent::Closed {
            status: self.status,
            message: self.message,
        }
    }
}

fn status_in(fields: &HeaderMap) -> Option<u32> {
    fields.get(GRPC_STATUS)?.to_str().ok()?.parse().ok()
}

/// The plugin's side. Dropped, it ends the exchange.
struct Open {
    writer: BodyWriter,
    task: AbortHandle,
}

impl GrpcStream for Open {
    fn send(&self, message: Bytes, end: bool) -> Result<(), Status> {
        self.writer.write(framed(message)).map_err(|_| Status::BadArgument)?;
        if end {
            self.writer.end();
        }
        Ok(())
    }

    fn close(&self) {
        self.writer.end();
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Opens a call or stream.
pub(crate) fn open(
    client: Client<MessageBody>,
    upstream: impl std::ops::Deref<Target = Upstream> + 'static,
    call: GrpcCall,
    reply: GrpcReply,
    observer: CalloutObserver,
) -> Box<dyn GrpcStream> {
    let writer = BodyWriter::default();
    let request = request(&upstream, &call, writer.clone());
    let own = writer.clone();
    let task = match call.kind {
        GrpcKind::Call { message, timeout } => tokio::task::spawn_local(async move {
            // A message that the guest's memory held fits.
            let _ = own.write(framed(message));
            own.end();
            make_call(client, &upstream, request, timeout, reply, observer).await;
        }),
        GrpcKind::Stream => tokio::task::spawn_local(async move {
            let mut reply = reply;
            let memory = reply.memory();
            let end = converse(client, &upstream, request, memory, |event| reply.deliver(event)).await;
            reply.deliver(end.observed_by(observer).event());
        }),
    };
    let task = task.abort_handle();
    Box::new(Open { writer, task })
}

/// A call or stream that fails, after this has returned.
pub(crate) fn fail(call: &GrpcCall, mut reply: GrpcReply, message: &'static str) -> Box<dyn GrpcStream> {
    let is_stream = matches!(call.kind, GrpcKind::Stream);
    let task = tokio::task::spawn_local(async move {
        if is_stream {
            unreachable(&mut |event| reply.deliver(event));
        }
        reply.deliver(End::new(code::UNAVAILABLE, message).event());
    });
    Box::new(Open {
        writer: BodyWriter::default(),
        task: task.abort_handle(),
    })
}

/// Delivers what comes before the end of a stream whose upstream could not be reached.
fn unreachable(tell: &mut impl FnMut(GrpcEvent)) {
    tell(GrpcEvent::Initial(None));
    // As Envoy, whose own answer has trailers only.
    let status = HeaderValue::from(code::UNAVAILABLE);
    tell(GrpcEvent::Trailing(HeaderMap::from_iter([(GRPC_STATUS, status)])));
}

/// One message, or why there is none.
async fn make_call(
    client: Client<MessageBody>,
    upstream: &Upstream,
    request: Request<MessageBody>,
    timeout: Option<Duration>,
    mut reply: GrpcReply,
    observer: CalloutObserver,
) {
    let mut answer = None;
    let memory = reply.memory();
    let conversation = converse(client, upstream, request, memory, |event| {
        if let GrpcEvent::Message(message) = event {
            answer = Some(message);
        }
    });
    let end = match timeout {
        None => conversation.await,
        Some(timeout) => tokio::time::timeout(timeout, conversation)
            .await
            .unwrap_or_else(|_| End {
                cause: Some(Cause::TimedOut),
                ..End::new(code::DEADLINE_EXCEEDED, "the time is over")
            }),
    };
    let end = end.observed_by(observer);
    match answer {
        Some(message) if end.status == 0 => reply.finish(message),
        None if end.status == 0 => reply.deliver(End::new(code::INTERNAL, "").event()),
        _ => reply.deliver(end.event()),
    }
}

/// Sends the request and delivers what comes; the end is the result.
async fn converse(
    client: Client<MessageBody>,
    upstream: &Upstream,
    request: Request<MessageBody>,
    memory: Reservation,
    mut tell: impl FnMut(GrpcEvent),
) -> End {
    let sent = match client.send_with_policies(upstream, request, &Overdue::default()).await {
        Ok(sent) => sent,
        Err(error) => {
            unreachable(&mut tell);
            return End::failed(code::UNAVAILABLE, "the upstream could not be reached", in_words(&error));
        }
    };
    let (parts, body) = sent.response.into_parts();
    let is_end = http_body::Body::is_end_stream(&body);
    let head = ResponseHead {
        status: parts.status,
        headers: parts.headers.clone(),
    };
    tell(GrpcEvent::Initial((!is_end).then_some(head)));
    if is_end && (parts.status == StatusCode::OK || status_in(&parts.headers).is_some()) {
        // Trailers only.
        let end = End::told_by(&parts.headers);
        tell(GrpcEvent::Trailing(parts.headers));
        return end;
    }
    if parts.status != StatusCode::OK {
        tell(GrpcEvent::Trailing(HeaderMap::new()));
        return End::new(grpc_status(parts.status), "");
    }
    hear(body, memory, &mut tell).await
}

/// Delivers the messages of a response and its trailing metadata.
async fn hear(mut body: PooledBody, mut memory: Reservation, tell: &mut impl FnMut(GrpcEvent)) -> End {
    let mut frames = Frames::default();
    loop {
        let frame = match body.frame().await {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => {
                let cause = format!("the response broke off: {}", in_words(&error));
                return failed(tell, End::failed(code::UNAVAILABLE, "the answer broke off", cause));
            }
            None => return failed(tell, End::failed(code::UNKNOWN, "", "the response has no grpc-status")),
        };
        match frame.into_data() {
            Ok(data) => {
                if !memory.resize(frames.waiting() + data.len()) {
                    let cause = "limits.memory leaves no room for the message";
                    return failed(tell, End::failed(code::RESOURCE_EXHAUSTED, cause, cause));
                }
                frames.push(&data);
                while let Some(message) = match frames.next() {
                    Ok(message) => message,
                    Err(wrong) => {
                        let cause = wrong.to_string();
                        return failed(tell, End::failed(wrong.status(), cause.clone(), cause));
                    }
                } {
                    tell(GrpcEvent::Message(message));
                }
                // What shrinks always fits.
                let _ = memory.resize(frames.waiting());
            }
            Err(frame) => {
                if let Ok(trailers) = frame.into_trailers() {
                    let end = End::told_by(&trailers);
                    tell(GrpcEvent::Trailing(trailers));
                    return end;
                }
            }
        }
    }
}

/// Delivers empty trailing metadata before an end that the host decides.
fn failed(tell: &mut impl FnMut(GrpcEvent), end: End) -> End {
    tell(GrpcEvent::Trailing(HeaderMap::new()));
    end
}

fn request(upstream: &Upstream, call: &GrpcCall, writer: BodyWriter) -> Request<MessageBody> {
    let mut request = Request::new(MessageBody::Direct(BodySource::written(writer)));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::from(call.path.clone());
    let headers = request.headers_mut();
    *headers = call.metadata.clone();
    let authority = call.authority.clone();
    let authority = authority.or_else(|| HeaderValue::from_str(upstream.name()).ok());
    if let Some(authority) = authority {
        headers.insert(HOST, authority);
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers
        .entry(USER_AGENT)
        .or_insert(HeaderValue::from_static("lockgate"));
    if let GrpcKind::Call {
        timeout: Some(timeout), ..
    } = &call.kind
        && let Ok(text) = HeaderValue::try_from(in_grpcs_units(*timeout))
    {
        headers.insert("grpc-timeout", text);
    }
    request
}

/// At most eight digits, in milliseconds if that is enough.
fn in_grpcs_units(timeout: Duration) -> String {
    match timeout.as_millis() {
        milliseconds @ ..100_000_000 => format!("{milliseconds}m"),
        milliseconds => format!("{}S", milliseconds / 1000),
    }
}
