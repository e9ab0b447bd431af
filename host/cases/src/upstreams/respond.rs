//! Responses of scripted upstreams.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::grpc::{self, ChannelBody, GrpcRequest};
use crate::assert::ReceivedRequest;
use crate::bodies::{BodyParts, PacedBody};
use crate::cases::{Body, Fault, ScriptedResponse};

/// The body of a response.
pub(super) enum ResponseBody {
    Paced(PacedBody),
    Grpc(ChannelBody),
}

impl HttpBody for ResponseBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut *self {
            Self::Paced(body) => Pin::new(body).poll_frame(cx),
            Self::Grpc(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Paced(body) => body.is_end_stream(),
            Self::Grpc(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Paced(body) => body.size_hint(),
            Self::Grpc(body) => body.size_hint(),
        }
    }
}

/// The HTTP response for a scripted one.
pub(super) async fn scripted(
    script: &ScriptedResponse,
    grpc_request: Option<Rc<GrpcRequest>>,
) -> io::Result<Response<ResponseBody>> {
    if let Some(delay) = script.delay {
        tokio::time::sleep(delay.duration()).await;
    }
    match script.fault {
        Some(Fault::Reset | Fault::Refused) => return Err(io::Error::other("connection reset by the script")),
        Some(Fault::Timeout) => return std::future::pending().await,
        Some(Fault::Truncated) | None => {}
    }
    if let Some(grpc_response) = &script.grpc {
        let response = grpc::respond(script, grpc_response, grpc_request.unwrap_or_default())?;
        return Ok(response.map(ResponseBody::Grpc));
    }
    let headers = grpc::fields(&script.headers)?;
    let truncated = script.fault == Some(Fault::Truncated);
    respond(script.status.unwrap_or(200), headers, script.body.as_ref(), truncated).map(plain)
}

/// A response with a body other than gRPC.
pub(super) fn plain(response: Response<PacedBody>) -> Response<ResponseBody> {
    response.map(ResponseBody::Paced)
}

/// A response of these parts.
pub(super) fn respond(
    status: u16,
    mut headers: HeaderMap,
    body: Option<&Body>,
    truncated: bool,
) -> io::Result<Response<PacedBody>> {
    let parts = BodyParts::of(body).map_err(|(_, reason)| io::Error::other(reason))?;
    if let Some(kind) = parts.kind.filter(|_| !headers.contains_key(header::CONTENT_TYPE)) {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    let mut response = Response::new(parts.body(truncated));
    *response.status_mut() = StatusCode::from_u16(status).map_err(io::Error::other)?;
    *response.headers_mut() = headers;
    Ok(response)
}

/// Status 200 with the request as JSON.
pub(super) fn echo(request: &ReceivedRequest) -> io::Result<Response<PacedBody>> {
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
        BodyParts {
            pieces: vec![Bytes::from(json.to_string())],
            ..BodyParts::default()
        }
        .body(false),
    );
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}
