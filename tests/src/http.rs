//! HTTP/1.1 messages: requests to be written, and what was read, with how it ended. Indifferent to rules on purpose: a test must
//! be able to say, and to hear, what no decent client would.

use serde_json::Value;
use std::fmt;

/// Header fields in their order, names as they came.
pub type Fields = Vec<(String, String)>;

/// How a message came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// All that was announced has come (or nothing was).
    Whole,
    /// The connection's end was the body's end, as HTTP/1.0 has it.
    Close,
    /// The connection ended before the message did.
    Cut,
}

/// A request or a response, read to its end.
#[derive(Clone)]
pub struct Message {
    /// The first line, without its line end.
    pub start: String,
    /// The header fields.
    pub headers: Fields,
    /// The body, freed from chunking.
    pub body: Vec<u8>,
    /// The trailer fields of a chunked body.
    pub trailers: Fields,
    /// How it ended.
    pub ending: Ending,
}

impl fmt::Debug for Message {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text: String = self.text().chars().take(500).collect();
        write!(
            out,
            "{:?} {:?} {text:?} {:?} {:?}",
            self.start, self.headers, self.trailers, self.ending
        )
    }
}

impl Message {
    /// The status of a response.
    ///
    /// # Panics
    /// When this is no response.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.start
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .unwrap_or_else(|| panic!("no status in {:?}", self.start))
    }

    /// The method of a request.
    #[must_use]
    pub fn method(&self) -> &str {
        self.start.split(' ').next().unwrap_or_default()
    }

    /// The target of a request, as it stands on the first line.
    #[must_use]
    pub fn target(&self) -> &str {
        self.start.split(' ').nth(1).unwrap_or_default()
    }

    /// The first field of that name, in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        field(&self.headers, name)
    }

    /// All fields of that name.
    #[must_use]
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers
            .iter()
            .filter(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect()
    }

    /// The body as text; bytes that are none are replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {:?}", self.text()))
    }
}

/// The first field of that name, in any case.
#[must_use]
pub fn field<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    fields
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
}

/// A request to be written.
#[derive(Debug, Clone)]
pub struct Request {
    method: String,
    target: String,
    headers: Fields,
    body: Body,
}

#[derive(Debug, Clone)]
enum Body {
    None,
    Length(Vec<u8>),
    Chunked(Vec<Vec<u8>>, Fields),
}

/// A GET request.
#[must_use]
pub fn get(target: &str) -> Request {
    request("GET", target)
}

/// A POST request with a body of known length.
#[must_use]
pub fn post(target: &str, body: impl AsRef<[u8]>) -> Request {
    request("POST", target).body(body)
}

/// A request without a body; `Host` is added when it is written, if none was given.
#[must_use]
pub fn request(method: &str, target: &str) -> Request {
    Request {
        method: method.into(),
        target: target.into(),
        headers: Vec::new(),
        body: Body::None,
    }
}

impl Request {
    /// With one more field.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// With a body and its Content-Length.
    #[must_use]
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = Body::Length(body.as_ref().to_vec());
        self
    }

    /// With a chunked body and, perhaps, trailers.
    #[must_use]
    pub fn chunks(mut self, chunks: &[&str], trailers: &[(&str, &str)]) -> Self {
        let trailers = trailers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect();
        self.body = Body::Chunked(chunks.iter().map(|chunk| chunk.as_bytes().to_vec()).collect(), trailers);
        self
    }

    /// The method, which decides how the answer ends.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    /// As bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let (head, body) = self.parts();
        [head, body].concat()
    }

    /// The head's bytes and the body's, trailers included.
    #[must_use]
    pub fn parts(&self) -> (Vec<u8>, Vec<u8>) {
        let mut out = format!("{} {} HTTP/1.1\r\n", self.method, self.target).into_bytes();
        if field(&self.headers, "host").is_none() {
            out.extend(b"host: gateway.test\r\n");
        }
        write_fields(&mut out, &self.headers);
        let mut body = Vec::new();
        match &self.body {
            Body::None => out.extend(b"\r\n"),
            Body::Length(bytes) => {
                out.extend(format!("content-length: {}\r\n\r\n", bytes.len()).bytes());
                body.extend(bytes);
            }
            Body::Chunked(chunks, trailers) => {
                out.extend(b"transfer-encoding: chunked\r\n\r\n");
                for chunk in chunks {
                    body.extend(format!("{:x}\r\n", chunk.len()).bytes());
                    body.extend(chunk);
                    body.extend(b"\r\n");
                }
                body.extend(b"0\r\n");
                write_fields(&mut body, trailers);
                body.extend(b"\r\n");
            }
        }
        (out, body)
    }
}

fn write_fields(out: &mut Vec<u8>, fields: &Fields) {
    for (name, value) in fields {
        out.extend(format!("{name}: {value}\r\n").bytes());
    }
}
