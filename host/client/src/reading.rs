//! [`Reading`]: an answer's head as it arrives, in however many pieces.

use bytes::{Buf, BytesMut};

use crate::answer::{self, Head};

/// The largest head that an upstream may answer with, in bytes.
const LONGEST_HEAD: usize = 64 * 1024;
/// How many provisional answers may come before the real one.
const MOST_PROVISIONAL: u32 = 32;

/// An answer's head in the reading.
#[derive(Default)]
pub(crate) struct Reading {
    /// The answer has no body, whatever it says.
    bodiless: bool,
    /// Something has come.
    has_begun: bool,
    /// So many bytes hold no end of a head.
    searched: usize,
    provisional: u32,
}

impl Reading {
    /// Nothing has come yet. `bodiless` is true for the answer to a HEAD request.
    pub(crate) fn new(bodiless: bool) -> Self {
        Self {
            bodiless,
            ..Self::default()
        }
    }

    /// Whether something has come.
    pub(crate) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Takes the head from the front of what has come; provisional answers before it are dropped.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn head(&mut self, incoming: &mut BytesMut) -> Result<Option<Head>, &'static str> {
        self.has_begun = true;
        // A head that comes in many pieces is not parsed anew for each.
        while self.searched == 0 || has_blank_line(&incoming[self.searched.saturating_sub(3)..]) {
            let Some(head) = answer::parse(incoming, self.bodiless)? else {
                break;
            };
            incoming.advance(head.length);
            if !head.status.is_informational() {
                return Ok(Some(head));
            }
            self.searched = 0;
            self.provisional += 1;
            if self.provisional > MOST_PROVISIONAL {
                return Err("too many interim responses");
            }
            if incoming.is_empty() {
                return Ok(None);
            }
        }
        self.searched = incoming.len();
        if self.searched > LONGEST_HEAD {
            return Err("the header section is longer than 64 KiB");
        }
        Ok(None)
    }
}

/// Whether a head may end here, a wrong one among them.
fn has_blank_line(bytes: &[u8]) -> bool {
    bytes
        .split(|&byte| byte == b'\n')
        .skip(1)
        .any(|line| line.is_empty() || line == b"\r")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::Framing;

    #[test]
    fn a_head_in_many_pieces_is_found_where_it_ends() {
        for text in [
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
            "HTTP/1.1 200\r\ncontent-length:2\r\n\r\nok",
        ] {
            for step in 1..text.len() + 1 {
                let (mut reading, mut incoming) = (Reading::default(), BytesMut::new());
                let mut found = None;
                for piece in text.as_bytes().chunks(step) {
                    incoming.extend_from_slice(piece);
                    if found.is_none() {
                        found = reading.head(&mut incoming).expect("well formed");
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
                let (mut reading, mut incoming) = (Reading::default(), BytesMut::new());
                let refused = text.as_bytes().chunks(step).any(|piece| {
                    incoming.extend_from_slice(piece);
                    reading.head(&mut incoming).is_err()
                });
                assert!(refused, "{text:?} in pieces of {step}");
            }
        }
    }

    #[test]
    fn provisional_answers_and_long_heads_have_an_end() {
        let mut incoming = BytesMut::from("HTTP/1.1 103 Early Hints\r\n\r\n".repeat(100).as_str());
        assert!(Reading::default().head(&mut incoming).is_err());
        let (mut reading, mut incoming) = (Reading::default(), BytesMut::from("HTTP/1.1 200 OK\r\n"));
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
            reading.head(&mut incoming).is_err()
        });
        assert!(refused);
    }
}
