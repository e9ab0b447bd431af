//! Answers to callouts: the scripts are asked, and what they say comes when it is due.

use std::time::Duration;

use super::pending::Due;
use super::{Asked, Gateway, ROOT, Script};
use crate::guest::{GrpcEvent, Hooks};
use crate::host::memory::{self, CallKind, Called};

impl<P: Hooks> Gateway<P> {
    /// Asks the scripts, and gives the first answer that is due.
    pub(super) fn answer_next(&self) -> bool {
        let (now, open) = memory::with(|memory| {
            let open: Vec<_> = memory.called.iter().filter(|call| !call.answered).cloned().collect();
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
            let answer = script(&Asked::of(&call)).within(call.timeout);
            let due = now + u64::try_from(answer.delay.as_nanos()).unwrap_or(0);
            self.due.borrow_mut().push((due, call.id, Due::Answer(answer)));
        }
        let at = self.due.borrow().iter().position(|(due, _, _)| *due <= now);
        let Some(at) = at else { return false };
        let (_, id, due) = self.due.borrow_mut().remove(at);
        match due {
            Due::Answer(script) => self.give(id, script),
            Due::Says(says) => self.say(id, says),
        }
        true
    }

    /// Gives an answer to the plugin; that of a stream that is gone to nobody.
    pub(super) fn give(&self, id: u32, script: Script) {
        let call = memory::with(|memory| {
            let call = memory.open(id)?;
            call.answered = true;
            let call = call.clone();
            let kept = memory.contexts.get(&call.context)?;
            (!kept.gone).then_some(call)
        });
        let Some(call) = call else { return };
        if call.kind == CallKind::Grpc {
            let timed_out = script.delay >= Duration::from_millis(u64::from(call.timeout));
            return self.give_grpc(&call, script.into_grpc(timed_out));
        }
        let (headers, body) = script.into_parts();
        let (count, size) = (headers.len(), body.len());
        memory::with(|memory| memory.answer = (headers, body));
        self.enter(ROOT);
        self.guest.call_answered(ROOT, id, count, size, 0);
    }

    fn give_grpc(&self, call: &Called, outcome: Result<Vec<u8>, (u32, String)>) {
        self.enter(call.context);
        match outcome {
            Ok(message) => {
                let size = message.len();
                memory::with(|memory| memory.answer = (Vec::new(), message));
                self.guest.grpc(call.context, call.id, GrpcEvent::Message(size));
            }
            Err((status, message)) => {
                memory::with(|memory| memory.call_status = (status, message.into_bytes()));
                self.guest.grpc(call.context, call.id, GrpcEvent::Closed(status));
                memory::with(|memory| memory.call_status = (0, Vec::new()));
            }
        }
    }
}
