//! Answers to callouts: the scripts are asked, and what they say comes when it is due.

use std::time::Duration;

use super::{Asked, Gateway, ROOT, Script};
use crate::guest::Hooks;
use crate::memory::{self, CallKind, Called};

impl<P: Hooks> Gateway<P> {
    /// Asks the scripts, and gives the first answer that is due.
    pub(super) fn answer_next(&self) -> bool {
        let (now, open) = memory::with(|memory| {
            let open: Vec<_> = memory.called.iter().filter(|call| !call.answered).cloned().collect();
            (memory.nanoseconds, open)
        });
        for call in open {
            if self.due.borrow().iter().any(|(_, id, _)| *id == call.id) {
                continue;
            }
            let mut upstreams = self.upstreams.borrow_mut();
            let Some(script) = upstreams.get_mut(&call.upstream) else {
                continue;
            };
            let answer = script(&Asked::of(&call)).within(call.timeout);
            let due = now + u64::try_from(answer.delay.as_nanos()).unwrap_or(0);
            self.due.borrow_mut().push((due, call.id, answer));
        }
        let at = self.due.borrow().iter().position(|(due, _, _)| *due <= now);
        let Some(at) = at else { return false };
        let (_, id, script) = self.due.borrow_mut().remove(at);
        self.give(id, script);
        true
    }

    /// Gives an answer to the plugin; that of a stream that is gone to nobody.
    pub(super) fn give(&self, id: u32, script: Script) {
        let call = memory::with(|memory| {
            let mut open = memory.called.iter_mut().filter(|call| !call.answered);
            let call = open.find(|call| call.id == id)?;
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
                self.guest.grpc_received(call.context, call.id, size);
            }
            Err((status, message)) => {
                memory::with(|memory| memory.call_status = (status, message.into_bytes()));
                self.guest.grpc_closed(call.context, call.id, status);
                memory::with(|memory| memory.call_status = (0, Vec::new()));
            }
        }
    }
}
