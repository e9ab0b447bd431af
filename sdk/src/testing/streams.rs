//! gRPC streams: the plugin's actions, delivered to scripted upstreams, and their replies.

use super::schedule::Scheduled;
use super::{CalloutRequest, Gateway, StreamEvent, StreamReply};
use crate::guest::{GrpcEvent, Hooks};
use crate::host::memory::{self, CallKind, Pairs, StreamAction};

pub(super) type StreamScript = Box<dyn FnMut(&CalloutRequest, StreamEvent<'_>) -> StreamReply>;

impl<P: Hooks> Gateway<P> {
    /// Defines what an upstream sends on gRPC streams, for each event of the stream. Streams to other upstreams get
    /// nothing.
    pub fn grpc_stream(
        self,
        upstream: &str,
        script: impl FnMut(&CalloutRequest, StreamEvent<'_>) -> StreamReply + 'static,
    ) -> Self {
        self.streams.borrow_mut().insert(upstream.to_owned(), Box::new(script));
        self
    }

    /// Delivers the plugin's next action on a stream to its upstream.
    pub(super) fn deliver_stream_actions(&self) -> bool {
        let next = memory::with(|memory| {
            let now = memory.nanoseconds;
            let call = memory.callouts.iter_mut().find(|call| !call.actions.is_empty())?;
            let action = call.actions.pop_front()?;
            Some((now, call.clone(), action))
        });
        let Some((now, call, action)) = next else { return false };
        let event = match &action {
            StreamAction::Opened => StreamEvent::Opened,
            StreamAction::Sent(message) => StreamEvent::Message(message),
            StreamAction::Ended => StreamEvent::End,
            StreamAction::Cancelled => StreamEvent::Cancelled,
        };
        let mut streams = self.streams.borrow_mut();
        let Some(script) = streams.get_mut(&call.upstream) else {
            return true;
        };
        let reply = script(&CalloutRequest::of(&call), event);
        if !reply.is_empty() {
            let mut all = self.scheduled.borrow_mut();
            let own = all.iter().filter(|(_, id, _)| *id == call.id).map(|(due, ..)| *due);
            let earliest = own.max().unwrap_or(now);
            let due = now + u64::try_from(reply.delay.as_nanos()).unwrap_or(0);
            all.push((due.max(earliest), call.id, Scheduled::StreamReply(reply)));
        }
        true
    }

    /// Delivers the reply of an upstream to the plugin.
    pub(super) fn send_on_stream(&self, id: u32, reply: StreamReply) {
        let has_response_started = memory::with(|memory| {
            memory
                .open(id)
                .map(|call| std::mem::replace(&mut call.has_response_started, true))
        });
        let Some(has_response_started) = has_response_started else {
            return;
        };
        if !has_response_started {
            let count = reply.metadata.len();
            self.deliver_event(id, (reply.metadata, Vec::new()), GrpcEvent::Initial(count));
        }
        for message in reply.messages {
            let size = message.len();
            self.deliver_event(id, (Vec::new(), message), GrpcEvent::Message(size));
        }
        let Some((status, message)) = reply.end else { return };
        let count = reply.trailers.len();
        self.deliver_event(id, (reply.trailers, Vec::new()), GrpcEvent::Trailing(count));
        memory::with(|memory| memory.call_status = (status.0, message.into_bytes()));
        self.deliver_event(id, (Vec::new(), Vec::new()), GrpcEvent::Closed(status.0));
        memory::with(|memory| {
            memory.call_status = (0, Vec::new());
            if let Some(call) = memory.open(id) {
                call.is_complete = true;
            }
        });
    }

    /// Delivers one event, unless the stream is complete or its context was deleted.
    fn deliver_event(&self, id: u32, response: (Pairs, Vec<u8>), event: GrpcEvent) {
        let context = memory::with(|memory| {
            let context = memory
                .open(id)
                .filter(|call| call.kind == CallKind::GrpcStream)?
                .context;
            let state = memory.contexts.get(&context)?;
            memory.callout_response = response;
            (!state.is_deleted).then_some(context)
        });
        if let Some(context) = context {
            self.enter(context);
            self.guest.on_grpc(context, id, event);
        }
    }
}
