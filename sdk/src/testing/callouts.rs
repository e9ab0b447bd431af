//! Answers to callouts: the scripts are asked, and what they say comes when it is due.

use std::time::Duration;

use super::pending::Due;
use super::{CalloutRequest, Gateway, ROOT, ScriptedResponse};
use crate::guest::{GrpcEvent, Hooks};
use crate::host::memory::{self, CallKind, SentCallout};

impl<P: Hooks> Gateway<P> {
    /// Asks the scripts, and gives the first answer that is due.
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
            if is_stream || self.due.borrow().iter().any(|(_, id, _)| *id == call.id) {
                continue;
            }
            let mut upstreams = self.upstreams.borrow_mut();
            let Some(script) = upstreams.get_mut(&call.upstream) else {
                continue;
            };
            let answer = script(&CalloutRequest::of(&call)).within(call.timeout);
            let due = now + u64::try_from(answer.delay.as_nanos()).unwrap_or(0);
            self.due.borrow_mut().push((due, call.id, Due::CalloutResponse(answer)));
        }
        let at = self.due.borrow().iter().position(|(due, _, _)| *due <= now);
        let Some(at) = at else { return false };
        let (_, id, due) = self.due.borrow_mut().remove(at);
        match due {
            Due::CalloutResponse(script) => self.respond(id, script),
            Due::StreamReply(says) => self.send_on_stream(id, says),
        }
        true
    }

    /// Gives an answer to the plugin; that of a stream that is gone to nobody.
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
