//! [`GrpcCallout`] and [`GrpcStream`]: gRPC calls and streams of the plugin's own. Messages are bytes: the plugin
//! encodes and decodes them, for example with `prost`.
//!
//! A unary call sends one message and receives one:
//!
//! ```
//! # use lockgate_sdk::prelude::*;
//! # use lockgate_sdk::{GrpcStatus, Upstream};
//! # use std::time::Duration;
//! # async fn hook(permissions: &Upstream, question: Vec<u8>) -> Result<()> {
//! let check = permissions.grpc("authz.v1.Authz", "Check").message(question);
//! match check.timeout(Duration::from_millis(200)).await {
//!     Ok(response) => log::info!("permitted: {} bytes", response.len()),
//!     Err(Error::Grpc { status: GrpcStatus::PERMISSION_DENIED, message }) => log::info!("not permitted: {message}"),
//!     Err(other) => return Err(other),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A stream carries any number of messages:
//!
//! ```
//! # use lockgate_sdk::prelude::*;
//! # use lockgate_sdk::Upstream;
//! # async fn hook(scanner: &Upstream, parts: &[Vec<u8>]) -> Result<()> {
//! let mut scan = scanner.grpc_stream("scan.v1.Scanner", "Scan").metadata("x-tenant", "acme").open()?;
//! for part in parts {
//!     scan.send(part)?;
//! }
//! scan.close_send()?;
//! while let Some(verdict) = scan.recv().await? {
//!     log::info!("{} bytes of verdict", verdict.len());
//! }
//! # Ok(())
//! # }
//! ```

mod events;
mod stream;

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::abi::grpc_status::GrpcStatus;
use crate::abi::pairs;
use crate::callout::{TIMEOUT, Upstream};
use crate::error::{Error, Result};
use crate::host;
use crate::host::pending::PendingCalls;

pub use self::events::Event;
pub(crate) use self::events::dispatch;
pub use self::stream::{GrpcOpening, GrpcStream};

impl Upstream {
    /// A unary call of a method, like `grpc("helloworld.Greeter", "SayHello")`. The upstream must use HTTP/2.
    pub fn grpc(&self, service: &str, method: &str) -> GrpcCallout {
        GrpcCallout {
            upstream: self.name().to_owned(),
            service: service.to_owned(),
            method: method.to_owned(),
            metadata: Vec::new(),
            message: Vec::new(),
            timeout: TIMEOUT,
        }
    }
}

/// A unary gRPC call. It is sent when it is first polled. If the future is dropped before the response, the call is
/// cancelled.
#[derive(Debug, Clone)]
#[must_use = "a call is sent when it is awaited"]
pub struct GrpcCallout {
    upstream: String,
    service: String,
    method: String,
    metadata: Vec<(String, String)>,
    message: Vec<u8>,
    timeout: Duration,
}

impl GrpcCallout {
    /// Sets the encoded message; empty by default.
    pub fn message(mut self, message: impl Into<Vec<u8>>) -> GrpcCallout {
        self.message = message.into();
        self
    }

    /// Adds a field to the initial metadata.
    pub fn metadata(mut self, name: &str, value: impl Into<String>) -> GrpcCallout {
        self.metadata.push((name.to_owned(), value.into()));
        self
    }

    /// Sets the timeout, in whole milliseconds; 5 s by default.
    pub fn timeout(mut self, timeout: Duration) -> GrpcCallout {
        self.timeout = timeout;
        self
    }

    fn send(&self, waker: &Waker) -> Result<u32> {
        events::CALL_LISTENER.set(Some(on_event));
        let milliseconds = u32::try_from(self.timeout.as_millis()).unwrap_or(u32::MAX);
        let metadata = pairs::encode(&self.metadata);
        let target = (&*self.upstream, &*self.service, &*self.method);
        let id = host::grpc_call(target, &metadata, &self.message, milliseconds);
        let id = id.map_err(Error::host("proxy_grpc_call"))?;
        CALLS.with(|calls| calls.insert(id, waker));
        Ok(id)
    }
}

impl IntoFuture for GrpcCallout {
    type Output = Result<Vec<u8>>;
    type IntoFuture = GrpcCall;

    fn into_future(self) -> GrpcCall {
        GrpcCall(CallState::Unsent(self))
    }
}

/// The future of a [`GrpcCallout`]. Its output is the encoded message of the response. Its metadata are not available:
/// hosts pass them on for [streams](GrpcStream) only.
///
/// # Errors
/// `PARSE_FAILURE` for an unknown upstream; in Lockgate, `INTERNAL_FAILURE` for one without HTTP/2. [`Error::Grpc`] for
/// every status but `OK`. Without a response, the status is `UNAVAILABLE` (14), or `DEADLINE_EXCEEDED` (4) after the
/// timeout.
#[derive(Debug)]
#[must_use = "a call is sent when it is awaited"]
pub struct GrpcCall(CallState);

#[derive(Debug)]
enum CallState {
    Unsent(GrpcCallout),
    Sent(u32),
    Done,
}

impl Future for GrpcCall {
    type Output = Result<Vec<u8>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Vec<u8>>> {
        let id = match &self.0 {
            CallState::Unsent(callout) => match callout.send(cx.waker()) {
                Ok(id) => {
                    self.0 = CallState::Sent(id);
                    return Poll::Pending;
                }
                Err(error) => {
                    self.0 = CallState::Done;
                    return Poll::Ready(Err(error));
                }
            },
            CallState::Sent(id) => *id,
            CallState::Done => return Poll::Pending,
        };
        match CALLS.with(|calls| calls.poll_response(id, cx.waker())) {
            Some(response) => {
                self.0 = CallState::Done;
                Poll::Ready(response)
            }
            None => Poll::Pending,
        }
    }
}

impl Drop for GrpcCall {
    fn drop(&mut self) {
        if let CallState::Sent(id) = self.0
            && CALLS.with(|calls| calls.remove(id))
        {
            // If the host cannot cancel it, its response is ignored.
            let _ = host::grpc_cancel(id);
        }
    }
}

thread_local! {
    static CALLS: PendingCalls<Result<Vec<u8>>> = const { PendingCalls::new() };
}

/// Handles an event of a call: its message, or the status of its failure.
fn on_event(id: u32, event: Event) {
    CALLS.with(|calls| {
        if !calls.contains(id) {
            return;
        }
        match event {
            Event::Message(size) => calls.complete(id, events::message(size)),
            Event::Closed(status) => {
                let (status, message) = (GrpcStatus(status), events::reason());
                calls.complete(id, Err(Error::Grpc { status, message }));
            }
            Event::Initial(_) | Event::Trailing(_) => {}
        }
    });
}

/// Removes all calls and streams, for the next native test of this thread.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn reset() {
    CALLS.with(PendingCalls::reset);
    stream::reset();
}
