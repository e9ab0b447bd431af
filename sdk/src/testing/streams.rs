//! gRPC streams: what an upstream hears of the plugin, and what it says on its own.

use super::pending::Due;
use super::{CalloutRequest, Gateway, StreamEvent, StreamReply};
use crate::guest::{GrpcEvent, Hooks};
use crate::host::memory::{self, CallKind, Pairs, StreamAction};

pub(super) type StreamScript = Box<dyn FnMut(&CalloutRequest, StreamEvent<'_>) -> StreamReply>;

impl<P: Hooks> Gateway<P> {
    /// StreamReply what an upstream does on gRPC streams: for each thing that it hears, what it says to that. Streams to an upstream
    /// without such a script are never answered.
    pub fn grpc_stream(
        self,
        upstream: &str,
        script: impl FnMut(&CalloutRequest, StreamEvent<'_>) -> StreamReply + 'static,
    ) -> Self {
        self.streams.borrow_mut().insert(upstream.to_owned(), Box::new(script));
        self
    }

    /// Lets an upstream hear the next thing that the plugin has done on a stream.
    pub(super) fn deliver_stream_actions(&self) -> bool {
        let next = memory::with(|memory| {
            let now = memory.nanoseconds;
            let call = memory.callouts.iter_mut().find(|call| !call.actions.is_empty())?;
            let actions = call.actions.pop_front()?;
            Some((now, call.clone(), actions))
        });
        let Some((now, call, actions)) = next else { return false };
        let event = match &actions {
            StreamAction::Opened => StreamEvent::Opened,
            StreamAction::Sent(message) => StreamEvent::Message(message),
            StreamAction::Ended => StreamEvent::End,
            StreamAction::Cancelled => StreamEvent::Cancelled,
        };
        let mut streams = self.streams.borrow_mut();
        let Some(script) = streams.get_mut(&call.upstream) else {
            return true;
        };
        let says = script(&CalloutRequest::of(&call), event);
        if !says.is_empty() {
            let mut all = self.due.borrow_mut();
            let own = all.iter().filter(|(_, id, _)| *id == call.id).map(|(due, ..)| *due);
            let earliest = own.max().unwrap_or(now);
            let due = now + u64::try_from(says.delay.as_nanos()).unwrap_or(0);
            all.push((due.max(earliest), call.id, Due::StreamReply(says)));
        }
        true
    }

    /// Tells the plugin what an upstream says.
    pub(super) fn send_on_stream(&self, id: u32, says: StreamReply) {
        let has_response_started = memory::with(|memory| {
            memory
                .open(id)
                .map(|call| std::mem::replace(&mut call.has_response_started, true))
        });
        let Some(has_response_started) = has_response_started else {
            return;
        };
        if !has_response_started {
            let count = says.metadata.len();
            self.deliver_event(id, (says.metadata, Vec::new()), GrpcEvent::Initial(count));
        }
        for message in says.messages {
            let size = message.len();
            self.deliver_event(id, (Vec::new(), message), GrpcEvent::Message(size));
        }
        let Some((status, message)) = says.end else { return };
        let count = says.trailers.len();
        self.deliver_event(id, (says.trailers, Vec::new()), GrpcEvent::Trailing(count));
        memory::with(|memory| memory.call_status = (status.0, message.into_bytes()));
        self.deliver_event(id, (Vec::new(), Vec::new()), GrpcEvent::Closed(status.0));
        memory::with(|memory| {
            memory.call_status = (0, Vec::new());
            if let Some(call) = memory.open(id) {
                call.is_complete = true;
            }
        });
    }

    /// One event, unless the plugin has given the stream up or is gone.
    fn deliver_event(&self, id: u32, answer: (Pairs, Vec<u8>), event: GrpcEvent) {
        let context = memory::with(|memory| {
            let context = memory
                .open(id)
                .filter(|call| call.kind == CallKind::GrpcStream)?
                .context;
            let state = memory.contexts.get(&context)?;
            memory.callout_response = answer;
            (!state.is_deleted).then_some(context)
        });
        if let Some(context) = context {
            self.enter(context);
            self.guest.on_grpc(context, id, event);
        }
    }
}
