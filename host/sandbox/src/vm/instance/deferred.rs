//! Callbacks outside of streams (callout responses, gRPC events, ticks, queues, foreign functions), and their deferral while the guest is running.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::time::Duration;

use lockgate_abi::MapType;

use super::{Instance, InstanceStatus};
use crate::host::{Callbacks, CalloutResult, GrpcEvent};
use crate::state::{Phase, ROOT, State};
use crate::view::headers::MapView;

/// A callback that arrived while the guest was running.
pub(super) enum DeferredCall {
    Callout(u32, Box<CalloutResult>),
    Grpc(u32, Box<GrpcEvent>),
    Tick,
    Queue(u32),
    Foreign(u32),
    Finish(u32),
}

/// Deferred callbacks, and whether there is anything to do after the running one.
#[derive(Default)]
pub(super) struct DeferredCalls {
    jobs: RefCell<VecDeque<DeferredCall>>,
    pending: Cell<bool>,
    is_running: Cell<bool>,
}

impl DeferredCalls {
    pub(super) fn push(&self, job: DeferredCall) {
        self.jobs.borrow_mut().push_back(job);
        self.set_pending();
    }

    /// Sets that there is something to do after the running callback.
    pub(super) fn set_pending(&self) {
        self.pending.set(true);
    }
}

impl Instance {
    /// Runs what was deferred. To be called after every callback; it costs one check if there is nothing.
    pub(crate) fn run_deferred(&self) {
        if !self.deferred.pending.get() || self.deferred.is_running.replace(true) {
            return;
        }
        while self.deferred.pending.replace(false) && self.is_usable() {
            self.end_completed();
            loop {
                let job = self.deferred.jobs.borrow_mut().pop_front();
                match job {
                    None => break,
                    Some(DeferredCall::Callout(id, result)) => self.run_callout_response(id, *result),
                    Some(DeferredCall::Grpc(id, event)) => self.run_grpc_event(id, *event),
                    Some(DeferredCall::Tick) => self.run_tick(),
                    Some(DeferredCall::Queue(queue)) => self.run_queue_ready(queue),
                    Some(DeferredCall::Foreign(id)) => self.run_foreign_complete(id),
                    Some(DeferredCall::Finish(id)) => self.end(id),
                }
            }
        }
        self.deferred.is_running.set(false);
    }

    fn run_callout_response(&self, id: u32, result: CalloutResult) {
        let sizes = match &result {
            Ok(response) => {
                let count = |map| {
                    let view = MapView::of_callout(response, map, &self.filter);
                    view.map_or(0, MapView::len) as u32
                };
                let (headers, trailers) = (
                    count(MapType::HttpCallResponseHeaders),
                    count(MapType::HttpCallResponseTrailers),
                );
                (headers, response.body.len() as u32, trailers)
            }
            Err(_) => (0, 0, 0),
        };
        let Some(open) = self.with_state(|state| state.callouts.remove(&id)).flatten() else {
            return;
        };
        let works_for_start = open.is_of_start && self.starts();
        let Some(function) = &self.exports.http_call_response else {
            return self.check_start();
        };
        let enter = |state: &mut State| {
            state.enter_root(Phase::HttpCallResponse);
            state.set_callout_owner(open.owner);
            state.works_for_start = works_for_start;
            state.callout_response = Some(result);
        };
        // A failure is logged where it happens, and nothing depends on this result.
        let _ = self.run(enter, function, (ROOT, id, sizes.0, sizes.1, sizes.2));
        self.with_state(|state| {
            state.callout_response = None;
            state.works_for_start = false;
        });
        self.check_start();
    }

    /// Whether callouts that are made in the response to one of the start belong to the start, too: a token first, then what it opens.
    /// Only for a while, because a plugin may ask again with each response for as long as it lives.
    fn starts(&self) -> bool {
        const CHAINED: Duration = Duration::from_secs(10);
        self.status() == InstanceStatus::Starting && self.uptime() < CHAINED
    }

    /// Runs the callback of a gRPC event. The first event ends a call, [`GrpcEvent::Closed`] a stream.
    fn run_grpc_event(&self, id: u32, event: GrpcEvent) {
        let exports = &self.exports;
        let count = |map| MapView::of_grpc(&event, map, &self.filter).map_or(0, MapView::len) as u32;
        let (function, phase, number) = match &event {
            GrpcEvent::Initial(_) => {
                let count = count(MapType::GrpcReceiveInitialMetadata);
                (&exports.grpc_initial_metadata, Phase::GrpcInitialMetadata, count)
            }
            GrpcEvent::Message(message) => (&exports.grpc_receive, Phase::GrpcReceive, message.len() as u32),
            GrpcEvent::Trailing(_) => (
                &exports.grpc_trailing_metadata,
                Phase::GrpcTrailingMetadata,
                count(MapType::GrpcReceiveTrailingMetadata),
            ),
            GrpcEvent::Closed { status, .. } => (&exports.grpc_close, Phase::GrpcClose, *status),
        };
        let is_close = matches!(event, GrpcEvent::Closed { .. });
        let owner = self.with_state(|state| {
            let open = state.grpc.get(&id)?;
            let (owner, is_of_start) = (open.owner, open.is_of_start);
            if is_close || !open.is_stream {
                state.grpc.remove(&id);
                state.ended_grpc = Some(id);
            }
            Some((owner, is_of_start))
        });
        let Some((owner, is_of_start)) = owner.flatten() else {
            return;
        };
        let works_for_start = is_of_start && self.starts();
        let Some(function) = function else {
            return self.check_start();
        };
        let enter = |state: &mut State| {
            state.enter_root(phase);
            state.set_callout_owner(owner);
            state.works_for_start = works_for_start;
            state.grpc_event = Some(event);
        };
        // A failure is logged where it happens, and nothing depends on this result.
        let _ = self.run(enter, function, (ROOT, id, number));
        self.with_state(|state| {
            state.grpc_event = None;
            state.ended_grpc = None;
            state.works_for_start = false;
        });
        self.check_start();
    }

    fn run_tick(&self) {
        if let Some(tick) = &self.exports.tick {
            let _ = self.run(|state| state.enter_root(Phase::Tick), tick, ROOT);
        }
    }

    fn run_queue_ready(&self, queue: u32) {
        if let Some(ready) = &self.exports.queue_ready {
            let queue = self.with_state(|state| state.ids.guest_queue(queue)).unwrap_or(queue);
            let _ = self.run(|state| state.enter_root(Phase::QueueReady), ready, (ROOT, queue));
        }
    }

    fn run_foreign_complete(&self, id: u32) {
        if let Some(complete) = &self.exports.foreign_function {
            let _ = self.run(
                |state| state.enter_root(Phase::ForeignFunction),
                complete,
                (ROOT, id, 0),
            );
        }
    }
}

impl Callbacks for Instance {
    fn callout(&self, id: u32, result: CalloutResult) {
        if !self.is_usable() {
            return;
        }
        if self.is_busy() {
            self.deferred.push(DeferredCall::Callout(id, Box::new(result)));
        } else {
            self.run_callout_response(id, result);
            self.run_deferred();
        }
    }

    fn grpc(&self, id: u32, event: GrpcEvent) {
        if !self.is_usable() {
            return;
        }
        if self.is_busy() {
            self.deferred.push(DeferredCall::Grpc(id, Box::new(event)));
        } else {
            self.run_grpc_event(id, event);
            self.run_deferred();
        }
    }

    fn waits_for(&self, id: u32) -> bool {
        // While the guest is running, no callout has ended.
        self.is_usable()
            && self
                .with_state(|state| state.callouts.contains_key(&id))
                .unwrap_or(true)
    }

    fn tick(&self) -> bool {
        if !self.is_usable() || self.exports.tick.is_none() {
            return false;
        }
        if self.is_busy() {
            self.deferred.push(DeferredCall::Tick);
        } else {
            self.run_tick();
            self.run_deferred();
        }
        self.is_usable()
    }

    fn queue_ready(&self, queue: u32) -> bool {
        if !self.is_usable() {
            return false;
        }
        if self.is_busy() {
            self.deferred.push(DeferredCall::Queue(queue));
        } else {
            self.run_queue_ready(queue);
            self.run_deferred();
        }
        self.is_usable()
    }

    fn foreign_complete(&self, id: u32) {
        if !self.is_usable() {
            return;
        }
        if self.is_busy() {
            self.deferred.push(DeferredCall::Foreign(id));
        } else {
            self.run_foreign_complete(id);
            self.run_deferred();
        }
    }
}
