//! [`CalloutRequest`] and [`ScriptedResponse`]: what a scripted upstream gets and returns.

use std::time::Duration;

use serde::Serialize;

use crate::abi::grpc_status::GrpcStatus;
use crate::host::memory::{Pairs, SentCallout};

/// A callout, as the upstream gets it.
#[derive(Debug, Clone)]
pub struct CalloutRequest {
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl CalloutRequest {
    pub(super) fn of(call: &SentCallout) -> CalloutRequest {
        CalloutRequest {
            headers: call.headers.clone(),
            body: call.body.clone(),
        }
    }

    /// The method.
    pub fn method(&self) -> &str {
        self.header(":method").unwrap_or_default()
    }

    /// The path with the query.
    pub fn path(&self) -> &str {
        self.header(":path").unwrap_or_default()
    }

    /// The first value of a header; `None` if it is absent.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The body.
    pub fn body(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// The response of a scripted upstream, built from [`response`], [`no_response`], [`grpc_response`] or [`grpc_error`].
#[derive(Debug, Clone)]
pub struct ScriptedResponse {
    status: Option<u16>,
    headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// The body in the pieces in which it arrives; empty for pieces of 8 bytes.
    pub(super) pieces: Vec<Vec<u8>>,
    pub(super) delay: Duration,
    grpc: Option<(GrpcStatus, String)>,
}

/// A response with this status and without a body.
pub fn response(status: u16) -> ScriptedResponse {
    ScriptedResponse {
        status: Some(status),
        headers: Vec::new(),
        body: Vec::new(),
        pieces: Vec::new(),
        delay: Duration::ZERO,
        grpc: None,
    }
}

/// The successful response of a gRPC call, with this message.
pub fn grpc_response(message: impl Into<Vec<u8>>) -> ScriptedResponse {
    ScriptedResponse {
        body: message.into(),
        ..response(200)
    }
}

/// The failure of a gRPC call, with this status and message.
pub fn grpc_error(status: impl Into<GrpcStatus>, message: &str) -> ScriptedResponse {
    ScriptedResponse {
        grpc: Some((status.into(), message.to_owned())),
        ..response(200)
    }
}

/// No response: the connection is refused.
pub fn no_response() -> ScriptedResponse {
    ScriptedResponse {
        status: None,
        ..response(0)
    }
}

impl ScriptedResponse {
    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> ScriptedResponse {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the body to a text.
    pub fn text(mut self, text: &str) -> ScriptedResponse {
        self.body = text.as_bytes().to_vec();
        self
    }

    /// Sets the body to a text that arrives in these pieces.
    pub fn chunks(mut self, pieces: &[&str]) -> ScriptedResponse {
        self.pieces = pieces.iter().map(|piece| piece.as_bytes().to_vec()).collect();
        self.body = self.pieces.concat();
        self
    }

    /// Sets the body to a value as JSON.
    ///
    /// # Panics
    /// If the value cannot be serialized.
    pub fn json<T: Serialize + ?Sized>(mut self, value: &T) -> ScriptedResponse {
        self.body = serde_json::to_vec(value).expect("the value can be serialized");
        self.header("content-type", "application/json")
    }

    /// Delays the response; see [`Gateway::advance`](super::Gateway::advance).
    pub fn after(mut self, delay: Duration) -> ScriptedResponse {
        self.delay = delay;
        self
    }

    /// The message of a gRPC response, or its status and message. An HTTP status becomes a gRPC status by gRPC's
    /// mapping.
    pub(super) fn into_grpc(self, timed_out: bool) -> Result<Vec<u8>, (u32, String)> {
        match (self.grpc, self.status) {
            (Some((GrpcStatus::OK, _)), _) | (None, Some(200)) => Ok(self.body),
            (Some((status, message)), _) => Err((status.0, message)),
            (None, None) if timed_out => Err((4, "deadline exceeded".to_owned())),
            (None, None | Some(429 | 502 | 503 | 504)) => Err((14, "unavailable".to_owned())),
            (None, Some(status)) => {
                let code = match status {
                    400 => 13,
                    401 => 16,
                    403 => 7,
                    404 => 12,
                    _ => 2,
                };
                Err((code, format!("HTTP status {status}")))
            }
        }
    }

    /// The response under the callout's timeout: none, if it would come later.
    pub(super) fn within(self, milliseconds: u32) -> ScriptedResponse {
        let timeout = Duration::from_millis(u64::from(milliseconds));
        if self.delay > timeout {
            no_response().after(timeout)
        } else {
            self
        }
    }

    pub(super) fn into_parts(self) -> (Pairs, Vec<u8>) {
        let status = self.status.map(|status| (":status".to_owned(), status.to_string()));
        let headers = status.into_iter().chain(self.headers);
        let headers = headers.map(|(name, value)| (name, value.into_bytes())).collect();
        (headers, self.body)
    }
}
