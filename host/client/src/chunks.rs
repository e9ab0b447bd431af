//! The chunked body of an answer (RFC 9112, section 7.1): framing is taken out of the buffer, data stays for the caller.

use bytes::{Buf, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};

/// Hexadecimal digits of a size, leading zeros included: what a `u64` holds.
const MOST_DIGITS: u8 = 16;
/// Bytes of extensions behind one size.
const LONGEST_EXTENSION: u16 = 4096;
/// Bytes of all trailers.
const LONGEST_TRAILERS: usize = 16 * 1024;
/// How many trailers there may be.
const MOST_TRAILERS: usize = 64;

/// What stands at the front of the buffer.
#[derive(Debug)]
pub(crate) enum Piece {
    /// So many bytes of data, at least one.
    Data(usize),
    /// Too little to say.
    Nothing,
    /// Nothing of this body: it is over. These trailers came with it.
    End(Option<HeaderMap>),
}

/// A chunked body in the reading.
#[derive(Debug, Default)]
pub(crate) struct Chunks {
    state: State,
    size: u64,
    digits: u8,
    extension: u16,
    /// Bytes of trailers in which no end was found.
    searched: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Size,
    /// Blanks behind a size.
    Blank,
    Extension,
    SizeReturn,
    /// This many bytes are left.
    Data(u64),
    DataEnd,
    DataReturn,
    Trailers,
}

impl Chunks {
    /// Takes framing from the front of `buffer`, up to data, the end, or where more is needed.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn next(&mut self, buffer: &mut BytesMut) -> Result<Piece, &'static str> {
        let mut taken = 0;
        let piece = loop {
            match self.state {
                State::Trailers => {
                    buffer.advance(taken);
                    return self.trailers(buffer);
                }
                State::Data(left) if taken < buffer.len() => {
                    let left = usize::try_from(left).unwrap_or(usize::MAX);
                    break Piece::Data(left.min(buffer.len() - taken));
                }
                _ => {}
            }
            let Some(&byte) = buffer.get(taken) else {
                break Piece::Nothing;
            };
            self.state = self.after(byte)?;
            taken += 1;
        };
        buffer.advance(taken);
        Ok(piece)
    }

    /// The caller has taken so much of the data.
    pub(crate) fn took(&mut self, bytes: usize) {
        if let State::Data(left) = self.state {
            let left = left - bytes as u64;
            self.state = if left == 0 { State::DataEnd } else { State::Data(left) };
        }
    }

    fn after(&mut self, byte: u8) -> Result<State, &'static str> {
        match (self.state, byte) {
            (State::Size | State::Blank | State::Extension, b'\r') if self.digits > 0 => Ok(State::SizeReturn),
            (State::Size | State::Blank, b';') if self.digits > 0 => Ok(State::Extension),
            (State::Size | State::Blank, b' ' | b'\t') if self.digits > 0 => self.extend(State::Blank),
            (State::Size, digit) => self.add(digit),
            (State::Extension, byte) if byte == b'\t' || !byte.is_ascii_control() => self.extend(State::Extension),
            (State::SizeReturn, b'\n') => Ok(self.end_size()),
            (State::DataEnd, b'\r') => Ok(State::DataReturn),
            (State::DataReturn, b'\n') => Ok(State::Size),
            _ => Err("invalid chunk framing"),
        }
    }

    fn add(&mut self, digit: u8) -> Result<State, &'static str> {
        let value = char::from(digit).to_digit(16).ok_or("a chunk size is not a number")?;
        if self.digits == MOST_DIGITS {
            return Err("a chunk's size has too many digits");
        }
        self.digits += 1;
        self.size = self.size << 4 | u64::from(value);
        Ok(State::Size)
    }

    fn extend(&mut self, state: State) -> Result<State, &'static str> {
        self.extension += 1;
        if self.extension > LONGEST_EXTENSION {
            return Err("a chunk's extensions are too long");
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

    /// Everything behind the last chunk, once it has all come.
    fn trailers(&mut self, buffer: &mut BytesMut) -> Result<Piece, &'static str> {
        if buffer.starts_with(b"\r\n") {
            buffer.advance(2);
            return Ok(Piece::End(None));
        }
        let from = self.searched.saturating_sub(3);
        let end = buffer[from..].windows(4).position(|window| window == b"\r\n\r\n");
        self.searched = buffer.len();
        let Some(end) = end else {
            return if buffer.len() > LONGEST_TRAILERS {
                Err("its trailers are too long")
            } else {
                Ok(Piece::Nothing)
            };
        };
        let section = buffer.split_to(from + end + 4);
        let mut fields = [httparse::EMPTY_HEADER; MOST_TRAILERS];
        match httparse::parse_headers(&section, &mut fields) {
            // An end before the one that was found is a bare line feed's.
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
                Ok(Piece::End(Some(trailers)))
            }
            _ => Err("its trailers are malformed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The data, the trailers, and what was left behind the end; `None` for the last two while it has not come.
    type Read = (Vec<u8>, Option<Option<HeaderMap>>, Vec<u8>);

    /// Reads `text` in pieces of at most `step` bytes.
    fn read(text: &[u8], step: usize) -> Result<Read, &'static str> {
        let (mut chunks, mut buffer, mut data) = (Chunks::default(), BytesMut::new(), Vec::new());
        let mut pieces = text.chunks(step);
        loop {
            match chunks.next(&mut buffer)? {
                Piece::Data(length) => {
                    data.extend_from_slice(&buffer.split_to(length));
                    chunks.took(length);
                }
                Piece::Nothing => match pieces.next() {
                    Some(piece) => buffer.extend_from_slice(piece),
                    None => return Ok((data, None, Vec::new())),
                },
                Piece::End(trailers) => {
                    let rest = pieces.fold(buffer.to_vec(), |rest, piece| [&rest, piece].concat());
                    return Ok((data, Some(trailers), rest));
                }
            }
        }
    }

    #[test]
    fn it_reads_the_same_however_it_is_cut() {
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
    fn it_has_no_end_before_its_last_byte() {
        let text = b"1\r\na\r\n0\r\n\r\n";
        for end in 0..text.len() {
            assert_eq!(read(&text[..end], 3).expect("so far well formed").1, None, "{end}");
        }
        assert_eq!(read(text, 3), Ok((b"a".to_vec(), Some(None), Vec::new())));
    }

    #[test]
    fn what_is_framed_badly_is_refused() {
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
        let extension = format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(usize::from(LONGEST_EXTENSION) + 1));
        assert!(read(extension.as_bytes(), 100).is_err());
        let trailers = format!("0\r\na: {}", "x".repeat(2 * LONGEST_TRAILERS));
        assert!(read(trailers.as_bytes(), 100).is_err());
        let trailers = format!("0\r\n{}\r\n", "a: b\r\n".repeat(MOST_TRAILERS + 1));
        assert!(read(trailers.as_bytes(), 100).is_err());
    }
}
