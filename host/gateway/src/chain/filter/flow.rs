//! The filtered message as a body: whoever sends it pulls its pieces through the plugins.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::body_filter::{Part, PartEnd};
use super::{Direction, FilteredMessage};
use crate::body::error::BodyError;
use crate::chain::Stop;

impl FilteredMessage {
    /// Moves a piece forward; ready when frames are there or the end is reached.
    fn poll_flow(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Stop>> {
        let all = self.body_filters.len();
        if !self.pending.is_nothing() {
            let part = std::mem::take(&mut self.pending);
            return Poll::Ready(self.pass(self.next_filter, part, all).map(|part| self.emit(part)));
        }
        self.chain.check_pending()?;
        for index in (0..all).rev() {
            if !self.body_filters[index].paused {
                continue;
            }
            let position = self.body_filters[index].position;
            if self.chain.lost(position, self.body_phase())? || self.chain.resumed(position, self.direction) {
                let part = self.release(index);
                self.body_filters[index].copy_to_tap(&part);
                return Poll::Ready(self.pass(index + 1, part, all).map(|part| self.emit(part)));
            }
        }
        if self.drained {
            self.chain.exchange.borrow_mut().register(cx.waker());
            self.finished |= !self.body_filters.iter().any(|body_filter| body_filter.paused);
            return if self.finished {
                Poll::Ready(Ok(()))
            } else {
                Poll::Pending
            };
        }
        if self.body_filters.iter().any(|body_filter| body_filter.paused) {
            self.chain.exchange.borrow_mut().register(cx.waker());
        }
        match ready!(self.poll_part(cx)) {
            Ok(Some(part)) => Poll::Ready(self.pass(0, part, all).map(|part| self.emit(part))),
            Ok(None) => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(Err(self.broken(error))),
        }
    }

    /// Ready when a piece has passed, the end is known, or no plugin holds anything back.
    pub(super) fn poll_held(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Stop>> {
        while !self.finished && (self.out.is_empty() || self.source.is_end_stream()) {
            match self.poll_flow(cx) {
                Poll::Ready(outcome) => outcome?,
                Poll::Pending if self.body_filters.iter().any(|body_filter| body_filter.paused) => {
                    return Poll::Pending;
                }
                Poll::Pending => break,
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Puts what has passed every plugin into `out`.
    fn emit(&mut self, part: Option<Part>) {
        let Some(mut part) = part else { return };
        self.out.extend(
            part.data
                .take()
                .into_iter()
                .filter(|data| !data.is_empty())
                .map(Frame::data),
        );
        if part.end == PartEnd::Trailers
            && let Some(trailers) = self.trailers()
            && !trailers.is_empty()
        {
            self.out.push_back(Frame::trailers(trailers));
        }
        self.finished |= part.end != PartEnd::Open;
    }

    /// Keeps the source's error until it is reported.
    fn broken(&mut self, error: BodyError) -> Stop {
        let stop = self.stop_of(&error);
        self.failure = Some(error);
        stop
    }
}

impl Body for FilteredMessage {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            if let Some(frame) = self.out.pop_front() {
                return Poll::Ready(Some(Ok(frame)));
            }
            if self.finished {
                return Poll::Ready(None);
            }
            if let Err(stop) = ready!(self.poll_flow(cx)) {
                self.finished = true;
                let error = self.failure.take().unwrap_or(BodyError::Stopped);
                // The head of a response is out by now: the sender can only break off. A request's
                // fate is the pipeline's, which waits for the upstream meanwhile.
                if self.direction == Direction::Request {
                    self.chain.stop(stop);
                } else if let Stop::Problem(problem) = &stop {
                    tracing::debug!(problem = problem.code(), "response broken off in the chain");
                }
                return Poll::Ready(Some(Err(error)));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.finished && self.out.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.settled_length()
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
