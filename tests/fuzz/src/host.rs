//! The host of fuzzed VMs, and the messages that pass through them.

use std::rc::Rc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use lockgate_exchange::SharedExchange;
use lockgate_sandbox::testing::{self, MemoryHost};
use lockgate_sandbox::{CalloutResponse, CalloutResult};

/// A host without gRPC, whose queue notifications are sent between callbacks.
pub(crate) fn host() -> Rc<MemoryHost> {
    let host = MemoryHost::default();
    host.refuses_grpc.set(true);
    host.defers_notifications.set(true);
    Rc::new(host)
}

/// A request.
pub(crate) fn exchange() -> SharedExchange {
    let exchange = testing::exchange();
    exchange.borrow_mut().request.headers = headers();
    exchange
}

/// A few headers, one of them twice.
pub(crate) fn headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("x-a", HeaderValue::from_static("anna"));
    headers.append("x-twice", HeaderValue::from_static("one"));
    headers.append("x-twice", HeaderValue::from_static("two"));
    headers
}

/// The response to a callout that succeeded.
pub(crate) fn callout_response() -> CalloutResult {
    Ok(CalloutResponse {
        status: StatusCode::OK,
        headers: headers(),
        body: Bytes::from_static(b"answer"),
        trailers: Some(headers()),
    })
}
