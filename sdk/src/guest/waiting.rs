//! The hooks that wait: how they start, resume with what the host delivers, and end. There is one task for each
//! direction of a stream, and any number in the background.
//!
//! A message is held (`Pause`) while its hook waits for something else than its body. If the hook waits for the body,
//! the headers are released in hosts that deliver no body before (Envoy); see [`MessageState`].

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use super::{Direction, Guest, Hooks, UNCONFIGURED, apply, log_error};
use crate::abi::Action;
use crate::error::{Error, Result};
use crate::guest::state::AcquireState;
use crate::guest::task::{self, Key, Task};
use crate::host;
use crate::host::context;
use crate::http::message::{BodyMode, Deferred, MessageState};
use crate::plugin::Flow;

impl<P: Hooks> Guest<P> {
    /// Starts a hook that waits and takes no state.
    pub fn task<F>(
        &self,
        id: u32,
        direction: Direction,
        hook: &'static str,
        end: bool,
        make: impl FnOnce(Rc<P>, Rc<MessageState>) -> F,
    ) -> u32
    where
        F: Future<Output = Result<Flow>> + 'static,
    {
        let Some(plugin) = self.enter(id) else {
            return apply::<P>(hook, Err(UNCONFIGURED)) as u32;
        };
        let message = MessageState::new(direction, end);
        let future = Box::pin(make(plugin, message.clone()));
        self.begin(id, Task::new(id, hook, message, future))
    }

    /// Starts a hook that waits and takes the state of the request, which it awaits first.
    pub fn task_with_state<F>(
        &self,
        id: u32,
        direction: Direction,
        hook: &'static str,
        end: bool,
        make: impl FnOnce(Rc<P>, Rc<MessageState>, AcquireState<P::State>) -> F,
    ) -> u32
    where
        F: Future<Output = Result<Flow>> + 'static,
    {
        let state = self
            .streams
            .borrow_mut()
            .find_mut(id)
            .map(|stream| stream.state.acquire());
        let (Some(plugin), Some(state)) = (self.enter(id), state) else {
            return apply::<P>(hook, Err(UNCONFIGURED)) as u32;
        };
        let message = MessageState::new(direction, end);
        let future = Box::pin(make(plugin, message.clone(), state));
        self.begin(id, Task::new(id, hook, message, future))
    }

    /// Defers a hook that does not wait while another hook has the state. The message is held, and the hook runs when
    /// the state is free.
    pub(super) fn defer(&self, id: u32, direction: Direction, hook: &'static str, deferred: Deferred) -> u32 {
        if !P::WAITS {
            return apply::<P>(hook, Err(UNCONFIGURED)) as u32;
        }
        let state = self
            .streams
            .borrow_mut()
            .find_mut(id)
            .map(|stream| stream.state.acquire());
        let Some(state) = state else {
            return Action::Pause as u32;
        };
        let future: Pin<Box<dyn Future<Output = Result<Flow>>>> = Box::pin(async move {
            drop(state.await);
            Ok(Flow::Continue)
        });
        let message = MessageState::new(direction, matches!(deferred, Deferred::Headers(true)));
        message.deferred.set(deferred);
        if let Deferred::Chunk(size, end) = deferred {
            message.has_body_paused.set(true);
            message.on_body(size, end);
        }
        self.begin(id, Task::new(id, hook, message, future))
    }

    fn begin(&self, id: u32, mut task: Box<Task>) -> u32 {
        let action = match task.poll() {
            Poll::Ready(flow) => apply::<P>(task.hook, flow),
            Poll::Pending => {
                let action = task.message.action_after_headers();
                self.put_back(id, task);
                action
            }
        };
        self.run_ready();
        action as u32
    }

    /// `proxy_on_request_body`.
    pub fn request_body(&self, id: u32, size: usize, end: bool) -> u32 {
        self.body(id, Direction::Request, size, end)
    }

    /// `proxy_on_response_body`.
    pub fn response_body(&self, id: u32, size: usize, end: bool) -> u32 {
        self.body(id, Direction::Response, size, end)
    }

    /// `proxy_on_request_trailers`.
    pub fn request_trailers(&self, id: u32) -> u32 {
        self.trailers(id, Direction::Request)
    }

    /// `proxy_on_response_trailers`.
    pub fn response_trailers(&self, id: u32) -> u32 {
        self.trailers(id, Direction::Response)
    }

    /// `proxy_on_response_headers`. If the request's hook still holds the request, it is cancelled: the response does
    /// not come from the upstream.
    pub fn response_headers(&self, id: u32, end: bool) -> u32 {
        if P::WAITS {
            let mut cancelled = None;
            if let Some(stream) = self.streams.borrow_mut().find_mut(id)
                && let Some(task) = &stream.tasks[Direction::Request as usize]
                && (!task.message.headers_sent.get() || task.message.body_mode.get() != BodyMode::Stream)
            {
                cancelled = stream.tasks[Direction::Request as usize].take();
                stream.is_request_blocked = true;
            }
            drop(cancelled);
        }
        P::response_headers(self, id, end)
    }

    /// `proxy_on_log`. Hooks that still wait are cancelled before.
    pub fn log(&self, id: u32) {
        if P::WAITS {
            let tasks = self
                .streams
                .borrow_mut()
                .find_mut(id)
                .map(|stream| std::mem::take(&mut stream.tasks));
            drop(tasks);
        }
        P::log(self, id);
    }

    fn body(&self, id: u32, direction: Direction, size: usize, end: bool) -> u32 {
        if !P::WAITS {
            return Self::chunk(self, id, direction, size, end);
        }
        context::enter(id, self.root_of(id));
        let mut task = match self.take_task(id, direction) {
            TaskSlot::Task(task) => task,
            TaskSlot::Empty => return Self::chunk(self, id, direction, size, end),
            TaskSlot::Blocked => return Action::Pause as u32,
        };
        task.message.on_body(size, end);
        let action = match task.poll() {
            Poll::Pending => {
                let action = task.message.action_after_body();
                self.put_back(id, task);
                action as u32
            }
            Poll::Ready(flow) => match apply::<P>(task.hook, flow) {
                Action::Continue => self.continue_with_body(id, &task, size, end),
                Action::Pause => Action::Pause as u32,
            },
        };
        self.run_ready();
        action
    }

    /// Continues after a hook that has ended in a body callback. If it did not read the body, the body hook gets this
    /// chunk.
    fn continue_with_body(&self, id: u32, task: &Task, size: usize, end: bool) -> u32 {
        let message = &task.message;
        let action = match message.body_mode.get() {
            BodyMode::Untouched => Self::chunk(self, id, message.direction, size, end),
            _ => Action::Continue as u32,
        };
        // Headers that were held in their own callback are resumed separately, unless a body callback has paused
        // before.
        if action == Action::Continue as u32 && message.paused.get() && !message.has_body_paused.get() {
            self.resume(id, task.hook, message.direction);
        }
        action
    }

    fn trailers(&self, id: u32, direction: Direction) -> u32 {
        let hook = |guest: &Self| match direction {
            Direction::Response => P::response_trailers(guest, id),
            _ => P::request_trailers(guest, id),
        };
        if !P::WAITS {
            return hook(self);
        }
        context::enter(id, self.root_of(id));
        let mut task = match self.take_task(id, direction) {
            TaskSlot::Task(task) => task,
            TaskSlot::Empty => return hook(self),
            TaskSlot::Blocked => return Action::Pause as u32,
        };
        task.message.on_trailers();
        let action = match task.poll() {
            Poll::Pending => {
                task.message.paused.set(true);
                self.put_back(id, task);
                Action::Pause as u32
            }
            Poll::Ready(flow) => match apply::<P>(task.hook, flow) {
                Action::Continue => hook(self),
                Action::Pause => Action::Pause as u32,
            },
        };
        self.run_ready();
        action
    }

    /// Runs all tasks that are ready.
    pub(super) fn run_ready(&self) {
        if !P::WAITS {
            return;
        }
        while let Some(key) = task::next() {
            match key {
                Key::Stream(id, direction) => self.resume_task(id, direction),
                Key::Background(serial) => self.run_background(serial),
            }
        }
    }

    /// Polls a hook outside the callbacks of its direction.
    fn resume_task(&self, id: u32, direction: Direction) {
        let TaskSlot::Task(mut task) = self.take_task(id, direction) else {
            return;
        };
        if let Err(error) = context::switch(id, self.root_of(id)) {
            // The task cannot run in its context; the stream stays held until it ends.
            return log_error(task.hook, &error);
        }
        match task.poll() {
            Poll::Pending => {
                if task.message.resume_if_waiting() {
                    self.resume(id, task.hook, direction);
                }
                self.put_back(id, task);
            }
            Poll::Ready(flow) => {
                if apply::<P>(task.hook, flow) == Action::Continue && task.message.paused.get() {
                    self.release(id, &task);
                }
            }
        }
    }

    /// Resumes a message whose hook has ended while the message was held. The chunk and the trailers that arrived
    /// meanwhile go to their hooks first.
    fn release(&self, id: u32, task: &Task) {
        let message = &task.message;
        let direction = message.direction;
        let continues = Action::Continue as u32;
        if let Deferred::Headers(end) = message.deferred.get()
            && self.deferred_headers(id, direction, end) != continues
        {
            return;
        }
        let has_chunk = message.has_body_paused.get() && message.body_mode.get() == BodyMode::Untouched;
        if has_chunk && Self::chunk(self, id, direction, message.buffered.get(), message.ended.get()) != continues {
            return;
        }
        let has_trailers = message.trailers.get() || matches!(message.deferred.get(), Deferred::Trailers);
        if has_trailers && self.trailers(id, direction) != continues {
            return;
        }
        self.resume(id, task.hook, direction);
    }

    fn deferred_headers(&self, id: u32, direction: Direction, end: bool) -> u32 {
        match direction {
            Direction::Response => P::response_headers(self, id, end),
            _ => P::request_headers(self, id, end),
        }
    }

    /// Resumes a stream that a callback has paused.
    fn resume(&self, id: u32, hook: &'static str, direction: Direction) {
        let root = self.root_of(id);
        let resumed = context::switch(id, root)
            .and_then(|()| host::continue_stream(direction).map_err(Error::host("proxy_continue_stream")));
        if let Err(error) = resumed {
            log_error(hook, &error);
        }
    }

    fn root_of(&self, id: u32) -> u32 {
        self.streams.borrow().find(id).map_or(0, |stream| stream.root)
    }

    fn take_task(&self, id: u32, direction: Direction) -> TaskSlot {
        let mut streams = self.streams.borrow_mut();
        let Some(stream) = streams.find_mut(id) else {
            return TaskSlot::Empty;
        };
        match stream.tasks[direction as usize].take() {
            Some(task) => TaskSlot::Task(task),
            None if direction == Direction::Request && stream.is_request_blocked => TaskSlot::Blocked,
            None => TaskSlot::Empty,
        }
    }

    fn put_back(&self, id: u32, task: Box<Task>) {
        let mut streams = self.streams.borrow_mut();
        if let Some(stream) = streams.find_mut(id) {
            let direction = task.message.direction as usize;
            stream.tasks[direction] = Some(task);
        }
    }

    fn chunk(&self, id: u32, direction: Direction, size: usize, end: bool) -> u32 {
        match direction {
            Direction::Response => P::response_chunk(self, id, size, end),
            _ => P::request_chunk(self, id, size, end),
        }
    }
}

enum TaskSlot {
    Task(Box<Task>),
    Empty,
    /// The hook was cancelled, and its request stays held.
    Blocked,
}
