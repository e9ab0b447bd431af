//! [`Channel`]: what a waiting hook and the callbacks of its stream tell each other: how far the message has come, what
//! of the body lies in the host, and what the hook waits for.

use std::cell::Cell;
use std::rc::Rc;
use std::task::Waker;

use crate::abi::{Action, Direction, Map};
use crate::host;
use crate::services::property;

/// What a hook wants of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Want {
    /// Nothing, so far.
    Nothing,
    /// All of it, before anything goes on.
    Whole,
    /// One piece after another.
    Pieces,
}

/// What a hook that does not wait was called with, for when it runs later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Late {
    /// Nothing that could run later.
    Never,
    /// A head; whether it is all.
    Head(bool),
    /// What lies in the host of a body, and whether it is the end.
    Piece(usize, bool),
    /// Trailers.
    Trailers,
}

/// One direction of a stream whose hook may wait.
pub struct Channel {
    pub(crate) direction: Direction,
    /// The head was let go, and the host does not keep it.
    pub(crate) head_gone: Cell<bool>,
    /// The last callback of this direction was answered with a pause.
    pub(crate) paused: Cell<bool>,
    /// One of them was a body callback.
    pub(crate) body_paused: Cell<bool>,
    pub(crate) want: Cell<Want>,
    /// How much of the body lies in the host.
    pub(crate) size: Cell<usize>,
    /// How much of that the hook has had.
    pub(crate) taken: Cell<usize>,
    /// No more body comes.
    pub(crate) ended: Cell<bool>,
    /// The trailers have come.
    pub(crate) trailers: Cell<bool>,
    /// The hook does not wait, and runs when the state of its request is free.
    pub(crate) late: Cell<Late>,
    /// The hook waits for body.
    waiter: Cell<Option<Waker>>,
    waiting: Cell<bool>,
}

impl Channel {
    pub(crate) fn new(direction: Direction, end_of_stream: bool) -> Rc<Channel> {
        Rc::new(Channel {
            direction,
            head_gone: Cell::new(false),
            paused: Cell::new(false),
            body_paused: Cell::new(false),
            want: Cell::new(Want::Nothing),
            size: Cell::new(0),
            taken: Cell::new(0),
            ended: Cell::new(end_of_stream),
            trailers: Cell::new(false),
            late: Cell::new(Late::Never),
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
    pub(crate) fn waits_no_more(&self) {
        self.waiting.set(false);
    }

    /// More of the body is at hand, or its end is known.
    pub(crate) fn arrived(&self, size: usize, end_of_stream: bool) {
        self.size.set(size);
        self.ended.set(self.ended.get() || end_of_stream);
        if let Some(waker) = self.waiter.take() {
            waker.wake();
        }
    }

    /// The trailers are there, and so all of the body is.
    pub(crate) fn trailed(&self) {
        self.trailers.set(true);
        self.arrived(self.size.get(), true);
    }

    /// What the host is told about the head while the hook waits.
    pub(crate) fn after_head(&self) -> Action {
        let lets_go = self.lets_head_go();
        if lets_go {
            self.release_head();
        }
        self.paused.set(!lets_go);
        if lets_go { Action::Continue } else { Action::Pause }
    }

    /// What the host is told about a piece of body while the hook waits.
    pub(crate) fn after_body(&self) -> Action {
        if self.want.get() == Want::Pieces && self.waiting.get() {
            self.release_body();
            return Action::Continue;
        }
        self.paused.set(true);
        self.body_paused.set(true);
        Action::Pause
    }

    /// Outside the callbacks of this direction: whether what is held goes on, while the hook waits for more.
    pub(crate) fn lets_go(&self) -> bool {
        if !self.paused.get() || !self.waiting.get() {
            return false;
        }
        let head_waits = !self.head_gone.get();
        match self.want.get() {
            // Outside its own callback a held head is let go in every host, as none looks for the body then. A host that
            // keeps heads still does so while the body is held.
            Want::Whole if !self.body_paused.get() => {
                if self.lets_head_go() {
                    self.release_head();
                }
                self.paused.set(false);
                true
            }
            Want::Pieces => {
                if head_waits {
                    self.release_head();
                }
                self.release_body();
                true
            }
            _ => false,
        }
    }

    /// A hook that waits for the body cannot hold the head in every host: most read no body before the head is let go.
    fn lets_head_go(&self) -> bool {
        match self.want.get() {
            Want::Nothing => false,
            Want::Pieces => true,
            Want::Whole => !keeps_heads(),
        }
    }

    fn release_head(&self) {
        self.head_gone.set(true);
        if !keeps_heads() {
            // The body may get another length, and then it is too late to say so.
            let map = match self.direction {
                Direction::Response => Map::ResponseHeaders,
                _ => Map::RequestHeaders,
            };
            let _ = host::remove_header(map, "content-length");
        }
    }

    fn release_body(&self) {
        self.size.set(0);
        self.taken.set(0);
        self.paused.set(false);
    }
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Channel").finish_non_exhaustive()
    }
}

/// Whether the host delivers a body while its head is held back: Lockgate does. Known by a property that it always has.
fn keeps_heads() -> bool {
    thread_local! {
        static KEEPS: Cell<Option<bool>> = const { Cell::new(None) };
    }
    #[cfg(target_arch = "wasm32")]
    if let Some(known) = KEEPS.get() {
        return known;
    }
    let keeps = matches!(property::CLIENT_ADDRESS.value(), Ok(Some(_)));
    KEEPS.set(Some(keeps));
    keeps
}
