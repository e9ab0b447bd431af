//! What a plugin holds of a body: in the filtered message while it travels, in the exchange whenever its plugin may look at it.

use std::cell::RefMut;

use lockgate_exchange::{BodyBuffer, Reservation, clock};
use lockgate_sandbox::{Action, Failure, Phase, Stream};

use super::body_filter::Part;
use super::{Direction, FilteredMessage};
use crate::chain::Stop;

impl FilteredMessage {
    /// A body callback: what the plugin holds lies in the exchange while the guest runs.
    pub(super) fn with_body(
        &mut self,
        index: usize,
        phase: Phase,
        call: impl FnOnce(&Stream) -> Result<Action, Failure>,
    ) -> Result<Action, Stop> {
        let held = std::mem::take(&mut self.body_filters[index].held.data);
        *self.buffer() = held;
        let outcome = self
            .chain
            .call(self.body_filters[index].position, self.direction, phase, call);
        let held = std::mem::take(&mut *self.buffer());
        self.body_filters[index].held.data = held;
        outcome
    }

    fn buffer(&self) -> RefMut<'_, BodyBuffer> {
        RefMut::map(self.chain.exchange.borrow_mut(), |exchange| match self.direction {
            Direction::Request => &mut exchange.request_body,
            Direction::Response => &mut exchange.response_body,
        })
    }

    /// Leaves what a plugin holds in the exchange, where the plugin can read and change it between its body callbacks.
    pub(super) fn leave(&mut self, index: usize, memory: Reservation) {
        let body_filter = &mut self.body_filters[index];
        let held = std::mem::take(&mut body_filter.held.data);
        let mut exchange = self.chain.exchange.borrow_mut();
        exchange.held.put(body_filter.position, self.direction, held, memory);
    }

    /// Takes back from the exchange what was left there.
    pub(super) fn take_back(&mut self, index: usize) {
        let body_filter = &mut self.body_filters[index];
        let mut exchange = self.chain.exchange.borrow_mut();
        body_filter.held.data = exchange.held.take(body_filter.position, self.direction);
    }

    /// Releases what a plugin holds.
    pub(super) fn release(&mut self, index: usize) -> Part {
        if self.body_filters[index].paused {
            self.take_back(index);
        }
        self.end_wait(index);
        self.body_filters[index].release()
    }

    /// Counts the time that the body of a message has waited, if it has.
    pub(super) fn end_wait(&mut self, index: usize) {
        let body_filter = &mut self.body_filters[index];
        if let Some(since) = body_filter.since.take() {
            let waited = clock::now().saturating_duration_since(since);
            self.chain.filters()[body_filter.position].note_wait(waited);
        }
    }
}
