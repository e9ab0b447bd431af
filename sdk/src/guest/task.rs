//! [`Task`]: the future of a hook that waits; and the queue of tasks that are ready.
//!
//! This is the executor of the SDK. It has one thread and never blocks: a task is polled when the host calls the module
//! with what the task waits for. It is dropped with its stream.

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

/// The key of a task: a direction of a stream, or the serial number of a background task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    Stream(u32, Direction),
    Background(u32),
}

/// A hook that waits, for one message.
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

/// A task that belongs to no request.
pub(crate) struct Background {
    pub(crate) serial: u32,
    pub(crate) root: u32,
    /// The hook that started it; empty for [`spawn`].
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

/// Runs a future in the background. It belongs to no request, and continues after the request that started it. It needs
/// a plugin with at least one `async` hook. The future must handle its own errors.
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

/// The background tasks that were started since the last call.
pub(crate) fn spawned() -> Vec<Background> {
    SPAWNED.take()
}

/// The key of the next task that is ready.
pub(crate) fn next() -> Option<Key> {
    READY.with_borrow_mut(VecDeque::pop_front)
}

/// Removes all tasks, for the next native test of this thread.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn reset() {
    READY.take();
    SPAWNED.take();
}

/// Queues a task, once however often it is woken. The key of a task that has ended is ignored later.
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
