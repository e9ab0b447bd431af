//! Contexts: how stream contexts and the root context begin, and how each of them ends exactly once.

use std::rc::Rc;
use std::time::Duration;

use lockgate_exchange::SharedExchange;

use super::deferred::DeferredCall;
use super::{Instance, RootState};
use crate::calls::trace::CallTrace;
use crate::plugin::Fingerprint;
use crate::report::Failure;
use crate::state::{Context, DoneState, Phase, ROOT, State};

/// Contexts that may wait for `proxy_done`. Further ones end at once.
const MAX_WAITING: usize = 1024;

impl Instance {
    /// Creates a stream context for an exchange and returns its id.
    ///
    /// # Errors
    /// The guest failed in `context_create`.
    pub(crate) fn open(
        &self,
        exchange: &SharedExchange,
        trace: Option<Rc<CallTrace>>,
        fingerprint: Option<Fingerprint>,
    ) -> Result<u32, Failure> {
        let position = exchange.borrow().position;
        let traces = usize::from(trace.is_some());
        let context = Context {
            exchange: Rc::clone(exchange),
            position,
            done: DoneState::Open,
            spent: Duration::ZERO,
            fingerprint,
            written: None,
            trace,
        };
        let id = self.with_state(|state| {
            state.traces += traces;
            state.contexts.insert(context)
        });
        let id = id.ok_or_else(|| if self.is_usable() { self.busy() } else { self.lost() })?;
        self.counters.streams.set(self.counters.streams.get() + 1);
        let made = match &self.exports.context_create {
            Some(create) if !self.is_stateless => self.run(
                |state| state.enter_stream(id, exchange, position, Phase::ContextCreate),
                create,
                (id, ROOT),
            ),
            _ => Ok(()),
        };
        self.run_deferred();
        if made.is_err() {
            self.counters.streams.set(self.counters.streams.get() - 1);
        }
        made.map(|()| id)
    }

    /// Ends a stream context: done, log, delete. Deferred while the guest is running. To be called once.
    pub(crate) fn finish(&self, id: u32) {
        self.counters.streams.set(self.counters.streams.get() - 1);
        self.finished.set(self.finished.get() + 1);
        self.forget_failure(id);
        if self.is_usable() {
            if self.is_busy() {
                self.deferred.push(DeferredCall::Finish(id));
            } else {
                self.end(id);
                self.run_deferred();
            }
        }
    }

    pub(super) fn end(&self, id: u32) {
        if let Some(done) = &self.exports.done {
            match self.run(|state| enter(state, id, Phase::Done), done, id) {
                Err(_) => return,
                Ok(0) if self.defer_end(id) => return,
                Ok(_) => {}
            }
        }
        self.close(id);
    }

    /// `done` returned false: whether the context may wait for `proxy_done`.
    fn defer_end(&self, id: u32) -> bool {
        let full = self.waiting.get() >= MAX_WAITING;
        let kept = self.with_state(|state| match state.contexts.get_mut(id) {
            Some(context) if context.done == DoneState::Open && !full => {
                context.done = DoneState::Waiting;
                true
            }
            _ => false,
        });
        let kept = kept == Some(true);
        self.waiting.set(self.waiting.get() + usize::from(kept));
        kept
    }

    /// Ends the contexts that have called `proxy_done`.
    pub(super) fn end_completed(&self) {
        let completed = self
            .with_state(|state| std::mem::take(&mut state.completed))
            .unwrap_or_default();
        for id in completed {
            if id == ROOT {
                self.root.set(RootState::Done);
                continue;
            }
            self.waiting.set(self.waiting.get().saturating_sub(1));
            self.close(id);
        }
        self.delete_root();
    }

    /// Runs `log` and `delete` of a context, and removes it with its callouts.
    fn close(&self, id: u32) {
        let delete = self.exports.delete.as_ref().filter(|_| !self.is_stateless);
        let last = [(self.exports.log.as_ref(), Phase::Log), (delete, Phase::Delete)];
        for (function, phase) in last {
            if let Some(function) = function
                && self.run(|state| enter(state, id, phase), function, id).is_err()
            {
                return;
            }
        }
        self.with_state(|state| {
            let context = state.contexts.remove(id);
            state.clear_effective(id);
            if let Some(context) = context {
                state.traces -= usize::from(context.trace.is_some());
                if let Some(fingerprint) = context.fingerprint {
                    self.clear_poison_request(fingerprint);
                }
            }
            if !state.callouts.is_empty() {
                state.callouts.retain(|_, open| open.owner != id);
            }
            if !state.grpc.is_empty() {
                state.grpc.retain(|_, open| open.owner != id);
            }
        });
    }

    /// A fingerprinted stream has ended without a trap.
    #[cold]
    fn clear_poison_request(&self, fingerprint: Fingerprint) {
        if let Some(poison_requests) = &self.poison_requests {
            poison_requests.clear(fingerprint);
        }
    }

    /// The VM is no longer used: runs `done` of the root context. Returns whether a context is not done.
    pub(super) fn begin_drain(&self) -> bool {
        if self.is_usable() {
            self.run_root_done();
            self.delete_root();
            self.run_deferred();
        }
        self.is_usable() && self.is_draining()
    }

    /// Whether a context waits for `proxy_done`.
    pub(super) fn is_draining(&self) -> bool {
        self.waiting.get() > 0 || self.root.get() == RootState::Waiting
    }

    /// The instance ends: all remaining contexts end, done or not.
    pub(super) fn end_all(&self) {
        if !self.is_usable() {
            return;
        }
        let is_waiting = |(_, context): &(u32, &Context)| context.done != DoneState::Open;
        let left = self.with_state(|state| {
            let left = state.contexts.iter().filter(is_waiting);
            left.map(|(id, _)| id).collect::<Vec<_>>()
        });
        for id in left.unwrap_or_default() {
            self.close(id);
        }
        self.waiting.set(0);
        self.run_root_done();
        self.root.set(if self.root.get() == RootState::Deleted {
            RootState::Deleted
        } else {
            RootState::Done
        });
        self.delete_root();
    }

    /// Runs `done` of the root context, once.
    fn run_root_done(&self) {
        if self.root.get() != RootState::Open {
            return;
        }
        self.root.set(RootState::Done);
        let Some(done) = &self.exports.done else { return };
        let done = self.run(|state| state.enter_root(Phase::Done), done, ROOT);
        if !done.is_ok_and(|is_done| is_done == 0) {
            return;
        }
        let waits = self.with_state(|state| {
            state.is_root_waiting = !std::mem::take(&mut state.is_root_done_early);
            state.is_root_waiting
        });
        if waits == Some(true) {
            self.root.set(RootState::Waiting);
        }
    }

    /// Runs `delete` of the root context, once, when it and its streams are done.
    fn delete_root(&self) {
        if self.root.get() != RootState::Done || self.waiting.get() > 0 || !self.is_usable() {
            return;
        }
        self.root.set(RootState::Deleted);
        if let Some(delete) = &self.exports.delete {
            // A failure is logged where it happens, and nothing depends on this result.
            let _ = self.run(|state| state.enter_root(Phase::Delete), delete, ROOT);
        }
    }
}

/// Starts a callback of a stream context that is known by its id only.
fn enter(state: &mut State, id: u32, phase: Phase) {
    match state.contexts.get(id) {
        Some(context) => {
            let (exchange, position) = (Rc::clone(&context.exchange), context.position);
            state.enter_stream(id, &exchange, position, phase);
        }
        None => state.enter_root(phase),
    }
}
