//! A connection, spoken by hand: HTTP/1.1 is written and read as bytes, small enough to trust by reading. Knows nothing of TLS or
//! HTTP/2, which are curl's part.

use crate::http::{Ending, Fields, Message, Request};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long a peer may be silent before a test gives up on it.
const SILENCE: Duration = Duration::from_secs(15);

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

    /// As [`Wire::connect`], where there may be nobody.
    ///
    /// # Errors
    /// The socket's.
    pub fn try_connect(address: SocketAddr) -> io::Result<Self> {
        TcpStream::connect(address).map(Self::of)
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
        self.request_body(&mut message);
        Ok(Some(message))
    }

    /// Reads what follows a request's head, and keeps it there; also what is cut.
    pub(crate) fn request_body(&mut self, head: &mut Message) {
        self.body(head, Unannounced::Empty);
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
