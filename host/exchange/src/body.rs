//! [`BodyBuffer`]: body bytes as a list of shared chunks. Passing a body on copies nothing; only writing to it does.

use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;

/// Fewer chunks are never joined.
const MANY_CHUNKS: usize = 64;
/// Chunks of this size on average are not joined.
const SMALL_CHUNK: usize = 256;

/// The body bytes that a callback sees.
#[derive(Clone, Debug, Default)]
pub struct BodyBuffer {
    chunks: SmallVec<[Bytes; 1]>,
    len: usize,
}

impl BodyBuffer {
    /// Appends a chunk. Empty chunks are left out.
    pub fn push(&mut self, chunk: Bytes) {
        if !chunk.is_empty() {
            self.len += chunk.len();
            self.chunks.push(chunk);
        }
    }

    /// Appends all bytes of `other`. Many small chunks become one: a chunk takes some tens of bytes itself, and a sender decides how
    /// many there are.
    pub fn append(&mut self, mut other: BodyBuffer) {
        if self.is_empty() {
            *self = other;
        } else {
            self.len += other.len;
            self.chunks.append(&mut other.chunks);
        }
        if self.chunks.len() >= MANY_CHUNKS && self.len / self.chunks.len() < SMALL_CHUNK {
            self.join();
        }
    }

    #[cold]
    fn join(&mut self) {
        let mut whole = BytesMut::with_capacity(self.len);
        for chunk in self.chunks.drain(..) {
            whole.extend_from_slice(&chunk);
        }
        self.chunks = SmallVec::from_iter([whole.freeze()]);
    }

    /// The chunks, in order.
    pub fn chunks(&self) -> impl Iterator<Item = &Bytes> {
        self.chunks.iter()
    }

    /// The number of bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Removes and returns all chunks, in order.
    pub fn take(&mut self) -> SmallVec<[Bytes; 1]> {
        self.len = 0;
        std::mem::take(&mut self.chunks)
    }

    /// Copies bytes from `start` on to `target`. Returns how many there were.
    pub fn read(&self, start: usize, target: &mut [u8]) -> usize {
        let mut skip = start;
        let mut done = 0;
        for chunk in &self.chunks {
            if skip >= chunk.len() {
                skip -= chunk.len();
                continue;
            }
            let part = &chunk[skip..];
            let take = part.len().min(target.len() - done);
            target[done..done + take].copy_from_slice(&part[..take]);
            done += take;
            skip = 0;
            if done == target.len() {
                break;
            }
        }
        done
    }

    /// The bytes that a replacement of `size` bytes at `start` takes away: fewer than `size` at the end.
    #[must_use]
    pub fn replaced(&self, start: usize, size: usize) -> usize {
        size.min(self.len.saturating_sub(start))
    }

    /// Replaces `size` bytes at `start` with `data`. Positions beyond the end mean the end: `start >= len` appends, `start = size
    /// = 0` prepends. Only the chunks at the cuts are split, and none is copied.
    pub fn replace(&mut self, start: usize, size: usize, data: Bytes) {
        let start = start.min(self.len);
        let end = start + self.replaced(start, size);
        self.len = self.len - (end - start) + data.len();
        let mut before: SmallVec<[Bytes; 1]> = SmallVec::new();
        let mut after: SmallVec<[Bytes; 1]> = SmallVec::new();
        let mut at = 0;
        for chunk in std::mem::take(&mut self.chunks) {
            let here = at..at + chunk.len();
            at = here.end;
            if here.start < start {
                before.push(chunk.slice(..(start - here.start).min(chunk.len())));
            }
            if here.end > end {
                after.push(chunk.slice(end.saturating_sub(here.start)..));
            }
        }
        if !data.is_empty() {
            before.push(data);
        }
        before.extend(after);
        self.chunks = before;
    }
}

impl From<Bytes> for BodyBuffer {
    fn from(chunk: Bytes) -> Self {
        let mut buffer = Self::default();
        buffer.push(chunk);
        buffer
    }
}

/// A copy of the response body, taken after the plugin at `position` on its way to the client.
pub struct Tap {
    /// Index in the chain.
    pub position: usize,
    /// The receiver of the copy.
    pub sink: Box<dyn BodySink>,
}

/// Receives a copy of a body while it is streamed.
pub trait BodySink {
    /// The next bytes.
    fn chunk(&mut self, data: &Bytes);
    /// The body has ended. `complete` is false if it was truncated.
    fn end(self: Box<Self>, complete: bool);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rope(parts: &[&'static str]) -> BodyBuffer {
        let mut buffer = BodyBuffer::default();
        parts
            .iter()
            .for_each(|part| buffer.push(Bytes::from_static(part.as_bytes())));
        buffer
    }

    fn text(buffer: &BodyBuffer) -> String {
        let mut bytes = vec![0; buffer.len() + 3];
        let read = buffer.read(0, &mut bytes);
        assert_eq!(read, buffer.len());
        bytes.truncate(read);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn replacing_agrees_with_a_plain_string_everywhere() {
        let whole = "abcdefgh";
        for start in 0..10 {
            for size in [0, 1, 2, 5, 8, usize::MAX] {
                for data in ["", "XY"] {
                    let mut buffer = rope(&["ab", "c", "", "defg", "h"]);
                    assert!(buffer.replaced(start, size) <= 8_usize.saturating_sub(start).min(size));
                    buffer.replace(start, size, Bytes::copy_from_slice(data.as_bytes()));
                    let from = start.min(8);
                    let to = from.saturating_add(size).min(8);
                    assert_eq!(
                        text(&buffer),
                        format!("{}{data}{}", &whole[..from], &whole[to..]),
                        "{start} {size}"
                    );
                }
            }
        }
    }

    #[test]
    fn reading_stops_at_the_end_and_starts_anywhere() {
        let buffer = rope(&["abc", "def"]);
        let mut two = [0; 2];
        assert_eq!((buffer.read(2, &mut two), &two), (2, b"cd"));
        assert_eq!((buffer.read(5, &mut two), two[0]), (1, b'f'));
        assert_eq!(buffer.read(6, &mut two), 0);
        assert_eq!(buffer.read(usize::MAX, &mut two), 0);
    }

    #[test]
    fn many_small_chunks_become_few_and_large_ones_are_not_copied() {
        let mut buffer = BodyBuffer::default();
        for index in 0..100_000_u32 {
            buffer.append(Bytes::copy_from_slice(&[(index % 251) as u8]).into());
        }
        assert!(buffer.chunks.len() < 500, "{} chunks", buffer.chunks.len());
        let mut bytes = vec![0; 100_000];
        assert_eq!(buffer.read(0, &mut bytes), 100_000);
        assert!(
            bytes
                .iter()
                .enumerate()
                .all(|(index, byte)| usize::from(*byte) == index % 251)
        );
        let large = Bytes::from(vec![0; SMALL_CHUNK]);
        let mut buffer = BodyBuffer::default();
        (0..MANY_CHUNKS * 2).for_each(|_| buffer.append(large.clone().into()));
        assert!(buffer.chunks().all(|chunk| chunk.as_ptr() == large.as_ptr()));
    }

    #[test]
    fn what_is_taken_is_gone_and_was_never_copied() {
        let chunk = Bytes::from_static(b"abc");
        let mut buffer = BodyBuffer::from(chunk.clone());
        let taken = buffer.take();
        assert_eq!(taken[0].as_ptr(), chunk.as_ptr());
        assert!(buffer.is_empty() && buffer.take().is_empty());
    }
}
