//! gRPC streams: what an upstream hears of the plugin, and what it says on its own.

use super::pending::Due;
use super::{Asked, Gateway, Heard, Says};
use crate::guest::{GrpcEvent, Hooks};
use crate::host::memory::{self, CallKind, Done, Pairs};

pub(super) type StreamScript = Box<dyn FnMut(&Asked, Heard<'_>) -> Says>;

impl<P: Hooks> Gateway<P> {
    /// Says what an upstream does on gRPC streams: for each thing that it hears, what it says to that. Streams to an upstream
    /// without such a script are never answered.
    pub fn grpc_stream(self, upstream: &str, script: impl FnMut(&Asked, Heard<'_>) -> Says + 'static) -> Self {
        self.streams.borrow_mut().insert(upstream.to_owned(), Box::new(script));
        self
    }

    /// Lets an upstream hear the next thing that the plugin has done on a stream.
    pub(super) fn hear_next(&self) -> bool {
        let next = memory::with(|memory| {
            let now = memory.nanoseconds;
            let call = memory.called.iter_mut().find(|call| !call.done.is_empty())?;
            let done = call.done.pop_front()?;
            Some((now, call.clone(), done))
        });
        let Some((now, call, done)) = next else { return false };
        let heard = match &done {
            Done::Opened => Heard::Opened,
            Done::Sent(message) => Heard::Message(message),
            Done::Ended => Heard::End,
            Done::Cancelled => Heard::Cancelled,
        };
        let mut streams = self.streams.borrow_mut();
        let Some(script) = streams.get_mut(&call.upstream) else {
            return true;
        };
        let says = script(&Asked::of(&call), heard);
        if !says.is_nothing() {
            let mut all = self.due.borrow_mut();
            let own = all.iter().filter(|(_, id, _)| *id == call.id).map(|(due, ..)| *due);
            let earliest = own.max().unwrap_or(now);
            let due = now + u64::try_from(says.delay.as_nanos()).unwrap_or(0);
            all.push((due.max(earliest), call.id, Due::Says(says)));
        }
        true
    }

    /// Tells the plugin what an upstream says.
    pub(super) fn say(&self, id: u32, says: Says) {
        let began = memory::with(|memory| memory.open(id).map(|call| std::mem::replace(&mut call.began, true)));
        let Some(began) = began else { return };
        if !began {
            let count = says.metadata.len();
            self.tell(id, (says.metadata, Vec::new()), GrpcEvent::Initial(count));
        }
        for message in says.messages {
            let size = message.len();
            self.tell(id, (Vec::new(), message), GrpcEvent::Message(size));
        }
        let Some((status, message)) = says.end else { return };
        let count = says.trailers.len();
        self.tell(id, (says.trailers, Vec::new()), GrpcEvent::Trailing(count));
        memory::with(|memory| memory.call_status = (status.0, message.into_bytes()));
        self.tell(id, (Vec::new(), Vec::new()), GrpcEvent::Closed(status.0));
        memory::with(|memory| {
            memory.call_status = (0, Vec::new());
            if let Some(call) = memory.open(id) {
                call.answered = true;
            }
        });
    }

    /// One event, unless the plugin has given the stream up or is gone.
    fn tell(&self, id: u32, answer: (Pairs, Vec<u8>), event: GrpcEvent) {
        let context = memory::with(|memory| {
            let context = memory
                .open(id)
                .filter(|call| call.kind == CallKind::GrpcStream)?
                .context;
            let kept = memory.contexts.get(&context)?;
            memory.answer = answer;
            (!kept.gone).then_some(context)
        });
        if let Some(context) = context {
            self.enter(context);
            self.guest.grpc(context, id, event);
        }
    }
}
