//! The bytes of an HTTP/1 connection: the guard decides how far they are handed on, and the connection's monitor learns what moves.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use lockgate_http::guard::{self, Guard, GuardRefusal};
use lockgate_http::problem::Problem;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::context::idle_monitor::ActivityMonitor;

/// Maximum bytes of a refused request's line that are kept for the log.
const MAX_LINE: usize = 1024;

/// Writes of up to so many bytes are copied together.
const SMALL: usize = 1024;

/// A stream behind a guard.
pub(super) struct GuardedStream<S> {
    stream: S,
    activity: Rc<ActivityMonitor>,
    gate: GuardBuffer,
}

/// The state of a guarded stream, for the connection's loop.
#[derive(Debug, Default)]
pub(super) struct GuardState {
    /// Heads that were handed on.
    heads: Cell<u64>,
    /// A head has begun that is not handed on.
    inside_head: Cell<bool>,
    refusal: Cell<Option<GuardRefusal>>,
    /// The reader may see the refusal; until then it waits.
    shown: Cell<bool>,
    /// The writer could not write all that it has.
    stuck: Cell<bool>,
}

/// Bytes that have arrived and that the reader has not got yet.
struct GuardBuffer {
    guard: Guard,
    guard_state: Rc<GuardState>,
    /// What came and is not handed on yet. Empty as long as heads arrive in one piece.
    held: Vec<u8>,
    /// Bytes of it that may be handed on.
    open: usize,
    /// The peer sends nothing more.
    ended: bool,
}

impl GuardState {
    /// Heads that were handed on so far.
    pub(super) fn heads(&self) -> u64 {
        self.heads.get()
    }

    /// A head has begun that is not complete.
    pub(super) fn is_inside_head(&self) -> bool {
        self.inside_head.get()
    }

    /// The refusal, until it is shown to the reader.
    pub(super) fn pending_refusal(&self) -> Option<GuardRefusal> {
        self.refusal.get().filter(|_| !self.shown.get())
    }

    /// The problem of the refused head, once the reader has seen the end of the stream.
    pub(super) fn shown_problem(&self) -> Option<Problem> {
        match self.refusal.get() {
            Some(GuardRefusal::Head(problem)) if self.shown.get() => Some(problem),
            _ => None,
        }
    }

    /// Shows the refusal to the reader: the end of the stream after a refused head, an error in a refused body.
    pub(super) fn show_refusal(&self) {
        self.shown.set(true);
    }

    /// True when the last write did not complete.
    pub(super) fn is_stuck(&self) -> bool {
        self.stuck.get()
    }
}

impl<S> GuardedStream<S> {
    /// A stream behind a guard.
    pub(super) fn guarded(stream: S, activity: Rc<ActivityMonitor>, guard: Guard) -> (Self, Rc<GuardState>) {
        let guard_state = Rc::new(GuardState::default());
        let gate = GuardBuffer {
            guard,
            guard_state: guard_state.clone(),
            held: Vec::new(),
            open: 0,
            ended: false,
        };
        (Self { stream, activity, gate }, guard_state)
    }

    /// True when the peer has sent, or may yet send, bytes that nobody reads.
    pub(super) fn has_leftovers(&self) -> bool {
        !self.gate.ended && (!self.gate.held.is_empty() || self.gate.guard.is_in_body())
    }

    /// The beginning of the refused request's line.
    pub(super) fn first_line(&self) -> &[u8] {
        let held = &self.gate.held[self.gate.open..];
        let begin = held
            .iter()
            .position(|byte| !matches!(byte, b'\r' | b'\n'))
            .unwrap_or(held.len());
        let held = &held[begin..];
        let end = held
            .iter()
            .position(|byte| matches!(byte, b'\r' | b'\n'))
            .unwrap_or(held.len());
        &held[..end.min(MAX_LINE)]
    }

    /// The stream alone.
    pub(super) fn stream_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Remembers whether the writer has to wait.
    fn note<T>(&self, written: Poll<T>) -> Poll<T> {
        self.gate.guard_state.stuck.set(written.is_pending());
        self.activity.wrote(written.is_pending());
        written
    }
}

impl GuardBuffer {
    /// Hands on bytes that the guard has released before.
    fn poll_held(&mut self, buffer: &mut ReadBuf<'_>) -> Poll<()> {
        if self.open == 0 {
            return Poll::Pending;
        }
        let part = self.open.min(buffer.remaining());
        buffer.put_slice(&self.held[..part]);
        self.open -= part;
        self.held.drain(..part);
        if self.held.is_empty() {
            self.held = Vec::new();
        }
        Poll::Ready(())
    }

    /// Shows the guard what arrived behind `before` in `buffer`, and takes out again what may not pass yet.
    fn judge(&mut self, buffer: &mut ReadBuf<'_>, before: usize) {
        let fresh = &buffer.filled()[before..];
        let mut progress = if self.held.is_empty() {
            let progress = self.guard.advance(fresh);
            self.held.extend_from_slice(&fresh[progress.end..]);
            buffer.set_filled(before + progress.end);
            progress
        } else {
            self.held.extend_from_slice(fresh);
            buffer.set_filled(before);
            let progress = self.guard.advance(&self.held);
            self.open = progress.end;
            progress
        };
        while let Some(target) = progress.unsafe_target {
            let target = self.open + target.start..self.open + target.end;
            if let Some(escaped) = guard::escaped(&self.held[target.clone()]) {
                self.held.splice(target, escaped);
            }
            progress = self.guard.advance(&self.held[self.open..]);
            self.open += progress.end;
        }
        self.guard_state.heads.set(self.guard.heads());
        self.guard_state.inside_head.set(self.guard.is_in_head());
        if let Some(refusal) = progress.refusal {
            self.guard_state.refusal.set(Some(refusal));
        }
    }

    /// What the reader gets in place of refused bytes.
    fn poll_refusal(&self, refusal: GuardRefusal) -> Poll<io::Result<()>> {
        match refusal {
            _ if !self.guard_state.shown.get() => Poll::Pending,
            GuardRefusal::Head(_) => Poll::Ready(Ok(())),
            GuardRefusal::Body => Poll::Ready(Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "malformed chunked body",
            ))),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for GuardedStream<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let gate = &mut this.gate;
        loop {
            if gate.poll_held(buffer).is_ready() {
                return Poll::Ready(Ok(()));
            }
            if let Some(refusal) = gate.guard_state.refusal.get() {
                return gate.poll_refusal(refusal);
            }
            ready!(Pin::new(&mut this.stream).poll_read(cx, buffer))?;
            if buffer.filled().len() == before {
                gate.ended = true;
                return Poll::Ready(Ok(()));
            }
            gate.judge(buffer, before);
            if gate.guard_state.is_inside_head() {
                this.activity.received();
            }
            if buffer.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for GuardedStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(cx, data);
        self.note(outcome)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_flush(cx);
        self.note(outcome)
    }

    /// After a refused head the stream stays open: its answer is still to be written.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.gate.guard_state.refusal.get() {
            Some(GuardRefusal::Head(_)) => Poll::Ready(Ok(())),
            Some(GuardRefusal::Body) | None => Pin::new(&mut self.stream).poll_shutdown(cx),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // A small answer in two pieces costs less copied together than the kernel takes for a list of them.
        let total: usize = data.iter().map(|piece| piece.len()).sum();
        let outcome = if total <= SMALL {
            let mut together = [0; SMALL];
            let mut at = 0;
            for piece in data {
                together[at..at + piece.len()].copy_from_slice(piece);
                at += piece.len();
            }
            Pin::new(&mut self.stream).poll_write(cx, &together[..total])
        } else {
            Pin::new(&mut self.stream).poll_write_vectored(cx, data)
        };
        self.note(outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests;
