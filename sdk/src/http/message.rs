//! [`MessageState`]: the state of one HTTP message, shared by the hook that waits with it and the callbacks of its
//! stream: what has arrived, what of the body the host holds, and what the hook waits for.

use std::cell::Cell;
use std::rc::Rc;
use std::task::Waker;

use crate::abi::{Action, Direction, Map};
use crate::host;
use crate::services::property;

/// How a hook reads the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyMode {
    /// The hook has not asked for the body.
    Untouched,
    /// The hook waits for the whole body, and the host holds it meanwhile.
    Collect,
    /// The hook reads chunk after chunk, and each goes on before the next.
    Stream,
}

/// The arguments of a callback whose hook runs later, because another hook holds the state of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deferred {
    /// No callback is deferred.
    No,
    /// Headers, and whether they end the stream.
    Headers(bool),
    /// A chunk: the number of bytes that the host holds, and whether it ends the stream.
    Chunk(usize, bool),
    /// Trailers.
    Trailers,
}

/// The state of the message in one direction of a stream.
pub struct MessageState {
    pub(crate) direction: Direction,
    /// Whether the headers were sent on, so that changes have no effect.
    pub(crate) headers_sent: Cell<bool>,
    /// Whether the last callback of this direction returned a pause.
    pub(crate) paused: Cell<bool>,
    /// Whether a body callback has returned a pause.
    pub(crate) has_body_paused: Cell<bool>,
    pub(crate) body_mode: Cell<BodyMode>,
    /// The number of body bytes that the host holds.
    pub(crate) buffered: Cell<usize>,
    /// The number of these bytes that the hook has read.
    pub(crate) consumed: Cell<usize>,
    /// Whether the body is complete.
    pub(crate) ended: Cell<bool>,
    /// Whether the trailers have arrived.
    pub(crate) trailers: Cell<bool>,
    /// The callback whose hook runs as soon as the state of the request is free.
    pub(crate) deferred: Cell<Deferred>,
    /// The waker of a hook that waits for the body.
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

    /// The hook starts to wait for the body.
    pub(crate) fn wait(&self, waker: &Waker) {
        self.waiter.set(Some(waker.clone()));
        self.waiting.set(true);
    }

    /// The hook no longer waits for the body.
    pub(crate) fn stop_waiting(&self) {
        self.waiting.set(false);
    }

    /// More of the body has arrived, or its end is known.
    pub(crate) fn on_body(&self, size: usize, end_of_stream: bool) {
        self.buffered.set(size);
        self.ended.set(self.ended.get() || end_of_stream);
        if let Some(waker) = self.waiter.take() {
            waker.wake();
        }
    }

    /// The trailers have arrived, and with them the body is complete.
    pub(crate) fn on_trailers(&self) {
        self.trailers.set(true);
        self.on_body(self.buffered.get(), true);
    }

    /// The result of the header callback while the hook waits.
    pub(crate) fn action_after_headers(&self) -> Action {
        if self.must_release_headers() {
            self.release_headers();
            self.paused.set(false);
            return Action::Continue;
        }
        self.paused.set(true);
        Action::Pause
    }

    /// The result of a body callback while the hook waits.
    pub(crate) fn action_after_body(&self) -> Action {
        if self.body_mode.get() == BodyMode::Stream && self.waiting.get() {
            self.release_body();
            return Action::Continue;
        }
        self.paused.set(true);
        self.has_body_paused.set(true);
        Action::Pause
    }

    /// Releases what is held if the hook waits for more of the body. Returns whether the stream must be resumed; for
    /// calls from other callbacks than those of this direction.
    pub(crate) fn resume_if_waiting(&self) -> bool {
        if !self.paused.get() || !self.waiting.get() {
            return false;
        }
        let are_headers_held = !self.headers_sent.get();
        match self.body_mode.get() {
            // After their own callback, held headers are released in every host: none delivers the body otherwise.
            // Lockgate still holds them while the body is held.
            BodyMode::Collect if !self.has_body_paused.get() => {
                if self.must_release_headers() {
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

    /// Whether a hook that waits for the body must release the headers: most hosts deliver no body before that.
    fn must_release_headers(&self) -> bool {
        match self.body_mode.get() {
            BodyMode::Untouched => false,
            BodyMode::Stream => true,
            BodyMode::Collect => !host_holds_headers(),
        }
    }

    fn release_headers(&self) {
        self.headers_sent.set(true);
        if !host_holds_headers() {
            // The plugin may change the length of the body, and could not change the header then.
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

/// Whether the host delivers the body while the headers are held. Lockgate does; it is recognized by a property that it
/// always has.
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
