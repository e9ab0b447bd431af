//! The head of an upstream's answer: read by the letter, and what it says about the body behind it.
//!
//! An answer is as suspect as a request: one whose end two readers could see in different places is refused here, before
//! anything of it is believed (RFC 9112, section 6.3).

use std::mem::MaybeUninit;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

/// How many headers an answer may have.
const MOST_HEADERS: usize = 128;

/// The head of an answer.
#[derive(Debug)]
pub struct Head {
    /// Its status.
    pub status: StatusCode,
    /// All but a `connection` that speaks of nothing but this hop's end.
    pub headers: HeaderMap,
    pub(crate) framing: Framing,
    /// The upstream takes another request on this connection.
    pub(crate) keeps_alive: bool,
    /// Bytes that it took.
    pub(crate) length: usize,
}

/// Where the body behind a head ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// After so many bytes; none where the kind of the answer forbids a body.
    Length(u64),
    /// Where its last chunk says so.
    Chunked,
    /// With the connection.
    UntilClose,
}

/// The head at the start of `bytes`; `None` when it has not all come. `bodiless` is true for the answer to a HEAD request.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn parse(bytes: &[u8], bodiless: bool) -> Result<Option<Head>, &'static str> {
    let mut fields = [const { MaybeUninit::uninit() }; MOST_HEADERS];
    let mut parsed = httparse::Response::new(&mut []);
    let outcome = httparse::ParserConfig::default().parse_response_with_uninit_headers(&mut parsed, bytes, &mut fields);
    let length = match outcome {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err("too many headers"),
        Err(_) => return Err("the header section is not HTTP/1"),
    };
    if !has_whole_line_ends(&bytes[..length], parsed.headers) {
        return Err("a line of the header section does not end in CR and LF, or precedes the status line");
    }
    let status = parsed.code.and_then(|code| StatusCode::from_u16(code).ok());
    let status = status.ok_or("invalid status")?;
    if status == StatusCode::SWITCHING_PROTOCOLS {
        return Err("101 without an upgrade in the request");
    }

    // One allocation carries all values, and outlives the buffer that they came in.
    let text = Bytes::copy_from_slice(&bytes[..length]);
    let mut lengths = Lengths::new(parsed.version == Some(1));
    let mut headers = HeaderMap::with_capacity(parsed.headers.len());
    for field in parsed.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| "header name too long")?;
        if lengths.note(&name, field.value)? == Note::Obeyed {
            continue;
        }
        let start = field.value.as_ptr() as usize - bytes.as_ptr() as usize;
        let value = text.slice(start..start + field.value.len());
        let value = HeaderValue::from_maybe_shared(value).map_err(|_| "invalid header value")?;
        headers.append(name, value);
    }
    Ok(Some(Head {
        status,
        headers,
        framing: lengths.framing(status, bodiless)?,
        keeps_alive: lengths.keeps_alive(),
        length,
    }))
}

/// Whether the head begins with its first line, and each line ends in CR and LF: a bare LF, which the parser takes for a line end,
/// is none to others. Every line but the first begins behind the end of another.
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

/// What is to be done with a field that was noted.
#[derive(PartialEq, Eq)]
enum Note {
    /// It is handed on.
    Kept,
    /// It has had its effect, and means nothing to anybody else.
    Obeyed,
}

/// What the fields of a head say about lengths and the connection.
struct Lengths {
    is_http11: bool,
    length: Option<u64>,
    is_chunked: bool,
    says_close: bool,
    says_keep_alive: bool,
}

impl Lengths {
    fn new(is_http11: bool) -> Self {
        Self {
            is_http11,
            length: None,
            is_chunked: false,
            says_close: false,
            says_keep_alive: false,
        }
    }

    fn note(&mut self, name: &HeaderName, value: &[u8]) -> Result<Note, &'static str> {
        if *name == CONTENT_LENGTH {
            if self.length.is_some() {
                return Err("more than one content-length");
            }
            self.length = Some(number(value).ok_or("content-length is not a number")?);
        } else if *name == TRANSFER_ENCODING {
            if self.is_chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err("a transfer-encoding other than chunked");
            }
            if !self.is_http11 {
                return Err("a transfer-encoding in HTTP/1.0");
            }
            self.is_chunked = true;
        } else if *name == CONNECTION {
            return Ok(self.connection(value));
        }
        Ok(Note::Kept)
    }

    fn connection(&mut self, list: &[u8]) -> Note {
        let mut note = Note::Obeyed;
        for item in list.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
            if item.eq_ignore_ascii_case(b"close") {
                self.says_close = true;
            } else if item.eq_ignore_ascii_case(b"keep-alive") {
                self.says_keep_alive = true;
            } else {
                note = Note::Kept;
            }
        }
        note
    }

    fn framing(&self, status: StatusCode, bodiless: bool) -> Result<Framing, &'static str> {
        if self.is_chunked && self.length.is_some() {
            return Err("both transfer-encoding and content-length");
        }
        let forbids_body =
            status.is_informational() || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED;
        Ok(match self.length {
            _ if bodiless || forbids_body => Framing::Length(0),
            _ if self.is_chunked => Framing::Chunked,
            Some(length) => Framing::Length(length),
            None => Framing::UntilClose,
        })
    }

    /// Whoever says both means close.
    fn keeps_alive(&self) -> bool {
        !self.says_close && (self.is_http11 || self.says_keep_alive)
    }
}

/// Digits and nothing else, no more than a `u64` surely holds.
fn number(value: &[u8]) -> Option<u64> {
    if !(1..=19).contains(&value.len()) {
        return None;
    }
    value.iter().try_fold(0, |number, digit| {
        digit.is_ascii_digit().then(|| number * 10 + u64::from(digit - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> Head {
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
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n";
        let head = parse(answer, true).expect("valid").expect("complete");
        assert_eq!(
            (head.framing, &head.headers["content-length"]),
            (Framing::Length(0), &HeaderValue::from(12))
        );
    }

    #[test]
    fn what_connection_says_of_this_hop_alone_is_obeyed_and_goes_no_further() {
        for (text, keeps_alive, is_kept) in [
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
            assert_eq!(found, (keeps_alive, is_kept), "{text}");
        }
    }

    #[test]
    fn a_head_that_has_not_all_come_is_no_error_at_any_place() {
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
        assert_eq!(head(&many(MOST_HEADERS)).headers.len(), MOST_HEADERS);
        assert!(parse(many(MOST_HEADERS + 1).as_bytes(), false).is_err());
    }
}
