//! HTTP callouts: sent like any request, answered whole, once, within their timeout.

use bytes::BytesMut;
use http::{Request, Uri, Version, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use lockgate_exchange::Reservation;
use lockgate_sandbox::{Callout, CalloutFailure, CalloutReply, CalloutResponse, CalloutResult};
use lockgate_upstream::{Client, Upstream};

use crate::chain::message_body::MessageBody;

/// Maximum bytes of a response's body; more is a failure. A guest keeps all of it in its own, bounded memory.
const MAX_BODY: usize = 4 * 1024 * 1024;

/// Makes the request and delivers the result.
pub(crate) async fn make(client: Client<MessageBody>, upstream: &Upstream, callout: Callout, reply: CalloutReply) {
    let timeout = callout.timeout;
    // It is held until the plugin has read the response.
    let mut memory = reply.memory();
    let result = match tokio::time::timeout(timeout, exchange(client, upstream, callout, &mut memory)).await {
        Ok(result) => result,
        Err(_) => Err(CalloutFailure::Timeout),
    };
    reply.deliver(result);
}

async fn exchange(
    client: Client<MessageBody>,
    upstream: &Upstream,
    callout: Callout,
    memory: &mut Reservation,
) -> CalloutResult {
    let sent = client.send(upstream, request(callout)).await.map_err(|error| {
        tracing::debug!(upstream = %upstream.name(), %error, "a callout failed");
        CalloutFailure::Failed
    })?;
    let (parts, body) = sent.response.into_parts();
    let mut source = Limited::new(body, MAX_BODY);
    let (mut body, mut trailers) = (BytesMut::new(), None);
    while let Some(frame) = source.frame().await {
        let frame = frame.map_err(|error| {
            let too_large = error.is::<LengthLimitError>();
            tracing::debug!(upstream = %upstream.name(), too_large, %error, "a callout's answer broke off");
            CalloutFailure::Failed
        })?;
        match frame.into_data() {
            Ok(data) if memory.resize(body.len() + data.len()) => body.extend_from_slice(&data),
            Ok(_) => {
                tracing::warn!(upstream = %upstream.name(), "callout failed: limits.memory leaves no room for its answer");
                return Err(CalloutFailure::Failed);
            }
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
    }
    Ok(CalloutResponse {
        status: parts.status,
        headers: parts.headers,
        trailers,
        body: body.freeze(),
    })
}

fn request(callout: Callout) -> Request<MessageBody> {
    let head = callout.head;
    let mut request = Request::new(MessageBody::whole(callout.body));
    *request.method_mut() = head.method;
    *request.uri_mut() = Uri::from(head.path);
    *request.version_mut() = Version::HTTP_11;
    *request.headers_mut() = head.headers;
    request.headers_mut().insert(header::HOST, head.authority);
    // The length is the body's own.
    request.headers_mut().remove(header::CONTENT_LENGTH);
    request
}
