//! [`StartedState`]: what a start leaves in a VM's state.

use std::num::NonZeroU32;
use std::rc::Rc;
use std::time::Duration;

use super::{Declared, Descriptors, State};
use crate::host::GuestIds;

/// The part of the state that a start decides. It belongs to the image of a guest.
#[derive(Clone, Debug, Default)]
pub(crate) struct StartedState {
    scratch: Option<NonZeroU32>,
    declared: Declared,
    descriptors: Descriptors,
    next_callout: u32,
    is_root_done_early: bool,
    /// The guest's monotonic clock.
    age: Duration,
}

impl State {
    /// What the start has left here.
    pub(crate) fn after_start(&self) -> StartedState {
        StartedState {
            scratch: self.scratch,
            declared: self.declared.clone(),
            descriptors: self.descriptors.clone(),
            next_callout: self.next_callout,
            is_root_done_early: self.is_root_done_early,
            age: self.host.now().saturating_duration_since(self.started_at),
        }
    }

    /// Makes this the state of a guest that has started, with `memory` bytes. Its monotonic clock goes on from the image's.
    pub(crate) fn begin_from(&mut self, started: &StartedState, ids: Rc<GuestIds>, memory: usize) {
        self.scratch = started.scratch;
        self.declared.clone_from(&started.declared);
        self.descriptors.clone_from(&started.descriptors);
        self.next_callout = started.next_callout;
        self.is_root_done_early = started.is_root_done_early;
        self.ids = ids;
        let now = self.host.now();
        self.started_at = now.checked_sub(started.age).unwrap_or(now);
        self.callable = self.permitted;
        self.started(memory);
    }
}
