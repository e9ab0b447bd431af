//! [`Upstream`] and [`Callout`]: HTTP requests of the plugin's own to upstreams, and [`CalloutResponse`], their
//! responses.
//!
//! ```
//! # use lockgate_sdk::prelude::*;
//! # use lockgate_sdk::{Upstream, join};
//! # use std::time::Duration;
//! # async fn hook(users: &Upstream, audit: &Upstream) -> Result<()> {
//! let user = users.get("/me").header("accept", "application/json").timeout(Duration::from_millis(200)).await?;
//! let user = user.successful()?;
//! let name = user.text()?;
//! // Two at once:
//! let (noted, seen) = join(audit.post("/seen").text(name), audit.get("/seen")).await;
//! # noted?; seen?; Ok(())
//! # }
//! ```

pub(crate) mod grpc;

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::abi::pairs;
use crate::abi::{Buffer, Map};
use crate::error::{Error, Result};
use crate::host;
use crate::host::pending::PendingCalls;
use crate::http::headers::{HeaderList, Headers};
use crate::text;

/// The default timeout of a callout.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);

/// An upstream of the gateway (in Envoy: a cluster), by its name. In a configuration it is a string.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Upstream {
    name: String,
}

impl Upstream {
    /// The upstream of this name. Whether it exists shows when it is called.
    pub fn new(name: impl Into<String>) -> Upstream {
        Upstream { name: name.into() }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A `GET` request. `path` may contain a query.
    pub fn get(&self, path: &str) -> Callout {
        self.request("GET", path)
    }

    /// A `POST` request.
    pub fn post(&self, path: &str) -> Callout {
        self.request("POST", path)
    }

    /// A request with any method.
    pub fn request(&self, method: &str, path: &str) -> Callout {
        Callout::new(method, &self.name, path)
    }
}

/// A request to an upstream. It is sent when it is first polled. If the future is dropped before the response, the
/// response is ignored.
#[derive(Debug, Clone)]
#[must_use = "a callout is sent when it is awaited"]
pub struct Callout {
    upstream: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    timeout: Duration,
    error: Option<Error>,
}

impl Callout {
    /// A request with this method. Unless set, its authority is the upstream's name, and its timeout 5 s.
    pub fn new(method: &str, upstream: &str, path_and_query: &str) -> Callout {
        let head = [
            (":method", method),
            (":path", path_and_query),
            (":authority", upstream),
            (":scheme", "http"),
        ];
        Callout {
            upstream: upstream.to_owned(),
            headers: head.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
            body: Vec::new(),
            timeout: TIMEOUT,
            error: None,
        }
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Callout {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Sets the authority (`:authority`), in place of the upstream's name.
    pub fn authority(mut self, authority: &str) -> Callout {
        for (_, value) in self.headers.iter_mut().filter(|(name, _)| name == ":authority") {
            authority.clone_into(value);
        }
        self
    }

    /// Sets the timeout, in whole milliseconds.
    pub fn timeout(mut self, timeout: Duration) -> Callout {
        self.timeout = timeout;
        self
    }

    /// Sets the body and its `content-type`.
    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Callout {
        self.body = body.into();
        self.headers.retain(|(name, _)| name != "content-type");
        self.header("content-type", content_type)
    }

    /// Sets the body to plain text.
    pub fn text(self, text: impl Into<String>) -> Callout {
        self.body("text/plain; charset=utf-8", text.into())
    }

    /// Sets the body to the fields of a form, as `application/x-www-form-urlencoded`.
    pub fn form(self, fields: &[(&str, &str)]) -> Callout {
        let mut form = String::new();
        for (name, value) in fields {
            if !form.is_empty() {
                form.push('&');
            }
            text::push_form(&mut form, name);
            form.push('=');
            text::push_form(&mut form, value);
        }
        self.body("application/x-www-form-urlencoded", form)
    }

    /// Sets the body to a value as JSON. If the value cannot be serialized, the callout fails.
    pub fn json<T: Serialize + ?Sized>(mut self, value: &T) -> Callout {
        match serde_json::to_vec(value) {
            Ok(json) => self.body("application/json", json),
            Err(error) => {
                self.error = Some(Error::Plugin(error.to_string()));
                self
            }
        }
    }

    fn send(self, waker: &Waker) -> Result<u32> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let milliseconds = u32::try_from(self.timeout.as_millis()).unwrap_or(u32::MAX);
        let headers = pairs::encode(&self.headers);
        let id = host::http_call(&self.upstream, &headers, &self.body, milliseconds)
            .map_err(Error::host("proxy_http_call"))?;
        CALLS.with(|calls| calls.insert(id, waker));
        Ok(id)
    }
}

impl IntoFuture for Callout {
    type Output = Result<CalloutResponse>;
    type IntoFuture = Call;

    fn into_future(self) -> Call {
        Call(CallState::Unsent(self))
    }
}

/// The future of a [`Callout`].
///
/// # Errors
/// `BAD_ARGUMENT` for an unknown upstream, and [`Error::NoResponse`] if the connection was refused or reset, or the
/// timeout has passed. In the latter cases, Envoy returns a response with status 503 or 504 instead. A response of any
/// status is no error; see [`CalloutResponse::successful`].
#[derive(Debug)]
#[must_use = "a callout is sent when it is awaited"]
pub struct Call(CallState);

#[derive(Debug)]
enum CallState {
    Unsent(Callout),
    Sent(u32),
    Done,
}

impl Future for Call {
    type Output = Result<CalloutResponse>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<CalloutResponse>> {
        let result = match std::mem::replace(&mut self.0, CallState::Done) {
            CallState::Unsent(callout) => match callout.send(cx.waker()) {
                Ok(id) => {
                    self.0 = CallState::Sent(id);
                    return Poll::Pending;
                }
                Err(error) => Err(error),
            },
            CallState::Sent(id) => match CALLS.with(|calls| calls.poll_response(id, cx.waker())) {
                Some(response) => response,
                None => {
                    self.0 = CallState::Sent(id);
                    return Poll::Pending;
                }
            },
            CallState::Done => return Poll::Pending,
        };
        Poll::Ready(result)
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if let CallState::Sent(id) = self.0 {
            CALLS.with(|calls| calls.remove(id));
        }
    }
}

/// The response to a callout, as a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalloutResponse {
    status: u16,
    headers: HeaderList,
    trailers: HeaderList,
    body: Vec<u8>,
}

impl CalloutResponse {
    /// The status, like 200.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The response itself if its status is 2xx.
    ///
    /// # Errors
    /// [`Error::UnexpectedStatus`] for every other status.
    pub fn successful(self) -> Result<CalloutResponse> {
        match self.status {
            200..=299 => Ok(self),
            status => Err(Error::UnexpectedStatus(status)),
        }
    }

    /// The first value of a header; `None` if it is absent.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.first(name)
    }

    /// The headers.
    pub fn headers(&self) -> &HeaderList {
        &self.headers
    }

    /// The trailers.
    pub fn trailers(&self) -> &HeaderList {
        &self.trailers
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The body as text.
    ///
    /// # Errors
    /// [`Error::Malformed`] if it is not UTF-8.
    pub fn text(&self) -> Result<&str> {
        std::str::from_utf8(&self.body).map_err(|_| Error::Malformed("the text of a callout's response"))
    }

    /// The body, deserialized from JSON.
    ///
    /// # Errors
    /// [`Error::Malformed`] if it is not JSON, or not of this type.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body).map_err(|_| Error::Malformed("the JSON of a callout's response"))
    }
}

thread_local! {
    static CALLS: PendingCalls<Result<CalloutResponse>> = const { PendingCalls::new() };
}

/// Handles the response to a callout. It can be read only during this callback; if no future waits for it, it is
/// ignored.
pub(crate) fn on_response(id: u32, headers: usize, body: usize, trailers: usize) {
    CALLS.with(|calls| {
        if calls.contains(id) {
            calls.complete(id, read(headers, body, trailers));
        }
    });
}

fn read(headers: usize, body: usize, trailers: usize) -> Result<CalloutResponse> {
    if headers == 0 {
        return Err(Error::NoResponse(match host::call_status() {
            Ok((_, message)) if !message.is_empty() => text::lossy(message),
            _ => "no reason given".to_owned(),
        }));
    }
    let headers = Headers::of(Map::CallHeaders).list()?;
    let status = headers.first(":status").and_then(|status| status.parse().ok());
    Ok(CalloutResponse {
        status: status.ok_or(Error::Malformed(":status"))?,
        headers,
        trailers: match trailers {
            0 => HeaderList::default(),
            _ => Headers::of(Map::CallTrailers).list()?,
        },
        body: match body {
            0 => Vec::new(),
            size => host::buffer(Buffer::CallBody, 0, size)
                .map_err(Error::host("proxy_get_buffer_bytes"))?
                .unwrap_or_default(),
        },
    })
}

/// Removes all callouts, for the next native test of this thread.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn reset() {
    CALLS.with(PendingCalls::reset);
}
