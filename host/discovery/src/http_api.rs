//! A client for the HTTP APIs of registries: requests with a time limit, answers with a size limit, and streams of lines.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use lockgate_client::{
    AttemptError, ConnectionPools, H1Request, Interim, KeepAlive, OutgoingHead, PoolSettings, PooledBody, Progress,
    ResponseHeadLimits, Target,
};
use lockgate_resolver::Resolver;
use lockgate_upstream::ServerUrl;
use serde::de::DeserializeOwned;

use crate::error::SourceError;

/// Maximum size of an answer, in bytes.
pub(crate) const MAX_ANSWER: usize = 32 << 20;
/// Maximum size of a line of a stream, in bytes.
const MAX_LINE: usize = 8 << 20;
/// Maximum bytes of an error's body that are shown.
const MAX_SHOWN: usize = 200;
/// Time for the headers of an ordinary answer, and for its whole body.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

const POOL: PoolSettings = PoolSettings {
    connect_timeout: Duration::from_secs(3),
    max_streams: 100,
    response_head: ResponseHeadLimits {
        bytes: 64 << 10,
        fields: 128,
    },
    keep_alive: KeepAlive {
        idle_timeout: Duration::from_secs(60),
        max_idle: 4,
    },
};

/// Sends requests. A clone shares the connections.
#[derive(Clone)]
pub(crate) struct HttpClient(ConnectionPools<Full<Bytes>>);

/// The server of a registry.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    target: Target,
    host: HeaderValue,
}

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct ApiRequest {
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// An answer with the status 200, whose body has not been read.
pub(crate) struct Answer {
    pub(crate) headers: HeaderMap,
    body: PooledBody,
}

impl Server {
    pub(crate) fn new(url: &ServerUrl) -> Result<Self, SourceError> {
        if url.is_tls {
            return Err(SourceError::Exchange("TLS is not spoken to this server".to_owned()));
        }
        let host = HeaderValue::from_str(&url.address.to_string())
            .map_err(|_| SourceError::Malformed("the URL has no host".to_owned()))?;
        Ok(Self {
            target: Target::clear_text(url.address.clone()),
            host,
        })
    }
}

impl ApiRequest {
    pub(crate) fn get(target: String) -> Self {
        Self {
            method: Method::GET,
            target,
            headers: HeaderMap::new(),
            body: String::new(),
        }
    }

    /// The same with a header. One with a value that no header can have is left out.
    pub(crate) fn with(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(mut value) = HeaderValue::from_str(value) {
            value.set_sensitive(true);
            self.headers.insert(name, value);
        }
        self
    }
}

impl HttpClient {
    pub(crate) fn new(resolver: &Resolver) -> Self {
        Self(ConnectionPools::with_resolver(Arc::new(resolver.clone())))
    }

    /// Sends a request and waits for the headers of its answer.
    ///
    /// # Errors
    /// There is none within `limit`, or it has another status than 200.
    pub(crate) async fn send(
        &self,
        server: &Server,
        request: &ApiRequest,
        limit: Duration,
    ) -> Result<Answer, SourceError> {
        let sending = tokio::time::timeout(limit, self.attempt(server, request));
        let response = sending.await.map_err(|_| SourceError::Timeout(limit))??;
        let status = response.status();
        let (parts, body) = response.into_parts();
        let answer = Answer {
            headers: parts.headers,
            body,
        };
        if status == StatusCode::OK {
            return Ok(answer);
        }
        let body = answer.start().await;
        Err(SourceError::Status {
            status: status.as_u16(),
            body,
        })
    }

    /// A kept connection that turns out to be closed is no failure of the server.
    async fn attempt(&self, server: &Server, request: &ApiRequest) -> Result<http::Response<PooledBody>, SourceError> {
        let mut needs_fresh = false;
        loop {
            let head = OutgoingHead {
                method: &request.method,
                target: &request.target,
                host: &server.host,
                headers: &request.headers,
                interim: &Interim::default(),
                upgrade: None,
            };
            let body = Full::new(Bytes::from(request.body.clone()));
            let mut sent = Some(Box::new(H1Request::new(head, body)));
            match self.0.send_h1(&server.target, &POOL, &mut sent, needs_fresh).await {
                Ok(response) => return Ok(response.receive().response),
                Err(AttemptError { error, progress }) => {
                    let is_stale = matches!(progress, Progress::Stale | Progress::Unsent | Progress::Unanswered);
                    if needs_fresh || !is_stale {
                        return Err(error.into());
                    }
                    needs_fresh = true;
                }
            }
        }
    }
}

impl Answer {
    /// The whole body, as JSON.
    ///
    /// # Errors
    /// It does not come in time, breaks off, is too large, or is not what is expected.
    pub(crate) async fn json<T: DeserializeOwned>(self) -> Result<T, SourceError> {
        let reading = tokio::time::timeout(TIMEOUT, self.bytes(MAX_ANSWER));
        let bytes = reading.await.map_err(|_| SourceError::Timeout(TIMEOUT))??;
        serde_json::from_slice(&bytes)
            .map_err(|error| SourceError::Malformed(format!("the answer is not the expected JSON: {error}")))
    }

    async fn bytes(mut self, limit: usize) -> Result<BytesMut, SourceError> {
        let mut bytes = BytesMut::new();
        while let Some(frame) = self.body.frame().await {
            if let Ok(data) = frame?.into_data() {
                if bytes.len() + data.len() > limit {
                    return Err(SourceError::TooLarge(limit));
                }
                bytes.extend_from_slice(&data);
            }
        }
        Ok(bytes)
    }

    /// The start of the body, in one line, for an error.
    async fn start(self) -> String {
        let is_short = self.body.size_hint().upper().is_some_and(|size| size <= 4096);
        let reading = tokio::time::timeout(Duration::from_secs(1), self.bytes(4096));
        let bytes = match is_short {
            true => reading.await.ok().and_then(Result::ok).unwrap_or_default(),
            false => BytesMut::new(),
        };
        let text = String::from_utf8_lossy(&bytes);
        let visible = text.chars().map(|char| if char.is_control() { ' ' } else { char });
        visible.take(MAX_SHOWN).collect::<String>().trim().to_owned()
    }

    /// The body as lines.
    pub(crate) fn lines(self) -> Lines {
        Lines {
            body: self.body,
            buffer: BytesMut::new(),
            searched: 0,
        }
    }
}

/// The lines of a body, as they come.
pub(crate) struct Lines {
    body: PooledBody,
    buffer: BytesMut,
    /// Bytes of the buffer without a line end.
    searched: usize,
}

impl Lines {
    /// The next line without its end; none at the end of the body.
    ///
    /// # Errors
    /// The body breaks off, or nothing comes within `limit`, or a line is too long.
    pub(crate) async fn next(&mut self, limit: Duration) -> Result<Option<Bytes>, SourceError> {
        loop {
            if let Some(at) = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n') {
                let mut line = self.buffer.split_to(self.searched + at + 1);
                line.truncate(line.len() - 1);
                self.searched = 0;
                return Ok(Some(line.freeze()));
            }
            self.searched = self.buffer.len();
            let frame = tokio::time::timeout(limit, self.body.frame());
            match frame.await.map_err(|_| SourceError::Timeout(limit))? {
                Some(frame) => {
                    if let Ok(data) = frame?.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
                // What has no end was cut.
                None => return Ok(None),
            }
            if self.buffer.len() > MAX_LINE {
                return Err(SourceError::TooLarge(MAX_LINE));
            }
        }
    }
}

/// A value in a path or a query (RFC 3986, section 2.1).
pub(crate) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => {
                // Writing to a string does not fail.
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

/// A query of these names and values.
pub(crate) fn query<'a>(pairs: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let pairs = pairs.into_iter();
    let pairs: Vec<String> = pairs
        .map(|(name, value)| format!("{name}={}", encoded(&value)))
        .collect();
    pairs.join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_in_a_query_are_encoded() {
        let pairs = [("tag", "a&b=c".to_owned()), ("filter", "ü /".to_owned())];
        assert_eq!(query(pairs), "tag=a%26b%3Dc&filter=%C3%BC%20%2F");
    }
}
