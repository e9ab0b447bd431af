//! What scripted upstreams are asked, and what they answer.

use std::time::Duration;

use serde::Serialize;

use crate::abi::grpc_status::GrpcStatus;
use crate::host::memory::{Pairs, SentCallout};

/// A callout as an upstream gets it.
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

    /// The path with its query.
    pub fn path(&self) -> &str {
        self.header(":path").unwrap_or_default()
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The body.
    pub fn body(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// What an upstream answers; [`answer`] and [`no_response`] begin it.
#[derive(Debug, Clone)]
pub struct ScriptedResponse {
    status: Option<u16>,
    headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    pub(super) delay: Duration,
    grpc: Option<(GrpcStatus, String)>,
}

/// An answer with this status and no body.
pub fn response(status: u16) -> ScriptedResponse {
    ScriptedResponse {
        status: Some(status),
        headers: Vec::new(),
        body: Vec::new(),
        delay: Duration::ZERO,
        grpc: None,
    }
}

/// A gRPC call goes well, with this message.
pub fn grpc_response(message: impl Into<Vec<u8>>) -> ScriptedResponse {
    ScriptedResponse {
        body: message.into(),
        ..response(200)
    }
}

/// A gRPC call fails, with this status and what comes with it.
pub fn grpc_error(status: impl Into<GrpcStatus>, message: &str) -> ScriptedResponse {
    ScriptedResponse {
        grpc: Some((status.into(), message.to_owned())),
        ..response(200)
    }
}

/// No answer: the connection is refused.
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

    /// Text as the body.
    pub fn text(mut self, text: &str) -> ScriptedResponse {
        self.body = text.as_bytes().to_vec();
        self
    }

    /// A value as a JSON body.
    ///
    /// # Panics
    /// When it has no JSON form.
    pub fn json<T: Serialize + ?Sized>(mut self, value: &T) -> ScriptedResponse {
        self.body = serde_json::to_vec(value).expect("the value of a test has a JSON form");
        self.header("content-type", "application/json")
    }

    /// Has it come later; see [`Gateway::advance`](super::Gateway::advance).
    pub fn after(mut self, delay: Duration) -> ScriptedResponse {
        self.delay = delay;
        self
    }

    /// The message that a gRPC call is answered with, or its status and what comes with that. An HTTP status is told as
    /// gRPC's mapping has it.
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

    /// What becomes of it under the callout's timeout.
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
