//! [`MessageState`]: what a waiting hook and the callbacks of its stream tell each other: how far the message has come, what
//! of the body lies in the host, and what the hook waits for.

use std::cell::Cell;
use std::rc::Rc;
use std::task::Waker;

use crate::abi::{Action, Direction, Map};
use crate::host;
use crate::services::property;

/// What a hook wants of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyMode {
    /// Nothing, so far.
    Untouched,
    /// All of it, before anything goes on.
    Collect,
    /// One piece after another.
    Stream,
}

/// What a hook that does not wait was called with, for when it runs later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deferred {
    /// Nothing that could run later.
    No,
    /// A head; whether it is all.
    Headers(bool),
    /// What lies in the host of a body, and whether it is the end.
    Chunk(usize, bool),
    /// Trailers.
    Trailers,
}

/// One direction of a stream whose hook may wait.
pub struct MessageState {
    pub(crate) direction: Direction,
    /// The head was let go, and the host does not keep it.
    pub(crate) headers_sent: Cell<bool>,
    /// The last callback of this direction was answered with a pause.
    pub(crate) paused: Cell<bool>,
    /// One of them was a body callback.
    pub(crate) has_body_paused: Cell<bool>,
    pub(crate) body_mode: Cell<BodyMode>,
    /// How much of the body lies in the host.
    pub(crate) buffered: Cell<usize>,
    /// How much of that the hook has had.
    pub(crate) consumed: Cell<usize>,
    /// No more body comes.
    pub(crate) ended: Cell<bool>,
    /// The trailers have come.
    pub(crate) trailers: Cell<bool>,
    /// The hook does not wait, and runs when the state of its request is free.
    pub(crate) deferred: Cell<Deferred>,
    /// The hook waits for body.
    waiter: Cell<Option<Waker>>,
    waiting: Cell<bool>,
}

impl MessageState {
    pub(crate) fn new(direction: Direction, end_of_stream: bool) -> Rc<MessageState> {
        Rc::new(MessageState {
            direction,
            headers_sent: Cell::new(false),
            paused: Cell::new(false),
            has_body_paused: Cell::new(false),
            body_mode: Cell::new(BodyMode::Untouched),
            buffered: Cell::new(0),
            consumed: Cell::new(0),
            ended: Cell::new(end_of_stream),
            trailers: Cell::new(false),
            deferred: Cell::new(Deferred::No),
            waiter: Cell::new(None),
            waiting: Cell::new(false),
        })
    }

    /// The hook waits for more body.
    pub(crate) fn wait(&self, waker: &Waker) {
        self.waiter.set(Some(waker.clone()));
        self.waiting.set(true);
    }

    /// The hook has what it waited for, or waits no longer.
    pub(crate) fn stop_waiting(&self) {
        self.waiting.set(false);
    }

    /// More of the body is at hand, or its end is known.
    pub(crate) fn on_body(&self, size: usize, end_of_stream: bool) {
        self.buffered.set(size);
        self.ended.set(self.ended.get() || end_of_stream);
        if let Some(waker) = self.waiter.take() {
            waker.wake();
        }
    }

    /// The trailers are there, and so all of the body is.
    pub(crate) fn on_trailers(&self) {
        self.trailers.set(true);
        self.on_body(self.buffered.get(), true);
    }

    /// What the host is told about the head while the hook waits.
    pub(crate) fn action_after_headers(&self) -> Action {
        let resume_if_waiting = self.releases_headers();
        if resume_if_waiting {
            self.release_headers();
        }
        self.paused.set(!resume_if_waiting);
        if resume_if_waiting {
            Action::Continue
        } else {
            Action::Pause
        }
    }

    /// What the host is told about a piece of body while the hook waits.
    pub(crate) fn action_after_body(&self) -> Action {
        if self.body_mode.get() == BodyMode::Stream && self.waiting.get() {
            self.release_body();
            return Action::Continue;
        }
        self.paused.set(true);
        self.has_body_paused.set(true);
        Action::Pause
    }

    /// Outside the callbacks of this direction: whether what is held goes on, while the hook waits for more.
    pub(crate) fn resume_if_waiting(&self) -> bool {
        if !self.paused.get() || !self.waiting.get() {
            return false;
        }
        let are_headers_held = !self.headers_sent.get();
        match self.body_mode.get() {
            // Outside its own callback a held head is let go in every host, as none looks for the body then. A host that
            // keeps heads still does so while the body is held.
            BodyMode::Collect if !self.has_body_paused.get() => {
                if self.releases_headers() {
                    self.release_headers();
                }
                self.paused.set(false);
                true
            }
            BodyMode::Stream => {
                if are_headers_held {
                    self.release_headers();
                }
                self.release_body();
                true
            }
            _ => false,
        }
    }

    /// A hook that waits for the body cannot hold the head in every host: most read no body before the head is let go.
    fn releases_headers(&self) -> bool {
        match self.body_mode.get() {
            BodyMode::Untouched => false,
            BodyMode::Stream => true,
            BodyMode::Collect => !host_holds_headers(),
        }
    }

    fn release_headers(&self) {
        self.headers_sent.set(true);
        if !host_holds_headers() {
            // The body may get another length, and then it is too late to say so.
            let map = match self.direction {
                Direction::Response => Map::ResponseHeaders,
                _ => Map::RequestHeaders,
            };
            let _ = host::remove_header(map, "content-length");
        }
    }

    fn release_body(&self) {
        self.buffered.set(0);
        self.consumed.set(0);
        self.paused.set(false);
    }
}

impl std::fmt::Debug for MessageState {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("MessageState").finish_non_exhaustive()
    }
}

/// Whether the host delivers a body while its head is held back: Lockgate does. Known by a property that it always has.
fn host_holds_headers() -> bool {
    thread_local! {
        static HOLDS: Cell<Option<bool>> = const { Cell::new(None) };
    }
    #[cfg(target_arch = "wasm32")]
    if let Some(known) = HOLDS.get() {
        return known;
    }
    let holds = matches!(property::CLIENT_ADDRESS.value(), Ok(Some(_)));
    HOLDS.set(Some(holds));
    holds
}
