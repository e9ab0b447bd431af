//! The head of a message on its way through the plugins, each of which may hold it.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use http_body::Body;
use lockgate_exchange::clock;
use lockgate_sandbox::{Action, Phase};

use super::FilteredMessage;
use super::body_filter::Part;
use crate::chain::{Direction, Stop};

impl FilteredMessage {
    /// Takes the message's head through the plugins. They may hold it; and while one holds back all of the body that has
    /// come so far, the head is not sent either: whoever fails then can still be answered for, and a body that is let go
    /// as a whole has a known length.
    pub(crate) async fn head(&mut self) -> Result<(), Stop> {
        let end_of_stream = self.source.is_end_stream();
        self.drained = end_of_stream;
        if self.direction == Direction::Request {
            self.chain.exchange.borrow_mut().info.has_body = !end_of_stream;
        }
        self.chain.start_clock();
        for index in 0..self.length {
            let position = self.position(index);
            let action = match self.direction {
                Direction::Request => {
                    self.chain.open(position)?;
                    self.chain.call(position, self.direction, Phase::RequestHeaders, |s| {
                        s.request_headers(end_of_stream)
                    })?
                }
                Direction::Response => self.chain.call(position, self.direction, Phase::ResponseHeaders, |s| {
                    s.response_headers(end_of_stream)
                })?,
            };
            if self.direction == Direction::Response {
                self.attach_taps();
            }
            if action == Action::Pause {
                self.wait(index).await?;
                self.chain.start_clock();
            }
        }
        if self.concerns_body() {
            self.set_up();
            self.streaming = true;
            poll_fn(|cx| self.poll_held(cx)).await?;
        }
        Ok(())
    }

    fn concerns_body(&self) -> bool {
        if !self.pending.is_nothing() || self.body_filters.iter().any(|body_filter| body_filter.paused) {
            return true;
        }
        let reads_body = |index| self.chain.filters()[self.position(index)].reads_body(self.direction);
        !self.drained
            && (self.body_filters.iter().any(|body_filter| body_filter.tap.is_some())
                || (0..self.length).any(reads_body))
    }

    /// Waits while the plugin at `index` holds the head, until the plugin resumes it.
    ///
    /// Meanwhile a plugin that reads bodies gets what comes, unless it waits for a callout: then, as in Envoy, the body comes
    /// after it. Only a plugin that has paused for the body can release the head by continuing in a body callback; many
    /// continue there because they have never thought of bodies, and their head must not slip out.
    async fn wait(&mut self, index: usize) -> Result<(), Stop> {
        self.set_up();
        if !self.chain.has_open_callout(self.body_filters[index].position) {
            let early = std::mem::take(&mut self.pending);
            if let Some(part) = self.pass(self.next_filter, early, index + 1)? {
                self.set_pending(part, index + 1);
            }
        }
        self.holds_head = true;
        let since = clock::now();
        let outcome = poll_fn(|cx| self.poll_wait(index, cx)).await;
        let waited = clock::now().saturating_duration_since(since);
        self.chain.filters()[self.position(index)].note_wait(waited);
        self.holds_head = false;
        outcome
    }

    fn poll_wait(&mut self, index: usize, cx: &mut Context<'_>) -> Poll<Result<(), Stop>> {
        loop {
            self.chain.exchange.borrow_mut().register(cx.waker());
            self.chain.check_pending()?;
            let position = self.body_filters[index].position;
            if self.chain.lost(position, self.head_phase())? || self.chain.resumed(position, self.direction) {
                let part = self.release(index);
                self.body_filters[index].copy_to_tap(&part);
                if !part.is_nothing() {
                    self.set_pending(part, index + 1);
                }
                return Poll::Ready(Ok(()));
            }
            // A plugin that reads no body leaves it where it is: in the sender.
            let has_unprocessed = !self.pending.is_nothing();
            if self.drained
                || has_unprocessed
                || !self.body_filters[index].reads_body
                || self.chain.has_open_callout(position)
            {
                return Poll::Pending;
            }
            let Some(part) = ready!(self.poll_part(cx)).map_err(|e| self.stop_of(&e))? else {
                continue;
            };
            let holds_body = self.body_filters[index].paused;
            if let Some(part) = self.pass(0, part, index + 1)? {
                self.set_pending(part, index + 1);
                if holds_body {
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }

    fn set_pending(&mut self, part: Part, next_filter: usize) {
        self.pending = part;
        self.next_filter = next_filter;
    }
}
