//! [`ChunkedDecoder`]: the chunked body of a response (RFC 9112, section 7.1). Framing is read out of the buffer, data stays
//! for the caller.

use bytes::{Buf, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};

/// The largest number of hexadecimal digits of a size, leading zeros included: what a `u64` holds.
const MAX_DIGITS: u8 = 16;
/// The largest size of the extensions behind one size, in bytes.
const MAX_EXTENSION: u16 = 4096;
/// The largest size of all trailers, in bytes.
const MAX_TRAILERS_SIZE: usize = 16 * 1024;
/// The largest number of trailers.
const MAX_TRAILERS: usize = 64;

/// What is at the front of the buffer.
#[derive(Debug)]
pub(crate) enum Decoded {
    /// This many bytes of data, at least one.
    Data(usize),
    /// Too few bytes to say.
    Incomplete,
    /// What comes after the body, which ended with these trailers.
    End(Option<HeaderMap>),
}

/// A decoder of one chunked body.
#[derive(Debug, Default)]
pub(crate) struct ChunkedDecoder {
    state: State,
    size: u64,
    digits: u8,
    extension: u16,
    /// The bytes of the trailers that were searched for their end already.
    searched: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Size,
    /// Spaces behind a size.
    Blank,
    Extension,
    /// CR behind a size.
    SizeReturn,
    /// This many bytes of the chunk are left.
    Data(u64),
    /// The end of the data, before its CR.
    DataEnd,
    /// CR behind the data.
    DataReturn,
    Trailers,
}

impl ChunkedDecoder {
    /// Takes framing from the front of `buffer`, up to data, to the end, or to where more bytes are needed.
    ///
    /// # Errors
    /// The first mistake in the framing.
    pub(crate) fn next(&mut self, buffer: &mut BytesMut) -> Result<Decoded, &'static str> {
        let mut read = 0;
        let piece = loop {
            match self.state {
                State::Trailers => {
                    buffer.advance(read);
                    return self.trailers(buffer);
                }
                State::Data(left) if read < buffer.len() => {
                    let left = usize::try_from(left).unwrap_or(usize::MAX);
                    break Decoded::Data(left.min(buffer.len() - read));
                }
                _ => {}
            }
            let Some(&byte) = buffer.get(read) else {
                break Decoded::Incomplete;
            };
            self.state = self.after(byte)?;
            read += 1;
        };
        buffer.advance(read);
        Ok(piece)
    }

    /// Notes that the caller has read this many bytes of the data.
    pub(crate) fn consume(&mut self, bytes: usize) {
        if let State::Data(left) = self.state {
            let left = left - bytes as u64;
            self.state = if left == 0 { State::DataEnd } else { State::Data(left) };
        }
    }

    fn after(&mut self, byte: u8) -> Result<State, &'static str> {
        match (self.state, byte) {
            (State::Size | State::Blank | State::Extension, b'\r') if self.digits > 0 => Ok(State::SizeReturn),
            (State::Size | State::Blank, b';') if self.digits > 0 => Ok(State::Extension),
            (State::Size | State::Blank, b' ' | b'\t') if self.digits > 0 => self.add_extension(State::Blank),
            (State::Size, digit) => self.add_digit(digit),
            (State::Extension, byte) if byte == b'\t' || !byte.is_ascii_control() => {
                self.add_extension(State::Extension)
            }
            (State::SizeReturn, b'\n') => Ok(self.end_size()),
            (State::DataEnd, b'\r') => Ok(State::DataReturn),
            (State::DataReturn, b'\n') => Ok(State::Size),
            _ => Err("invalid chunk framing"),
        }
    }

    fn add_digit(&mut self, digit: u8) -> Result<State, &'static str> {
        let value = char::from(digit).to_digit(16).ok_or("a chunk size is not a number")?;
        if self.digits == MAX_DIGITS {
            return Err("a chunk size has too many digits");
        }
        self.digits += 1;
        self.size = self.size << 4 | u64::from(value);
        Ok(State::Size)
    }

    fn add_extension(&mut self, state: State) -> Result<State, &'static str> {
        self.extension += 1;
        if self.extension > MAX_EXTENSION {
            return Err("chunk extensions are too long");
        }
        Ok(state)
    }

    fn end_size(&mut self) -> State {
        self.digits = 0;
        self.extension = 0;
        match std::mem::take(&mut self.size) {
            0 => State::Trailers,
            size => State::Data(size),
        }
    }

    /// The trailers, once all of them have come.
    fn trailers(&mut self, buffer: &mut BytesMut) -> Result<Decoded, &'static str> {
        if buffer.starts_with(b"\r\n") {
            buffer.advance(2);
            return Ok(Decoded::End(None));
        }
        let from = self.searched.saturating_sub(3);
        let end = buffer[from..].windows(4).position(|window| window == b"\r\n\r\n");
        self.searched = buffer.len();
        let Some(end) = end else {
            return if buffer.len() > MAX_TRAILERS_SIZE {
                Err("the trailers are too long")
            } else {
                Ok(Decoded::Incomplete)
            };
        };
        let section = buffer.split_to(from + end + 4);
        let mut fields = [httparse::EMPTY_HEADER; MAX_TRAILERS];
        match httparse::parse_headers(&section, &mut fields) {
            // A section that ends before the blank line that was found has a bare line feed in it.
            Ok(httparse::Status::Complete((length, fields))) if length == section.len() => {
                let mut trailers = HeaderMap::with_capacity(fields.len());
                for field in fields {
                    let name = HeaderName::from_bytes(field.name.as_bytes());
                    let value = HeaderValue::from_bytes(field.value);
                    let (Ok(name), Ok(value)) = (name, value) else {
                        return Err("invalid trailer");
                    };
                    trailers.append(name, value);
                }
                Ok(Decoded::End(Some(trailers)))
            }
            _ => Err("malformed trailers"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The data, the trailers (`None` while the end has not come), and the bytes behind the end.
    type Read = (Vec<u8>, Option<Option<HeaderMap>>, Vec<u8>);

    /// Decodes `text` in pieces of at most `step` bytes.
    fn read(text: &[u8], step: usize) -> Result<Read, &'static str> {
        let (mut decoder, mut buffer, mut data) = (ChunkedDecoder::default(), BytesMut::new(), Vec::new());
        let mut pieces = text.chunks(step);
        loop {
            match decoder.next(&mut buffer)? {
                Decoded::Data(length) => {
                    data.extend_from_slice(&buffer.split_to(length));
                    decoder.consume(length);
                }
                Decoded::Incomplete => match pieces.next() {
                    Some(piece) => buffer.extend_from_slice(piece),
                    None => return Ok((data, None, Vec::new())),
                },
                Decoded::End(trailers) => {
                    let rest = pieces.fold(buffer.to_vec(), |rest, piece| [&rest, piece].concat());
                    return Ok((data, Some(trailers), rest));
                }
            }
        }
    }

    #[test]
    fn a_body_reads_the_same_however_it_is_cut() {
        let text = b"4\r\nhalf\r\n00a ;x=\"y\";z\r\n0123456789\r\n0\r\nx-sum: 7\r\nx-sum: 8\r\n\r\nnext";
        for step in 1..text.len() + 1 {
            let (data, trailers, rest) = read(text, step).expect("well formed");
            assert_eq!(
                (data.as_slice(), rest.as_slice()),
                (&b"half0123456789"[..], &b"next"[..]),
                "{step}"
            );
            let trailers = trailers.expect("it ends").expect("trailers");
            assert_eq!(trailers.get_all("x-sum").iter().collect::<Vec<_>>(), ["7", "8"]);
        }
    }

    #[test]
    fn a_body_has_no_end_before_its_last_byte() {
        let text = b"1\r\na\r\n0\r\n\r\n";
        for end in 0..text.len() {
            assert_eq!(read(&text[..end], 3).expect("so far well formed").1, None, "{end}");
        }
        assert_eq!(read(text, 3), Ok((b"a".to_vec(), Some(None), Vec::new())));
    }

    #[test]
    fn malformed_chunks_are_refused() {
        for text in [
            "\r\n",
            "g\r\n",
            "-1\r\n",
            "0x1\r\na",
            " 1\r\na",
            ";x\r\n",
            "1\na\n",
            "1\r\nab\r\n",
            "1\r\na\n0",
            "1 2\r\n",
            "1;\n\r\na",
            "1;a\0\r\na",
            "00000000000000001\r\n",
            "0\r\n\n",
            "0\r\na: b\n\nc: d\r\n\r\n",
            "0\r\nno colon\r\n\r\n",
            "0\r\na : b\r\n\r\n",
            "0\r\na: b\r\n c\r\n\r\n",
        ] {
            let text = [text.as_bytes(), b"\r\n\r\n"].concat();
            for step in [1, 2, text.len()] {
                assert!(read(&text, step).is_err(), "{:?}", String::from_utf8_lossy(&text));
            }
        }
    }

    #[test]
    fn extensions_and_trailers_have_an_end() {
        let extension = format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(usize::from(MAX_EXTENSION) + 1));
        assert!(read(extension.as_bytes(), 100).is_err());
        let trailers = format!("0\r\na: {}", "x".repeat(2 * MAX_TRAILERS_SIZE));
        assert!(read(trailers.as_bytes(), 100).is_err());
        let trailers = format!("0\r\n{}\r\n", "a: b\r\n".repeat(MAX_TRAILERS + 1));
        assert!(read(trailers.as_bytes(), 100).is_err());
    }
}
