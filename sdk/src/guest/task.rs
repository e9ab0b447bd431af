//! [`Task`]: a hook that waits, as a future of its stream; and the queue of those that can go on.
//!
//! There is one thread and nothing to sleep on: a task is polled when the host calls the module with what it waits
//! for. It is dropped with its stream.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use crate::abi::Direction;
use crate::error::Result;
use crate::http::message::MessageState;
use crate::plugin::Flow;

/// What can go on: one direction of a stream, or work in the background.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    Stream(u32, Direction),
    Background(u32),
}

/// A hook that waits.
pub(crate) struct Task {
    pub(crate) hook: &'static str,
    pub(crate) message: Rc<MessageState>,
    future: Pin<Box<dyn Future<Output = Result<Flow>>>>,
    waker: Waker,
}

impl Task {
    pub(crate) fn new(
        stream: u32,
        hook: &'static str,
        message: Rc<MessageState>,
        future: Pin<Box<dyn Future<Output = Result<Flow>>>>,
    ) -> Box<Task> {
        let waker = waker(Key::Stream(stream, message.direction));
        Box::new(Task {
            hook,
            message,
            future,
            waker,
        })
    }

    pub(crate) fn poll(&mut self) -> Poll<Result<Flow>> {
        self.future.as_mut().poll(&mut Context::from_waker(&self.waker))
    }
}

/// Work that belongs to no request.
pub(crate) struct Background {
    pub(crate) serial: u32,
    pub(crate) root: u32,
    /// The hook that began it; empty for [`spawn`].
    pub(crate) hook: &'static str,
    future: Pin<Box<dyn Future<Output = Result<Flow>>>>,
    waker: Waker,
}

impl Background {
    pub(crate) fn new(
        root: u32,
        hook: &'static str,
        future: Pin<Box<dyn Future<Output = Result<Flow>>>>,
    ) -> Background {
        let serial = SERIAL.get();
        SERIAL.set(serial.wrapping_add(1));
        let waker = waker(Key::Background(serial));
        Background {
            serial,
            root,
            hook,
            future,
            waker,
        }
    }

    pub(crate) fn poll(&mut self) -> Poll<Result<Flow>> {
        self.future.as_mut().poll(&mut Context::from_waker(&self.waker))
    }
}

thread_local! {
    static READY: RefCell<VecDeque<Key>> = const { RefCell::new(VecDeque::new()) };
    static SPAWNED: RefCell<Vec<Background>> = const { RefCell::new(Vec::new()) };
    static SERIAL: Cell<u32> = const { Cell::new(0) };
}

/// Runs a future in the background, apart from any request: it goes on when the request that began it has ended. For
/// plugins with a hook that waits; a failure is the future's own to handle.
pub fn spawn(future: impl Future<Output = ()> + 'static) {
    let future = Box::pin(async move {
        future.await;
        Ok(Flow::Continue)
    });
    let begun = Background::new(crate::host::context::root(), "", future);
    let key = Key::Background(begun.serial);
    SPAWNED.with_borrow_mut(|spawned| spawned.push(begun));
    READY.with_borrow_mut(|ready| ready.push_back(key));
}

/// What was begun since the last call.
pub(crate) fn spawned() -> Vec<Background> {
    SPAWNED.take()
}

/// The next one that can go on.
pub(crate) fn next() -> Option<Key> {
    READY.with_borrow_mut(VecDeque::pop_front)
}

/// In native tests: a new gateway starts with nothing to do.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn reset() {
    READY.take();
    SPAWNED.take();
}

/// Puts a task into the queue, once however often it is woken. One that has ended is looked for in vain.
struct TaskWaker(Key);

fn waker(key: Key) -> Waker {
    Waker::from(Arc::new(TaskWaker(key)))
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        READY.with_borrow_mut(|ready| {
            if !ready.contains(&self.0) {
                ready.push_back(self.0);
            }
        });
    }
}
