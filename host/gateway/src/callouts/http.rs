//! HTTP callouts: sent like any request, answered whole, once, within their timeout.

use std::pin::pin;

use bytes::BytesMut;
use http::{Request, Uri, Version, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use lockgate_exchange::Reservation;
use lockgate_sandbox::{Callout, CalloutFailure, CalloutReply, CalloutResponse};
use lockgate_upstream::{Client, Overdue, Upstream, in_words};

use crate::callouts::observer::CalloutObserver;
use crate::chain::message_body::MessageBody;

/// Maximum bytes of a response's body; more is a failure. A guest keeps all of it in its own, bounded memory.
const MAX_BODY: usize = 4 * 1024 * 1024;

/// Makes the request and delivers the result.
pub(crate) async fn make(
    client: Client<MessageBody>,
    upstream: &Upstream,
    callout: Callout,
    reply: CalloutReply,
    observer: CalloutObserver,
) {
    let timeout = callout.timeout;
    // It is held until the plugin has read the response.
    let mut memory = reply.memory();
    let overdue = Overdue::default();
    let mut exchange = pin!(exchange(client, upstream, callout, &mut memory, &overdue));
    let result = match tokio::time::timeout(timeout, &mut exchange).await {
        Ok(Ok(response)) => {
            observer.responded();
            Ok(response)
        }
        Ok(Err(cause)) => {
            observer.failed(&cause);
            Err(CalloutFailure::Failed)
        }
        Err(_) => {
            overdue.set();
            observer.timed_out("no response within the callout's own timeout");
            Err(CalloutFailure::Timeout)
        }
    };
    reply.deliver(result);
}

/// The response, or why there is none.
async fn exchange(
    client: Client<MessageBody>,
    upstream: &Upstream,
    callout: Callout,
    memory: &mut Reservation,
    overdue: &Overdue,
) -> Result<CalloutResponse, String> {
    let sent = client.send_with_policies(upstream, request(callout), overdue).await;
    let (parts, body) = sent.map_err(|error| in_words(&error))?.response.into_parts();
    let mut source = Limited::new(body, MAX_BODY);
    let (mut body, mut trailers) = (BytesMut::new(), None);
    while let Some(frame) = source.frame().await {
        let frame = frame.map_err(|error| match error.is::<LengthLimitError>() {
            true => format!("the response has more than {MAX_BODY} bytes"),
            false => format!("the response broke off: {}", in_words(&*error)),
        })?;
        match frame.into_data() {
            Ok(data) if memory.resize(body.len() + data.len()) => body.extend_from_slice(&data),
            Ok(_) => return Err("limits.memory leaves no room for the response".to_owned()),
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
