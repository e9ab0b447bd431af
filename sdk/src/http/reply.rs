//! [`Reply`]: a plugin's own response, in place of the upstream's.

use std::any::Any;

use serde::{Deserialize, Serialize};

use crate::abi::Map;
use crate::abi::pairs;
use crate::error::{AnyReply, Error, ReplyError, Result};
use crate::host;
use crate::http::headers::Headers;
use crate::text::push_number;

/// A response of the plugin, built from [`reply`]. It converts into a [`Flow`](crate::Flow) and into an
/// [`Error`](crate::Error), so that a function that a hook calls can end it by `return Err(reply(401).into())` and `?`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[must_use]
pub struct Reply {
    status: u16,
    details: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl AnyReply for Reply {
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn copy(&self) -> Box<dyn AnyReply> {
        Box::new(self.clone())
    }
    fn is_same(&self, other: &dyn Any) -> bool {
        other.downcast_ref() == Some(self)
    }
    fn send(&self) -> Result<()> {
        Reply::send(self)
    }
}

impl ReplyError {
    /// The reply.
    ///
    /// # Panics
    /// Never: it is made of a reply.
    pub fn reply(&self) -> &Reply {
        self.0.as_any().downcast_ref().expect("it is made of a reply")
    }
}

impl From<Reply> for ReplyError {
    fn from(reply: Reply) -> ReplyError {
        ReplyError(Box::new(reply))
    }
}

impl From<Reply> for Error {
    fn from(reply: Reply) -> Error {
        Error::Reply(reply.into())
    }
}

/// The prefix of problem types that are one word.
const PROBLEM_TYPES: &str = "urn:lockgate:problem:";

/// A reply with this status and without a body.
pub fn reply(status: u16) -> Reply {
    Reply {
        status,
        details: String::new(),
        headers: Vec::new(),
        body: Vec::new(),
    }
}

impl Reply {
    /// The status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Reply {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Sets the reason for the access log, one word like `quota_exceeded`. The client does not see it.
    pub fn details(mut self, details: &str) -> Reply {
        details.clone_into(&mut self.details);
        self
    }

    /// Sets the body to plain text.
    pub fn text(self, text: impl Into<String>) -> Reply {
        self.body("text/plain; charset=utf-8", text.into())
    }

    /// Sets the body to a value as JSON. If the value cannot be serialized, the reply becomes a 500.
    pub fn json<T: Serialize + ?Sized>(self, value: &T) -> Reply {
        match serde_json::to_vec(value) {
            Ok(json) => self.body("application/json", json),
            Err(_) => reply(500).problem("plugin_failed", "The reply could not be serialized."),
        }
    }

    /// Sets the body to a problem document (RFC 9457). `kind` is its type: one word, or a URI. `detail` is a text for
    /// the client; it must not contain secrets.
    pub fn problem(self, kind: &str, detail: &str) -> Reply {
        let prefix = if kind.contains(':') { "" } else { PROBLEM_TYPES };
        let mut status = String::new();
        push_number(&mut status, u64::from(self.status));
        let id = Headers::of(Map::RequestHeaders).first("x-request-id").ok().flatten();
        let (before_id, id) = match &id {
            Some(id) => ("\",\"request_id\":\"", id.as_str()),
            None => ("", ""),
        };
        let mut json = Vec::with_capacity(240);
        // The second part of each pair is escaped.
        for pair in [
            ["{\"type\":\"", prefix],
            ["", kind],
            ["\",\"title\":\"", title(self.status)],
            ["\",\"status\":", ""],
            [&status, ""],
            [",\"detail\":\"", detail],
            [before_id, id],
        ] {
            push(&mut json, pair);
        }
        json.extend_from_slice(b"\"}");
        self.body("application/problem+json", json)
    }

    /// Sets the body and its `content-type`.
    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Reply {
        self.body = body.into();
        self.headers.retain(|(name, _)| name != "content-type");
        self.header("content-type", content_type)
    }

    /// Sends the reply to the host.
    pub(crate) fn send(&self) -> Result<()> {
        let headers = pairs::encode(&self.headers);
        host::send_local_response(u32::from(self.status), &self.details, &headers, &self.body, -1)
            .map_err(Error::host("proxy_send_local_response"))
    }
}

/// Appends `plain` as it is, then `text` escaped as the inside of a JSON string. It works on bytes, as all escaped
/// characters are ASCII, and slicing text would link the code for its panics.
#[inline(never)]
fn push(json: &mut Vec<u8>, [plain, text]: [&str; 2]) {
    json.extend_from_slice(plain.as_bytes());
    for byte in text.bytes() {
        if matches!(byte, b'"' | b'\\') {
            json.push(b'\\');
        }
        // A control character becomes a space.
        json.push(byte.max(b' '));
    }
}

/// The reason phrase of a status (RFC 9110, section 15).
fn title(status: u16) -> &'static str {
    let known = TITLES.iter().find(|(known, _)| *known == status);
    known.map_or("Problem", |(_, title)| title)
}

const TITLES: [(u16, &str); 18] = [
    (400, "Bad Request"),
    (401, "Unauthorized"),
    (403, "Forbidden"),
    (404, "Not Found"),
    (405, "Method Not Allowed"),
    (406, "Not Acceptable"),
    (409, "Conflict"),
    (410, "Gone"),
    (412, "Precondition Failed"),
    (413, "Content Too Large"),
    (415, "Unsupported Media Type"),
    (422, "Unprocessable Content"),
    (429, "Too Many Requests"),
    (500, "Internal Server Error"),
    (501, "Not Implemented"),
    (502, "Bad Gateway"),
    (503, "Service Unavailable"),
    (504, "Gateway Timeout"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_valid_json_whatever_its_detail_contains() {
        let reply = reply(403).problem("forbidden", "say \"no\"\n\\ and mean it");
        let body: serde_json::Value = serde_json::from_slice(&reply.body).expect("JSON");
        assert_eq!(body["type"], "urn:lockgate:problem:forbidden");
        assert_eq!(body["title"], "Forbidden");
        assert_eq!(body["status"], 403);
        assert_eq!(body["detail"], "say \"no\" \\ and mean it");
        assert_eq!(
            reply.headers,
            [("content-type".to_owned(), "application/problem+json".to_owned())]
        );
    }

    #[test]
    fn a_problem_type_that_is_a_uri_stays_as_it_is() {
        let reply = reply(429).problem("https://example.com/p#x", "slow down");
        let body: serde_json::Value = serde_json::from_slice(&reply.body).expect("JSON");
        assert_eq!(body["type"], "https://example.com/p#x");
    }
}
