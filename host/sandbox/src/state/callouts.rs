//! The callouts of a VM in progress: who made them, and what waits for them.

use super::{Phase, ROOT, State};
use crate::host::{GrpcStream, Guard};

/// An HTTP callout in progress. Dropping it ends it.
pub(crate) struct OpenCallout {
    /// The context that made it, and with which it ends.
    pub(crate) owner: u32,
    /// The plugin's start waits for it.
    pub(crate) is_of_start: bool,
    pub(crate) _guard: Guard,
}

/// A gRPC call or stream in progress.
pub(crate) struct OpenGrpcCall {
    /// The context that opened it, and with which it ends.
    pub(crate) owner: u32,
    pub(crate) is_stream: bool,
    /// The guest has closed its sending direction.
    pub(crate) is_closed: bool,
    /// The plugin's start waits for it.
    pub(crate) is_of_start: bool,
    pub(crate) stream: Box<dyn GrpcStream>,
}

impl State {
    /// The context that a new callout belongs to, and with which it ends. One that is made while a stream ends, as a log of requests does,
    /// belongs to the root context: nobody could wait for it otherwise.
    pub(crate) fn owner_of_new_callout(&self) -> u32 {
        match self.phase {
            Phase::Done | Phase::Log | Phase::Delete => ROOT,
            _ => self.effective.id,
        }
    }

    /// A new id for a callout of any kind. Ids start over after 2³²; one in use is skipped.
    pub(crate) fn free_call_id(&mut self) -> u32 {
        loop {
            self.next_callout = self.next_callout.wrapping_add(1).max(1);
            if !self.callouts.contains_key(&self.next_callout) && !self.grpc.contains_key(&self.next_callout) {
                return self.next_callout;
            }
        }
    }

    /// The number of a context's callouts in progress, of any kind.
    pub(crate) fn callouts_of(&self, id: u32) -> usize {
        let http = self.callouts.values().filter(|open| open.owner == id).count();
        http + self.grpc.values().filter(|open| open.owner == id).count()
    }

    /// The callouts in progress that the plugin's start waits for.
    pub(crate) fn callouts_of_start(&self) -> usize {
        let http = self.callouts.values().filter(|open| open.is_of_start).count();
        http + self.grpc.values().filter(|open| open.is_of_start).count()
    }
}
