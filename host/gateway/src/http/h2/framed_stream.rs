//! A connection's bytes, cut into frames in both directions: what comes is shown to the guard, what goes is taken off the backlog.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::backlog::Backlog;
use super::frame_guard::FrameGuard;
use crate::context::idle_monitor::ActivityMonitor;
use crate::downstream::peer::Peer;

/// Length of a frame's header.
const HEADER: usize = 9;

/// The kind of a frame that carries data.
pub(super) const DATA: u8 = 0;

/// A frame's header (RFC 9113, section 4.1).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Frame {
    /// Its type.
    pub(super) kind: u8,
    /// Its flags.
    pub(super) flags: u8,
    /// Its stream.
    pub(super) stream: u32,
    /// The length of what follows.
    pub(super) length: usize,
}

/// Cuts bytes into frames.
#[derive(Default)]
pub(super) struct FrameReader {
    header: [u8; HEADER],
    known: usize,
    frame: Frame,
    left: usize,
}

impl FrameReader {
    /// Takes the next part of a frame from `data`: its frame, and a piece of its payload. The piece that ends the frame leaves nothing; none
    /// if `data` ends within a header.
    pub(super) fn next<'a>(&mut self, data: &mut &'a [u8]) -> Option<Part<'a>> {
        if self.left == 0 {
            let part = data.len().min(HEADER - self.known);
            self.header[self.known..self.known + part].copy_from_slice(&data[..part]);
            self.known += part;
            *data = &data[part..];
            if self.known < HEADER {
                return None;
            }
            self.known = 0;
            let [a, b, c, kind, flags, stream @ ..] = self.header;
            self.left = u32::from_be_bytes([0, a, b, c]) as usize;
            self.frame = Frame {
                kind,
                flags,
                stream: u32::from_be_bytes(stream) & 0x7fff_ffff,
                length: self.left,
            };
            return Some(self.part(true, &[]));
        }
        if data.is_empty() {
            return None;
        }
        let (piece, rest) = data.split_at(data.len().min(self.left));
        *data = rest;
        self.left -= piece.len();
        Some(self.part(false, piece))
    }

    fn part<'a>(&self, is_first: bool, piece: &'a [u8]) -> Part<'a> {
        Part {
            frame: self.frame,
            is_first,
            piece,
            is_last: self.left == 0,
        }
    }
}

/// A part of a frame.
pub(super) struct Part<'a> {
    /// The frame.
    pub(super) frame: Frame,
    /// Its header has just come.
    pub(super) is_first: bool,
    /// What has come of its payload since the last part.
    pub(super) piece: &'a [u8],
    /// It is complete.
    pub(super) is_last: bool,
}

/// The bytes of a connection.
pub(super) struct FramedStream<S: Peer> {
    stream: S,
    activity: Rc<ActivityMonitor>,
    guard: FrameGuard,
    backlog: Rc<Backlog>,
    sent: FrameReader,
}

impl<S: Peer> FramedStream<S> {
    /// The bytes of a new connection.
    pub(super) fn new(stream: S, activity: Rc<ActivityMonitor>, guard: FrameGuard, backlog: Rc<Backlog>) -> Self {
        Self {
            stream,
            activity,
            guard,
            backlog,
            sent: FrameReader::default(),
        }
    }

    /// Notes what a write has come to.
    fn note<'a>(
        &mut self,
        data: impl Iterator<Item = &'a [u8]>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        self.activity.wrote(written.is_pending());
        let count = ready!(written)?;
        let mut left = count;
        for piece in data {
            let mut piece = &piece[..piece.len().min(left)];
            left -= piece.len();
            while let Some(part) = self.sent.next(&mut piece) {
                if part.frame.kind == DATA && !part.piece.is_empty() {
                    self.backlog.written(part.frame.stream, part.piece.len());
                    self.guard.sent_data();
                }
            }
        }
        Poll::Ready(Ok(count))
    }
}

impl<S: Peer> AsyncRead for FramedStream<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buffer))?;
        this.guard.look(&buffer.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl<S: Peer> AsyncWrite for FramedStream<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.stream).poll_write(cx, data);
        this.note([data].into_iter(), outcome)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.stream).poll_write_vectored(cx, data);
        this.note(data.iter().map(|piece| &**piece), outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.stream).poll_flush(cx);
        if outcome.is_pending() {
            this.activity.wrote(true);
        }
        outcome
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

impl<S: Peer> Drop for FramedStream<S> {
    fn drop(&mut self) {
        if self.activity.is_reset() {
            self.stream.abort();
        }
        self.backlog.shut();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_cut_alike_however_their_bytes_arrive() {
        let bytes = [
            &b"\0\0\x03\0\x01\0\0\0\x05abc\0\0\0\x04\x01\0\0\0\0\0\0\x02\x06\0\0\0\0\0"[..],
            b"xy",
        ]
        .concat();
        for size in 1..bytes.len() {
            let mut reader = FrameReader::default();
            let mut seen = Vec::new();
            for mut piece in bytes.chunks(size) {
                while let Some(part) = reader.next(&mut piece) {
                    if part.is_first {
                        seen.push((part.frame.kind, part.frame.stream, Vec::new(), false));
                    }
                    let last = seen.last_mut().expect("a frame has begun");
                    last.2.extend_from_slice(part.piece);
                    last.3 |= part.is_last;
                }
            }
            let expected = [(0, 5, &b"abc"[..]), (4, 0, b""), (6, 0, b"xy")];
            let expected = expected.map(|(kind, stream, payload)| (kind, stream, payload.to_vec(), true));
            assert_eq!(seen, expected, "in pieces of {size}");
        }
    }
}
