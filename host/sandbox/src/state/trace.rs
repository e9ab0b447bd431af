//! Whether the host calls of whom the guest works for are told, and telling them. What they look like is `trace`.

use std::rc::Rc;
use std::time::Duration;

use super::State;
use crate::calls::CallSet;
use crate::calls::trace::{ActiveTrace, CallSite, CallTrace};

impl State {
    /// Whom the guest works for has changed, and so may whether its calls are told.
    pub(crate) fn update_trace(&mut self) {
        if self.traces > 0 || self.traced.is_some() {
            self.switch_trace();
        }
    }

    #[cold]
    fn switch_trace(&mut self) {
        if let Some(before) = self.traced.take() {
            self.callable = before.callable;
        }
        let context = self.contexts.get(self.charged_context());
        let trace = context.and_then(|context| context.trace.clone());
        if let Some(trace) = trace.filter(|trace| trace.covers(self.plugin.name())) {
            let callable = std::mem::replace(&mut self.callable, CallSet::NONE);
            self.traced = Some(ActiveTrace { trace, callable });
        }
    }

    /// The trace in force and what the guest may call, while nothing is callable because of it.
    pub(crate) fn traced(&self) -> Option<(Rc<CallTrace>, CallSet)> {
        let traced = self.traced.as_ref().filter(|_| self.callable == CallSet::NONE)?;
        Some((Rc::clone(&traced.trace), traced.callable))
    }

    /// Tells a host call that was made for a request whose calls are told.
    pub(crate) fn log_call(&self, trace: &CallTrace, call: &str, status: &str, took: Duration) {
        let id = self.charged_context();
        let exchange = self.contexts.get(id).map(|context| context.exchange.borrow());
        let request_id = exchange.as_ref().and_then(|e| e.info.request_id.to_str().ok());
        let place = CallSite {
            plugin: self.plugin.name(),
            phase: self.phase.as_str(),
            context: id,
            request_id: request_id.unwrap_or_default(),
        };
        trace.log(&place, call, status, took);
    }
}
