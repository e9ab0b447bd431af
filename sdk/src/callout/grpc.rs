//! [`GrpcCallout`] and [`GrpcStream`]: gRPC that a plugin speaks itself. Messages are bytes: what encodes them, as prost does, is
//! the plugin's choice.
//!
//! One message each way is a call:
//!
//! ```
//! # use lockgate_sdk::prelude::*;
//! # use lockgate_sdk::{GrpcStatus, Upstream};
//! # use std::time::Duration;
//! # async fn hook(permissions: &Upstream, question: Vec<u8>) -> Result<()> {
//! let check = permissions.grpc("authz.v1.Authz", "Check").message(question);
//! match check.timeout(Duration::from_millis(200)).await {
//!     Ok(answer) => log::info!("{} bytes say yes", answer.len()),
//!     Err(Error::Grpc { status: GrpcStatus::PERMISSION_DENIED, message }) => log::info!("no: {message}"),
//!     Err(other) => return Err(other),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! More of them are a stream:
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
use crate::futures::pending::PendingCalls;
use crate::host;

pub use self::events::Event;
pub(crate) use self::events::dispatch;
pub use self::stream::{GrpcOpening, GrpcStream};

impl Upstream {
    /// A unary call of a method, like `grpc("helloworld.Greeter", "SayHello")`. The upstream speaks HTTP/2.
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

/// A unary gRPC call. It is sent when it is awaited for the first time; dropping it before the answer cancels it.
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
    /// The message, encoded. An empty one until it is set.
    pub fn message(mut self, message: impl Into<Vec<u8>>) -> GrpcCallout {
        self.message = message.into();
        self
    }

    /// Adds a field of the initial metadata.
    pub fn metadata(mut self, name: &str, value: impl Into<String>) -> GrpcCallout {
        self.metadata.push((name.to_owned(), value.into()));
        self
    }

    /// How long to wait, in whole milliseconds; 5 s until it is set.
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

/// A gRPC call that is awaited: the answer's message, encoded.
///
/// # Errors
/// It yields `PARSE_FAILURE` for an upstream that does not exist, in Lockgate `INTERNAL_FAILURE` for one that does not speak HTTP/2, and [`Error::Grpc`] for every status
/// but `OK`, also where there was no answer: `UNAVAILABLE` (14), or `DEADLINE_EXCEEDED` (4) when it took too long. No host tells
/// the metadata of a call's answer; those of a [stream](GrpcStream) are told.
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
            Some(answer) => {
                self.0 = CallState::Done;
                Poll::Ready(answer)
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
            // A host that cannot cancel it tells its answer to nobody.
            let _ = host::grpc_cancel(id);
        }
    }
}

thread_local! {
    static CALLS: PendingCalls<Result<Vec<u8>>> = const { PendingCalls::new() };
}

/// The one thing that the host tells of a call: its message, or how it has failed.
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

/// In native tests: a new gateway starts with no calls.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn reset() {
    CALLS.with(PendingCalls::reset);
    stream::reset();
}
