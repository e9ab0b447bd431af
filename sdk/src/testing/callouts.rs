//! Callouts: their scripted responses, delivered when they are due.

use std::time::Duration;

use super::schedule::Scheduled;
use super::{CalloutRequest, Gateway, ROOT, ScriptedResponse};
use crate::guest::{GrpcEvent, Hooks};
use crate::host::memory::{self, CallKind, SentCallout};

impl<P: Hooks> Gateway<P> {
    /// Runs the scripts of new callouts, and delivers the first response that is due.
    pub(super) fn deliver_responses(&self) -> bool {
        let (now, open) = memory::with(|memory| {
            let open: Vec<_> = memory
                .callouts
                .iter()
                .filter(|call| !call.is_complete)
                .cloned()
                .collect();
            (memory.nanoseconds, open)
        });
        for call in open {
            let is_stream = call.kind == CallKind::GrpcStream;
            if is_stream || self.scheduled.borrow().iter().any(|(_, id, _)| *id == call.id) {
                continue;
            }
            let mut upstreams = self.upstreams.borrow_mut();
            let Some(script) = upstreams.get_mut(&call.upstream) else {
                continue;
            };
            let response = script(&CalloutRequest::of(&call)).within(call.timeout);
            let due = now + u64::try_from(response.delay.as_nanos()).unwrap_or(0);
            self.scheduled
                .borrow_mut()
                .push((due, call.id, Scheduled::Response(response)));
        }
        let at = self.scheduled.borrow().iter().position(|(due, _, _)| *due <= now);
        let Some(at) = at else { return false };
        let (_, id, due) = self.scheduled.borrow_mut().remove(at);
        match due {
            Scheduled::Response(script) => self.respond(id, script),
            Scheduled::StreamReply(reply) => self.send_on_stream(id, reply),
        }
        true
    }

    /// Delivers a response to the plugin, unless its stream was deleted.
    pub(super) fn respond(&self, id: u32, script: ScriptedResponse) {
        let call = memory::with(|memory| {
            let call = memory.open(id)?;
            call.is_complete = true;
            let call = call.clone();
            let state = memory.contexts.get(&call.context)?;
            (!state.is_deleted).then_some(call)
        });
        let Some(call) = call else { return };
        if call.kind == CallKind::Grpc {
            let timed_out = script.delay >= Duration::from_millis(u64::from(call.timeout));
            return self.respond_to_grpc(&call, script.into_grpc(timed_out));
        }
        let (headers, body) = script.into_parts();
        let (count, size) = (headers.len(), body.len());
        memory::with(|memory| memory.callout_response = (headers, body));
        self.enter(ROOT);
        self.guest.on_http_call_response(ROOT, id, count, size, 0);
    }

    fn respond_to_grpc(&self, call: &SentCallout, outcome: Result<Vec<u8>, (u32, String)>) {
        self.enter(call.context);
        match outcome {
            Ok(message) => {
                let size = message.len();
                memory::with(|memory| memory.callout_response = (Vec::new(), message));
                self.guest.on_grpc(call.context, call.id, GrpcEvent::Message(size));
            }
            Err((status, message)) => {
                memory::with(|memory| memory.call_status = (status, message.into_bytes()));
                self.guest.on_grpc(call.context, call.id, GrpcEvent::Closed(status));
                memory::with(|memory| memory.call_status = (0, Vec::new()));
            }
        }
    }
}
