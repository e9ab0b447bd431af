//! HTTP/1.1 as bytes: requests to write, messages to read, and how each message ended. Small enough to trust by reading,
//! and indifferent to rules on purpose: a test must be able to say, and to hear, what no decent client would.

use serde_json::Value;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long a peer may be silent before a test gives up on it.
const SILENCE: Duration = Duration::from_secs(15);

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
#[derive(Debug, Clone)]
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
        let mut out = format!("{} {} HTTP/1.1\r\n", self.method, self.target).into_bytes();
        if field(&self.headers, "host").is_none() {
            out.extend(b"host: gateway.test\r\n");
        }
        write_fields(&mut out, &self.headers);
        match &self.body {
            Body::None => out.extend(b"\r\n"),
            Body::Length(body) => {
                out.extend(format!("content-length: {}\r\n\r\n", body.len()).bytes());
                out.extend(body);
            }
            Body::Chunked(chunks, trailers) => {
                out.extend(b"transfer-encoding: chunked\r\n\r\n");
                for chunk in chunks {
                    out.extend(format!("{:x}\r\n", chunk.len()).bytes());
                    out.extend(chunk);
                    out.extend(b"\r\n");
                }
                out.extend(b"0\r\n");
                write_fields(&mut out, trailers);
                out.extend(b"\r\n");
            }
        }
        out
    }
}

fn write_fields(out: &mut Vec<u8>, fields: &Fields) {
    for (name, value) in fields {
        out.extend(format!("{name}: {value}\r\n").bytes());
    }
}

/// One connection, from either end.
#[derive(Debug)]
pub struct Wire {
    stream: BufReader<TcpStream>,
}

impl Wire {
    /// Connects.
    ///
    /// # Panics
    /// When nobody listens.
    #[must_use]
    pub fn connect(address: SocketAddr) -> Self {
        Self::of(TcpStream::connect(address).unwrap_or_else(|error| panic!("no connection to {address}: {error}")))
    }

    /// Wraps a connection that is there.
    #[must_use]
    pub fn of(stream: TcpStream) -> Self {
        stream
            .set_nodelay(true)
            .and_then(|()| stream.set_read_timeout(Some(SILENCE)))
            .expect("a fresh socket takes options");
        Self {
            stream: BufReader::with_capacity(64 * 1024, stream),
        }
    }

    /// The socket, for what goes beyond reading and writing.
    #[must_use]
    pub fn socket(&self) -> &TcpStream {
        self.stream.get_ref()
    }

    /// Writes bytes as they are.
    ///
    /// # Errors
    /// The socket's.
    pub fn write(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes.as_ref())
    }

    /// Sends a request and reads its answer.
    ///
    /// # Errors
    /// The socket's; `UnexpectedEof` when the peer closes before an answer has begun.
    pub fn exchange(&mut self, request: &Request) -> io::Result<Message> {
        self.write(request.bytes())?;
        self.response(request.method())
    }

    /// Reads the answer to a request of that method, past interim ones.
    ///
    /// # Errors
    /// As [`Wire::exchange`].
    pub fn response(&mut self, method: &str) -> io::Result<Message> {
        loop {
            let mut message = self.head()?.ok_or(io::ErrorKind::UnexpectedEof)?;
            let status = message.status();
            if (100..200).contains(&status) && status != 101 {
                continue;
            }
            if method != "HEAD" && status != 204 && status != 304 {
                self.body(&mut message, Unannounced::UntilClose);
            }
            return Ok(message);
        }
    }

    /// Reads a request; none when the peer has closed in between.
    ///
    /// # Errors
    /// The socket's.
    pub fn request(&mut self) -> io::Result<Option<Message>> {
        let Some(mut message) = self.head()? else {
            return Ok(None);
        };
        self.body(&mut message, Unannounced::Empty);
        Ok(Some(message))
    }

    /// Reads a first line and header fields, and no body.
    ///
    /// # Errors
    /// The socket's.
    pub fn head(&mut self) -> io::Result<Option<Message>> {
        let Some(start) = self.line()? else { return Ok(None) };
        let headers = self.fields()?;
        Ok(Some(Message {
            start,
            headers,
            body: Vec::new(),
            trailers: Vec::new(),
            ending: Ending::Whole,
        }))
    }

    /// Reads and hands out the body of a message whose head has been read, without keeping it.
    ///
    /// # Errors
    /// The socket's; `UnexpectedEof` when the body is cut.
    pub fn stream_body(&mut self, head: &Message, mut sink: impl FnMut(&[u8])) -> io::Result<()> {
        if head.header("transfer-encoding").is_some() {
            while let size @ 1.. = self.chunk_size()? {
                self.counted(size, &mut sink)?;
                self.line()?;
            }
            self.fields().map(drop)
        } else {
            let length = head
                .header("content-length")
                .and_then(|text| text.parse().ok())
                .unwrap_or(0);
            self.counted(length, &mut sink)
        }
    }

    /// Everything until the peer closes.
    ///
    /// # Errors
    /// The socket's, except a reset, which ends like a close.
    pub fn rest(&mut self) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        match self.stream.read_to_end(&mut out) {
            Err(error) if error.kind() != io::ErrorKind::ConnectionReset => Err(error),
            _ => Ok(out),
        }
    }

    /// Reads some bytes.
    ///
    /// # Errors
    /// The socket's.
    pub fn some(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer)
    }

    fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(None);
        }
        if line.last() != Some(&b'\n') {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Some(
            String::from_utf8_lossy(&line)
                .trim_end_matches(['\r', '\n'])
                .to_string(),
        ))
    }

    fn fields(&mut self) -> io::Result<Fields> {
        let mut fields = Vec::new();
        loop {
            let line = self.line()?.ok_or(io::ErrorKind::UnexpectedEof)?;
            if line.is_empty() {
                return Ok(fields);
            }
            let (name, value) = line.split_once(':').unwrap_or((&line, ""));
            fields.push((name.to_string(), value.trim().to_string()));
        }
    }

    fn body(&mut self, message: &mut Message, unannounced: Unannounced) {
        let read = if message.header("transfer-encoding").is_some() {
            self.chunked(message)
        } else if let Some(length) = message.header("content-length") {
            let length = length.parse().unwrap_or(0);
            self.counted(length, &mut |bytes| message.body.extend(bytes))
        } else if unannounced == Unannounced::UntilClose {
            message.ending = Ending::Close;
            self.stream.read_to_end(&mut message.body).map(drop)
        } else {
            Ok(())
        };
        if read.is_err() {
            message.ending = Ending::Cut;
        }
    }

    fn chunked(&mut self, message: &mut Message) -> io::Result<()> {
        while let size @ 1.. = self.chunk_size()? {
            self.counted(size, &mut |bytes| message.body.extend(bytes))?;
            self.line()?;
        }
        message.trailers = self.fields()?;
        Ok(())
    }

    fn chunk_size(&mut self) -> io::Result<u64> {
        let line = self.line()?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let digits = line.split(';').next().unwrap_or_default().trim();
        u64::from_str_radix(digits, 16).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, line))
    }

    fn counted(&mut self, mut length: u64, sink: &mut impl FnMut(&[u8])) -> io::Result<()> {
        while length > 0 {
            let available = self.stream.fill_buf()?;
            if available.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let taken = available.len().min(usize::try_from(length).unwrap_or(usize::MAX));
            sink(&available[..taken]);
            self.stream.consume(taken);
            length -= taken as u64;
        }
        Ok(())
    }
}

/// What a body is when nothing announces it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unannounced {
    Empty,
    UntilClose,
}
