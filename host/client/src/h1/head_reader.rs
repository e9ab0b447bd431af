//! [`HeadReader`]: finds the head of a response in bytes that arrive in any number of pieces.

use bytes::{Buf, BytesMut};

use super::response_head::{self, Framing, ParsedHead, RequestKind};
use crate::head_limits::{HeadError, ResponseHeadLimits};
use crate::interim::{Interim, MAX_INTERIM};

/// A reader of one response's head.
pub(crate) struct HeadReader {
    limits: ResponseHeadLimits,
    request: RequestKind,
    /// A byte of the response has come.
    has_begun: bool,
    /// The bytes that were searched for the end of the head already.
    searched: u32,
    interim: u32,
}

impl HeadReader {
    /// A reader of the response to such a request.
    pub(crate) fn new(request: RequestKind, limits: ResponseHeadLimits) -> Self {
        Self {
            limits,
            request,
            has_begun: false,
            searched: 0,
            interim: 0,
        }
    }

    /// Whether a byte of the response has come.
    pub(crate) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Takes the head from the front of `incoming`, and passes interim responses before it on; `None` while it is incomplete.
    ///
    /// # Errors
    /// The first mistake in the head. Whether it is too large does not depend on the pieces in which it comes.
    pub(crate) fn read(&mut self, incoming: &mut BytesMut, interim: &Interim) -> Result<Option<ParsedHead>, HeadError> {
        self.has_begun = true;
        // The head is parsed when it may be complete, not again for every piece.
        while self.searched == 0 || has_blank_line(&incoming[self.searched.saturating_sub(3) as usize..]) {
            let Some(head) = response_head::parse(incoming, self.request, self.limits)? else {
                break;
            };
            incoming.advance(head.length);
            if !head.status.is_informational() || head.framing == Framing::Tunnel {
                return Ok(Some(head));
            }
            self.searched = 0;
            self.interim += 1;
            if self.interim > MAX_INTERIM {
                return Err(HeadError::Malformed("too many interim responses"));
            }
            interim.pass(head.status, &head.headers);
            if incoming.is_empty() {
                return Ok(None);
            }
        }
        self.limits.check_bytes(incoming.len())?;
        self.searched = u32::try_from(incoming.len()).unwrap_or(u32::MAX);
        Ok(None)
    }
}

/// Whether a head may end in these bytes, be it a malformed one.
fn has_blank_line(bytes: &[u8]) -> bool {
    bytes
        .split(|&byte| byte == b'\n')
        .skip(1)
        .any(|line| line.is_empty() || line == b"\r")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: ResponseHeadLimits = ResponseHeadLimits {
        bytes: 64 * 1024,
        fields: 128,
    };

    fn reader() -> HeadReader {
        HeadReader::new(RequestKind::default(), LIMITS)
    }

    #[test]
    fn a_head_in_many_pieces_is_found_where_it_ends() {
        for text in [
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
            "HTTP/1.1 200\r\ncontent-length:2\r\n\r\nok",
        ] {
            for step in 1..text.len() + 1 {
                let (mut reader, mut incoming) = (reader(), BytesMut::new());
                let mut found = None;
                for piece in text.as_bytes().chunks(step) {
                    incoming.extend_from_slice(piece);
                    if found.is_none() {
                        found = reader.read(&mut incoming, &Interim::default()).expect("well formed");
                    }
                }
                let head = found.unwrap_or_else(|| panic!("{text:?} in pieces of {step}"));
                assert_eq!(
                    (head.framing, &incoming[..]),
                    (Framing::Length(2), &b"ok"[..]),
                    "{step}"
                );
            }
        }
    }

    #[test]
    fn a_head_with_bare_line_feeds_is_refused_where_it_ends() {
        for text in [
            "HTTP/1.1 200 OK\ncontent-length: 2\n\nok",
            "HTTP/1.1 200 OK\r\ncontent-length: 2\n\r\nok",
        ] {
            for step in 1..text.len() + 1 {
                let (mut reader, mut incoming) = (reader(), BytesMut::new());
                let refused = text.as_bytes().chunks(step).any(|piece| {
                    incoming.extend_from_slice(piece);
                    reader.read(&mut incoming, &Interim::default()).is_err()
                });
                assert!(refused, "{text:?} in pieces of {step}");
            }
        }
    }

    #[test]
    fn interim_responses_and_long_heads_have_an_end() {
        let mut incoming = BytesMut::from("HTTP/1.1 103 Early Hints\r\n\r\n".repeat(100).as_str());
        assert!(reader().read(&mut incoming, &Interim::default()).is_err());
        let (mut reader, mut incoming) = (reader(), BytesMut::from("HTTP/1.1 200 OK\r\n"));
        let refused = (0..100).any(|_| {
            incoming.extend_from_slice(
                b"a: "
                    .iter()
                    .chain(&[b'x'; 1000])
                    .chain(b"\r\n")
                    .copied()
                    .collect::<Vec<_>>()
                    .as_slice(),
            );
            reader.read(&mut incoming, &Interim::default()).is_err()
        });
        assert!(refused);
    }
}
