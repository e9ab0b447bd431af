//! What a plugin holds of a body: in the lane while it travels, in the exchange whenever its plugin may look at it.

use std::cell::RefMut;

use lockgate_exchange::BodyBuffer;
use lockgate_sandbox::{Action, Failure, Phase, Stream};

use super::stage::Part;
use super::{Direction, Lane};
use crate::chain::Stop;

impl Lane {
    /// A body callback: what the stage holds lies in the exchange while the guest runs.
    pub(super) fn with_body(
        &mut self,
        index: usize,
        phase: Phase,
        call: impl FnOnce(&Stream) -> Result<Action, Failure>,
    ) -> Result<Action, Stop> {
        let held = std::mem::take(&mut self.stages[index].held.data);
        *self.buffer() = held;
        let outcome = self.chain.call(self.stages[index].link, self.direction, phase, call);
        let held = std::mem::take(&mut *self.buffer());
        self.stages[index].held.data = held;
        outcome
    }

    fn buffer(&self) -> RefMut<'_, BodyBuffer> {
        RefMut::map(self.chain.exchange.borrow_mut(), |exchange| match self.direction {
            Direction::Request => &mut exchange.request_body,
            Direction::Response => &mut exchange.response_body,
        })
    }

    /// Leaves what a stage holds where its plugin can read and change it between its body callbacks.
    pub(super) fn leave(&mut self, index: usize) {
        let stage = &mut self.stages[index];
        let held = std::mem::take(&mut stage.held.data);
        let mut exchange = self.chain.exchange.borrow_mut();
        exchange.held.put(stage.link, self.direction, held);
    }

    /// Gives a stage back what was left for its plugin.
    pub(super) fn take_back(&mut self, index: usize) {
        let stage = &mut self.stages[index];
        let mut exchange = self.chain.exchange.borrow_mut();
        stage.held.data = exchange.held.take(stage.link, self.direction);
    }

    /// Lets go of what a stage holds.
    pub(super) fn release(&mut self, index: usize) -> Part {
        if self.stages[index].paused {
            self.take_back(index);
        }
        self.stages[index].release()
    }
}
