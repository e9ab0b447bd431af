//! The active trace of a VM: which request the guest works for, and whether its calls are logged.

use std::rc::Rc;
use std::time::Duration;

use super::State;
use crate::calls::CallSet;
use crate::calls::trace::{ActiveTrace, CallSite, CallTrace};

impl State {
    /// The guest works for another context now, so the trace may change.
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

    /// The active trace and the calls that the guest may make, while a trace is active.
    pub(crate) fn traced(&self) -> Option<(Rc<CallTrace>, CallSet)> {
        let traced = self.traced.as_ref().filter(|_| self.callable == CallSet::NONE)?;
        Some((Rc::clone(&traced.trace), traced.callable))
    }

    /// Logs a host call of a traced request.
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
