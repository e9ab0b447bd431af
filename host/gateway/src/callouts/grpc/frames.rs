//! Messages on the wire: a byte for compression, four for the length, the message (gRPC over HTTP/2, "Length-Prefixed-Message").

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Longest message that is taken: a guest keeps it in its own, bounded memory.
const MAX: usize = 4 * 1024 * 1024;

/// Bytes before a message.
const HEAD: usize = 5;

/// Why what came is not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Wrong {
    #[error("the message is compressed, which was not offered")]
    Compressed,
    #[error("the message is larger than a plugin may get")]
    TooLarge,
}

impl Wrong {
    /// The status that gRPC's libraries give it: INTERNAL, RESOURCE_EXHAUSTED.
    pub(super) fn status(self) -> u32 {
        match self {
            Self::Compressed => 13,
            Self::TooLarge => 8,
        }
    }
}

/// A message with its frame. The message is not copied: it counts as memory of its plugin as long as it exists.
pub(super) fn framed(message: Bytes) -> [Bytes; 2] {
    let mut head = BytesMut::with_capacity(HEAD);
    head.put_u8(0);
    // A guest's memory holds less than 4 GiB.
    head.put_u32(message.len() as u32);
    [head.freeze(), message]
}

/// Messages out of bytes that come in pieces.
#[derive(Default)]
pub(super) struct Frames(BytesMut);

impl Frames {
    /// More bytes.
    pub(super) fn push(&mut self, data: &[u8]) {
        self.0.extend_from_slice(data);
    }

    /// The number of bytes that wait for the rest of their message.
    pub(super) fn waiting(&self) -> usize {
        self.0.len()
    }

    /// The next message that is whole.
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, Wrong> {
        let Some((&[compressed, a, b, c, d], rest)) = self.0.split_first_chunk() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        if compressed != 0 && length != 0 {
            return Err(Wrong::Compressed);
        }
        if length > MAX {
            return Err(Wrong::TooLarge);
        }
        if rest.len() < length {
            return Ok(None);
        }
        self.0.advance(HEAD);
        Ok(Some(self.0.split_to(length).freeze()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_found_however_their_bytes_come() {
        let texts = [&b"one"[..], b"", b"three"];
        let wire = texts.map(|text| framed(Bytes::from_static(text)).concat()).concat();
        for size in 1..=wire.len() {
            let (mut frames, mut found) = (Frames::default(), Vec::new());
            for piece in wire.chunks(size) {
                frames.push(piece);
                while let Some(message) = frames.next().expect("well-formed") {
                    found.push(message);
                }
            }
            assert_eq!(found, texts, "in pieces of {size}");
        }
    }

    #[test]
    fn compressed_and_huge_messages_are_refused_before_they_have_come() {
        let mut frames = Frames::default();
        frames.push(&[1, 0, 0, 0, 1]);
        assert_eq!(frames.next(), Err(Wrong::Compressed));
        let mut frames = Frames::default();
        frames.push(&[0, 0xff, 0, 0, 0]);
        assert_eq!(frames.next(), Err(Wrong::TooLarge));
    }
}
