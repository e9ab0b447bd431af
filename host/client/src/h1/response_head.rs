//! [`ParsedHead`]: the head of an HTTP/1 response, strictly parsed, and the framing of the body behind it.
//!
//! A response is as suspect as a request: one whose end two readers could see in different places is refused here, before
//! anything of it is believed (RFC 9112, section 6.3).

use std::mem::MaybeUninit;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::name_cache;
use crate::head_limits::{HeadError, ResponseHeadLimits, parse_length};

/// The number of headers that have room on the stack.
const USUAL_HEADERS: usize = 128;

/// What of a request decides how its response is read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RequestKind {
    /// Its method is HEAD: the response has no body, whatever its head says.
    pub(crate) is_head: bool,
    /// It asks for an upgrade: a 101 is the response.
    pub(crate) asks_for_upgrade: bool,
}

/// The head of a response.
#[derive(Debug)]
pub(crate) struct ParsedHead {
    pub(crate) status: StatusCode,
    /// All headers but a `connection` that says no more than whether the connection stays open.
    pub(crate) headers: HeaderMap,
    pub(crate) framing: Framing,
    /// The upstream takes another request on this connection.
    pub(crate) keeps_alive: bool,
    /// Its size, in bytes.
    pub(crate) length: usize,
}

/// Where the body behind a head ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// After this many bytes; 0 where the request or the status forbids a body.
    Length(u64),
    /// With its last chunk.
    Chunked,
    /// With the connection.
    UntilClose,
    /// There is none: what comes behind the head is not HTTP.
    Tunnel,
}

/// The head at the start of `bytes`; `None` while it is incomplete.
///
/// # Errors
/// The first mistake in it.
pub(crate) fn parse(
    bytes: &[u8],
    request: RequestKind,
    limits: ResponseHeadLimits,
) -> Result<Option<ParsedHead>, HeadError> {
    if limits.fields as usize > USUAL_HEADERS {
        return parse_many(bytes, request, limits);
    }
    let mut buffer = [const { MaybeUninit::uninit() }; USUAL_HEADERS];
    parse_within(bytes, request, limits, &mut buffer)
}

/// The same, with room for as many headers as the limit allows.
#[cold]
fn parse_many(bytes: &[u8], request: RequestKind, limits: ResponseHeadLimits) -> Result<Option<ParsedHead>, HeadError> {
    let mut buffer = vec![MaybeUninit::uninit(); limits.fields as usize];
    parse_within(bytes, request, limits, &mut buffer)
}

fn parse_within<'b>(
    bytes: &'b [u8],
    request: RequestKind,
    limits: ResponseHeadLimits,
    buffer: &mut [MaybeUninit<httparse::Header<'b>>],
) -> Result<Option<ParsedHead>, HeadError> {
    use HeadError::{Malformed, TooLarge};
    let mut parsed = httparse::Response::new(&mut []);
    let outcome = httparse::ParserConfig::default().parse_response_with_uninit_headers(&mut parsed, bytes, buffer);
    let length = match outcome {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(TooLarge("more headers than limits.headers")),
        Err(_) => return Err(Malformed("the header section is not HTTP/1")),
    };
    limits.check_bytes(length)?;
    limits.check_fields(parsed.headers.len())?;
    if !has_whole_line_ends(&bytes[..length], parsed.headers) {
        return Err(Malformed(
            "a line of the header section does not end in CR and LF, or precedes the status line",
        ));
    }
    let status = parsed.code.and_then(|code| StatusCode::from_u16(code).ok());
    let status = status.ok_or(Malformed("invalid status"))?;
    let is_switch = status == StatusCode::SWITCHING_PROTOCOLS;
    if is_switch && !request.asks_for_upgrade {
        return Err(Malformed("101 without an upgrade in the request"));
    }

    // One allocation carries all values, and outlives the buffer that they came in.
    let text = Bytes::copy_from_slice(&bytes[..length]);
    let mut fields = FramingFields::new(parsed.version == Some(1));
    let mut headers = HeaderMap::with_capacity(parsed.headers.len());
    for field in parsed.headers.iter() {
        let name = name_cache::name(field.name.as_bytes()).map_err(|_| Malformed("header name too long"))?;
        if fields.read(&name, field.value).map_err(Malformed)? == Disposition::Consume {
            continue;
        }
        let start = field.value.as_ptr() as usize - bytes.as_ptr() as usize;
        let value = text.slice(start..start + field.value.len());
        let value = HeaderValue::from_maybe_shared(value).map_err(|_| Malformed("invalid header value"))?;
        headers.append(name, value);
    }
    Ok(Some(ParsedHead {
        status,
        headers,
        framing: match is_switch {
            true => Framing::Tunnel,
            false => fields.framing(status, request.is_head).map_err(Malformed)?,
        },
        keeps_alive: fields.keeps_alive(),
        length,
    }))
}

/// Whether the head begins with its first line, and each line ends in CR and LF. A bare LF, which the parser takes for a line end,
/// is none to other readers. Every line but the first begins behind the end of another.
fn has_whole_line_ends(head: &[u8], fields: &[httparse::Header<'_>]) -> bool {
    let start = |field: &httparse::Header<'_>| field.name.as_ptr() as usize - head.as_ptr() as usize;
    let is_behind_cr = |line: usize| line >= 2 && head[line - 2] == b'\r';
    // The last line is an empty one.
    let last = head.len().saturating_sub(2);
    head.starts_with(b"HTTP/")
        && head[last] == b'\r'
        && is_behind_cr(last)
        && fields.iter().map(start).all(is_behind_cr)
}

/// What happens to a field after it was read.
#[derive(PartialEq, Eq)]
enum Disposition {
    /// It is passed on.
    Forward,
    /// It is dropped: it concerns this connection alone.
    Consume,
}

/// The fields of a head that say where the body ends and whether the connection stays open.
struct FramingFields {
    is_http11: bool,
    length: Option<u64>,
    is_chunked: bool,
    says_close: bool,
    says_keep_alive: bool,
}

impl FramingFields {
    fn new(is_http11: bool) -> Self {
        Self {
            is_http11,
            length: None,
            is_chunked: false,
            says_close: false,
            says_keep_alive: false,
        }
    }

    fn read(&mut self, name: &HeaderName, value: &[u8]) -> Result<Disposition, &'static str> {
        if *name == CONTENT_LENGTH {
            if self.length.is_some() {
                return Err("more than one content-length");
            }
            self.length = Some(parse_length(value).ok_or("content-length is not a number")?);
        } else if *name == TRANSFER_ENCODING {
            if self.is_chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err("a transfer-encoding other than chunked");
            }
            if !self.is_http11 {
                return Err("a transfer-encoding in HTTP/1.0");
            }
            self.is_chunked = true;
        } else if *name == CONNECTION {
            return Ok(self.read_connection(value));
        }
        Ok(Disposition::Forward)
    }

    fn read_connection(&mut self, list: &[u8]) -> Disposition {
        let mut disposition = Disposition::Consume;
        for item in list.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
            if item.eq_ignore_ascii_case(b"close") {
                self.says_close = true;
            } else if item.eq_ignore_ascii_case(b"keep-alive") {
                self.says_keep_alive = true;
            } else {
                disposition = Disposition::Forward;
            }
        }
        disposition
    }

    fn framing(&self, status: StatusCode, is_head_request: bool) -> Result<Framing, &'static str> {
        if self.is_chunked && self.length.is_some() {
            return Err("both transfer-encoding and content-length");
        }
        let forbids_body =
            status.is_informational() || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED;
        Ok(match self.length {
            _ if is_head_request || forbids_body => Framing::Length(0),
            _ if self.is_chunked => Framing::Chunked,
            Some(length) => Framing::Length(length),
            None => Framing::UntilClose,
        })
    }

    /// Whether the connection stays open. `close` wins over `keep-alive`.
    fn keeps_alive(&self) -> bool {
        !self.says_close && (self.is_http11 || self.says_keep_alive)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: ResponseHeadLimits = ResponseHeadLimits {
        bytes: 64 * 1024,
        fields: 128,
    };

    fn parse(bytes: &[u8], is_head: bool) -> Result<Option<ParsedHead>, HeadError> {
        let asks_for_upgrade = false;
        super::parse(
            bytes,
            RequestKind {
                is_head,
                asks_for_upgrade,
            },
            LIMITS,
        )
    }

    fn head(text: &str) -> ParsedHead {
        parse(text.as_bytes(), false).expect(text).expect(text)
    }

    #[test]
    fn the_framing_follows_from_status_and_fields() {
        for (text, framing) in [
            ("200 OK\r\ncontent-length: 12", Framing::Length(12)),
            ("200 OK\r\nContent-Length:\t0012 ", Framing::Length(12)),
            ("200 OK\r\ntransfer-encoding: Chunked", Framing::Chunked),
            ("200 OK\r\nserver: x", Framing::UntilClose),
            ("204 No Content\r\ncontent-length: 12", Framing::Length(0)),
            ("304 Not Modified\r\ncontent-length: 12", Framing::Length(0)),
            ("103 Early Hints\r\nlink: </a>", Framing::Length(0)),
        ] {
            assert_eq!(head(&format!("HTTP/1.1 {text}\r\n\r\n")).framing, framing, "{text}");
        }
        let response = b"HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n";
        let head = parse(response, true).expect("valid").expect("complete");
        assert_eq!(
            (head.framing, &head.headers["content-length"]),
            (Framing::Length(0), &HeaderValue::from(12))
        );
    }

    #[test]
    fn a_connection_field_that_concerns_this_hop_alone_is_consumed() {
        for (text, keeps_alive, is_forwarded) in [
            ("HTTP/1.1 200 OK", true, false),
            ("HTTP/1.0 200 OK", false, false),
            ("HTTP/1.0 200 OK\r\nconnection: Keep-Alive", true, false),
            ("HTTP/1.1 200 OK\r\nconnection: keep-alive", true, false),
            ("HTTP/1.1 200 OK\r\nconnection: close", false, false),
            (
                "HTTP/1.1 200 OK\r\nconnection: close\r\nconnection: keep-alive",
                false,
                false,
            ),
            ("HTTP/1.1 200 OK\r\nconnection: x-list, Close", false, true),
        ] {
            let head = head(&format!("{text}\r\n\r\n"));
            let found = (head.keeps_alive, head.headers.contains_key(CONNECTION));
            assert_eq!(found, (keeps_alive, is_forwarded), "{text}");
        }
    }

    #[test]
    fn an_incomplete_head_is_no_error_wherever_it_is_cut() {
        let text = "HTTP/1.1 200 OK\r\nserver: x\r\ncontent-length: 1\r\n\r\n";
        for end in 0..text.len() {
            assert!(matches!(parse(&text.as_bytes()[..end], false), Ok(None)), "{end}");
        }
        assert_eq!(head(&format!("{text}body")).length, text.len());
    }

    #[test]
    fn what_two_readers_could_take_differently_is_refused() {
        for text in [
            "content-length: 1\r\ncontent-length: 1",
            "content-length: +1",
            "content-length: 1, 1",
            "content-length: 0x1",
            "content-length:",
            "content-length: 99999999999999999999",
            "transfer-encoding: chunked\r\ntransfer-encoding: chunked",
            "transfer-encoding: chunked, chunked",
            "transfer-encoding: gzip",
            "transfer-encoding: chunked\r\ncontent-length: 1",
            "content-length : 1",
            "a: b\r\n c",
            "a: b\rc",
            "a: b\0c",
            ": b",
        ] {
            let text = format!("HTTP/1.1 200 OK\r\n{text}\r\n\r\n");
            assert!(parse(text.as_bytes(), false).is_err(), "{text:?}");
        }
        for text in [
            "HTTP/1.1 200 OK\ncontent-length: 2\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 2\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\n",
            "HTTP/1.1 200 OK\r\na: b\ncontent-length: 2\r\n\r\n",
            "HTTP/1.1 200 OK\r\na: \n content-length: 2\r\n\r\n",
            "HTTP/1.1 200 OK\n\n",
            "HTTP/1.1 200 OK\r\n\n",
            "HTTP/1.1 200 OK\n\r\n",
            "\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n",
            "\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n",
        ] {
            assert!(parse(text.as_bytes(), false).is_err(), "{text:?}");
        }
        for text in ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200\r\na:\r\nb: \t \r\n\r\n"] {
            assert!(parse(text.as_bytes(), false).is_ok(), "{text:?}");
        }
        assert!(parse(b"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", false).is_err());
        assert!(parse(b"HTTP/2.0 200 OK\r\n\r\n", false).is_err());
        assert!(parse(b"HTTP/1.1 099 Low\r\n\r\n", false).is_err());
    }

    #[test]
    fn headers_are_taken_up_to_their_number() {
        let many = |count: usize| format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(count));
        for fields in [20, 128, 500] {
            let limits = ResponseHeadLimits { fields, ..LIMITS };
            let taken = super::parse(many(fields as usize).as_bytes(), RequestKind::default(), limits);
            assert_eq!(
                taken.expect("few enough").expect("whole").headers.len(),
                fields as usize
            );
            let refused = super::parse(many(fields as usize + 1).as_bytes(), RequestKind::default(), limits);
            assert!(matches!(refused, Err(HeadError::TooLarge(_))), "{fields}");
        }
    }
}
