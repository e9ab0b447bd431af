//! The bytes of an HTTP/1 connection: the guard decides how far they are handed on, and the connection's monitor learns what moves.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use lockgate_http::guard::{self, Guard, GuardRefusal};
use lockgate_http::problem::Problem;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::context::idle_monitor::ActivityMonitor;

/// Maximum bytes of a refused request's line that are kept for the log.
const MAX_LINE: usize = 1024;

/// Bytes behind a request that asks for an upgrade are read up to this size. More wait in the socket.
const MAX_EARLY: usize = 64 * 1024;

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
    stop: Cell<Option<Stop>>,
    /// The reader may see the refusal; until then it waits.
    shown: Cell<bool>,
    /// The writer could not write all that it has.
    stuck: Cell<bool>,
    /// Bytes are held behind a request that asks for an upgrade.
    has_early_bytes: Cell<bool>,
}

/// Why the reader gets no bytes, although some may have come.
#[derive(Clone, Copy, Debug)]
enum Stop {
    /// What comes is refused.
    Refused(GuardRefusal),
    /// A request asks for an upgrade.
    Upgrade(UpgradeStep),
}

/// The way of a request that asks for an upgrade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UpgradeStep {
    /// Its head is complete, and held until everything before it is answered: what is behind it may never be HTTP again.
    Held,
    /// Its head may pass.
    Admitted,
    /// Its head has passed, and the bytes behind it are held.
    Undecided,
    /// It is answered without an upgrade. HTTP goes on.
    Refused,
    /// It is answered without an upgrade, and its client had sent more. Those bytes may have been meant for the other protocol, so nobody
    /// reads them as HTTP: the reader sees the end.
    Ended,
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
        self.refusal().filter(|_| !self.shown.get())
    }

    /// The problem of the refused head, once the reader has seen the end of the stream.
    pub(super) fn shown_problem(&self) -> Option<Problem> {
        match self.refusal() {
            Some(GuardRefusal::Head(problem)) if self.shown.get() => Some(problem),
            _ => None,
        }
    }

    fn refusal(&self) -> Option<GuardRefusal> {
        match self.stop.get() {
            Some(Stop::Refused(refusal)) => Some(refusal),
            Some(Stop::Upgrade(_)) | None => None,
        }
    }

    /// How far a request that asks for an upgrade has got.
    pub(super) fn upgrade(&self) -> Option<UpgradeStep> {
        match self.stop.get() {
            Some(Stop::Upgrade(step)) => Some(step),
            Some(Stop::Refused(_)) | None => None,
        }
    }

    /// The request that asks for an upgrade goes on, or its answer says how the stream goes on behind it.
    pub(super) fn set_upgrade(&self, step: UpgradeStep) {
        self.stop.set(Some(Stop::Upgrade(step)));
    }

    /// Shows the refusal to the reader: the end of the stream after a refused head, an error in a refused body.
    pub(super) fn show_refusal(&self) {
        self.shown.set(true);
    }

    /// True when bytes came behind a request that asks for an upgrade, before its answer.
    pub(super) fn has_early_bytes(&self) -> bool {
        self.has_early_bytes.get()
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

    /// The stream and the bytes that came behind the request that asked for an upgrade. None if there was no such request, or it is
    /// answered: then what follows is HTTP.
    pub(super) fn into_tunnel(self) -> Option<(S, Bytes)> {
        self.gate
            .guard
            .is_undecided()
            .then(|| (self.stream, self.gate.held.into()))
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
            self.guard_state.stop.set(Some(Stop::Refused(refusal)));
        } else if self.guard.holds_upgrade() {
            self.guard_state.set_upgrade(UpgradeStep::Held);
        }
    }

    /// Takes the next step of a request that asks for an upgrade. True when there is something to read on for.
    #[cold]
    fn advance_upgrade(&mut self, step: UpgradeStep, is_open: bool) -> bool {
        match step {
            UpgradeStep::Admitted => {
                self.open = self.guard.pass_upgrade();
                self.guard_state.heads.set(self.guard.heads());
                self.guard_state.inside_head.set(false);
                self.guard_state.set_upgrade(UpgradeStep::Undecided);
                true
            }
            UpgradeStep::Refused => {
                self.guard.refuse_upgrade();
                self.guard_state.stop.set(None);
                true
            }
            // Whoever leaves meanwhile is noticed. What comes once the request is answered is the next one's.
            UpgradeStep::Undecided => {
                self.guard_state.has_early_bytes.set(!self.held.is_empty());
                is_open && self.held.len() < MAX_EARLY
            }
            UpgradeStep::Held | UpgradeStep::Ended => false,
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
            match gate.guard_state.stop.get() {
                None => {}
                Some(Stop::Refused(refusal)) => return gate.poll_refusal(refusal),
                Some(Stop::Upgrade(UpgradeStep::Ended)) => return Poll::Ready(Ok(())),
                Some(Stop::Upgrade(step)) => {
                    let is_open = this.activity.ended_requests() < gate.guard.heads();
                    if !gate.advance_upgrade(step, is_open) {
                        return Poll::Pending;
                    }
                    if gate.open > 0 {
                        continue;
                    }
                }
            }
            ready!(Pin::new(&mut this.stream).poll_read(cx, buffer))?;
            if buffer.filled().len() == before {
                gate.ended = true;
                if gate.guard.is_undecided() && !gate.held.is_empty() {
                    // The bytes before the end are still to be delivered.
                    return Poll::Pending;
                }
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
        match self.gate.guard_state.refusal() {
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
