//! The hooks that wait: how they begin, go on with what the host brings, and end. One future per direction of a stream,
//! and those in the background.
//!
//! A message is held (`Pause`) while its hook waits for something else than its body. A hook that waits for the body has
//! its head let go where the host reads no body before (Envoy); see [`Channel`].

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use super::{Guest, Hooks, Side, UNCONFIGURED, conclude, report};
use crate::abi::Action;
use crate::error::{Error, Result};
use crate::futures::timer;
use crate::guest::state::Borrow;
use crate::guest::task::{self, Background, Key, Task};
use crate::host;
use crate::host::context;
use crate::http::channel::{Channel, Late, Want};
use crate::plugin::Flow;

impl<P: Hooks> Guest<P> {
    /// Begins a hook that waits and takes no state.
    pub fn task<F>(
        &self,
        id: u32,
        side: Side,
        hook: &'static str,
        end: bool,
        make: impl FnOnce(Rc<P>, Rc<Channel>) -> F,
    ) -> u32
    where
        F: Future<Output = Result<Flow>> + 'static,
    {
        let Some(plugin) = self.serve(id) else {
            return conclude::<P>(hook, Err(UNCONFIGURED)) as u32;
        };
        let channel = Channel::new(side, end);
        let future = Box::pin(make(plugin, channel.clone()));
        self.begin(id, Task::new(id, hook, channel, future))
    }

    /// Begins a hook that waits, with the request's state as soon as no other hook holds it.
    pub fn task_with_state<F>(
        &self,
        id: u32,
        side: Side,
        hook: &'static str,
        end: bool,
        make: impl FnOnce(Rc<P>, Rc<Channel>, Borrow<P::State>) -> F,
    ) -> u32
    where
        F: Future<Output = Result<Flow>> + 'static,
    {
        let state = self.streams.borrow_mut().find_mut(id).map(|stream| stream.state.lend());
        let (Some(plugin), Some(state)) = (self.serve(id), state) else {
            return conclude::<P>(hook, Err(UNCONFIGURED)) as u32;
        };
        let channel = Channel::new(side, end);
        let future = Box::pin(make(plugin, channel.clone(), state));
        self.begin(id, Task::new(id, hook, channel, future))
    }

    /// A hook that does not wait finds the state in use: the message waits until it is free, and the hook runs then.
    pub(super) fn after_the_other(&self, id: u32, side: Side, hook: &'static str, late: Late) -> u32 {
        if !P::WAITS {
            return conclude::<P>(hook, Err(UNCONFIGURED)) as u32;
        }
        let state = self.streams.borrow_mut().find_mut(id).map(|stream| stream.state.lend());
        let Some(state) = state else {
            return Action::Pause as u32;
        };
        let future: Pin<Box<dyn Future<Output = Result<Flow>>>> = Box::pin(async move {
            drop(state.await);
            Ok(Flow::Continue)
        });
        let channel = Channel::new(side, matches!(late, Late::Head(true)));
        channel.late.set(late);
        if let Late::Piece(size, end) = late {
            channel.body_paused.set(true);
            channel.arrived(size, end);
        }
        self.begin(id, Task::new(id, hook, channel, future))
    }

    fn begin(&self, id: u32, mut task: Box<Task>) -> u32 {
        let action = match task.poll() {
            Poll::Ready(flow) => conclude::<P>(task.hook, flow),
            Poll::Pending => {
                let action = task.channel.after_head();
                self.put_back(id, task);
                action
            }
        };
        self.drain();
        action as u32
    }

    /// Begins work that belongs to no request; left out while the same hook's last one is still at work.
    pub fn background<F>(&self, root: u32, hook: &'static str, make: impl FnOnce(Rc<P>) -> F)
    where
        F: Future<Output = Result<Flow>> + 'static,
    {
        let is_busy = self
            .background
            .borrow()
            .iter()
            .any(|work| work.hook == hook && work.root == root);
        let Some(plugin) = self.plugin(root).filter(|_| !is_busy) else {
            return;
        };
        self.advance(Background::new(root, hook, Box::pin(make(plugin))));
    }

    /// `proxy_on_request_body`.
    pub fn request_body(&self, id: u32, size: usize, end: bool) -> u32 {
        self.body(id, Side::Request, size, end)
    }

    /// `proxy_on_response_body`.
    pub fn response_body(&self, id: u32, size: usize, end: bool) -> u32 {
        self.body(id, Side::Response, size, end)
    }

    /// `proxy_on_request_trailers`.
    pub fn request_trailers(&self, id: u32) -> u32 {
        self.trailers(id, Side::Request)
    }

    /// `proxy_on_response_trailers`.
    pub fn response_trailers(&self, id: u32) -> u32 {
        self.trailers(id, Side::Response)
    }

    /// `proxy_on_response_headers`. A request hook that still holds its request has no more say: the answer comes from
    /// elsewhere.
    pub fn response_headers(&self, id: u32, end: bool) -> u32 {
        if P::WAITS {
            let mut cancelled = None;
            if let Some(stream) = self.streams.borrow_mut().find_mut(id)
                && let Some(task) = &stream.tasks[Side::Request as usize]
                && (!task.channel.head_gone.get() || task.channel.want.get() != Want::Pieces)
            {
                cancelled = stream.tasks[Side::Request as usize].take();
                stream.holds_request = true;
            }
            drop(cancelled);
        }
        P::response_headers(self, id, end)
    }

    /// `proxy_on_log`: whatever still waits is cancelled before.
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

    fn body(&self, id: u32, side: Side, size: usize, end: bool) -> u32 {
        if !P::WAITS {
            return Self::chunk(self, id, side, size, end);
        }
        context::entered(id, self.root_of(id));
        let mut task = match self.take(id, side) {
            Taken::Task(task) => task,
            Taken::Nothing => return Self::chunk(self, id, side, size, end),
            Taken::Held => return Action::Pause as u32,
        };
        task.channel.arrived(size, end);
        let action = match task.poll() {
            Poll::Pending => {
                let action = task.channel.after_body();
                self.put_back(id, task);
                action as u32
            }
            Poll::Ready(flow) => match conclude::<P>(task.hook, flow) {
                Action::Continue => self.goes_on_with_body(id, &task, size, end),
                Action::Pause => Action::Pause as u32,
            },
        };
        self.drain();
        action
    }

    /// A hook has ended in a body callback. If it took no body, this piece is for the hook that takes pieces.
    fn goes_on_with_body(&self, id: u32, task: &Task, size: usize, end: bool) -> u32 {
        let channel = &task.channel;
        let action = match channel.want.get() {
            Want::Nothing => Self::chunk(self, id, channel.direction, size, end),
            _ => Action::Continue as u32,
        };
        // A head that was held in its own callback is let go apart, unless this body callback has paused before.
        if action == Action::Continue as u32 && channel.paused.get() && !channel.body_paused.get() {
            self.resume(id, task.hook, channel.direction);
        }
        action
    }

    fn trailers(&self, id: u32, side: Side) -> u32 {
        let hook = |guest: &Self| match side {
            Side::Response => P::response_trailers(guest, id),
            _ => P::request_trailers(guest, id),
        };
        if !P::WAITS {
            return hook(self);
        }
        context::entered(id, self.root_of(id));
        let mut task = match self.take(id, side) {
            Taken::Task(task) => task,
            Taken::Nothing => return hook(self),
            Taken::Held => return Action::Pause as u32,
        };
        task.channel.trailed();
        let action = match task.poll() {
            Poll::Pending => {
                task.channel.paused.set(true);
                self.put_back(id, task);
                Action::Pause as u32
            }
            Poll::Ready(flow) => match conclude::<P>(task.hook, flow) {
                Action::Continue => hook(self),
                Action::Pause => Action::Pause as u32,
            },
        };
        self.drain();
        action
    }

    /// `proxy_on_tick`.
    pub fn tick(&self, root: u32) {
        if !P::WAITS {
            return P::tick(self, root);
        }
        self.serve(root);
        if timer::ticked() {
            P::tick(self, root);
        }
        self.drain();
        timer::rest(root);
    }

    /// Lets everything go on that can.
    pub(super) fn drain(&self) {
        if !P::WAITS {
            return;
        }
        while let Some(key) = task::next() {
            match key {
                Key::Stream(id, side) => self.go_on(id, side),
                Key::Background(serial) => self.work(serial),
            }
        }
    }

    /// A hook has what it waited for, outside the callbacks of its direction.
    fn go_on(&self, id: u32, side: Side) {
        let Taken::Task(mut task) = self.take(id, side) else {
            return;
        };
        if let Err(error) = context::switch(id, self.root_of(id)) {
            // Without the host there is nothing to go on with; the stream stays held until it ends.
            return report(task.hook, &error);
        }
        match task.poll() {
            Poll::Pending => {
                if task.channel.lets_go() {
                    self.resume(id, task.hook, side);
                }
                self.put_back(id, task);
            }
            Poll::Ready(flow) => {
                if conclude::<P>(task.hook, flow) == Action::Continue && task.channel.paused.get() {
                    self.release(id, &task);
                }
            }
        }
    }

    /// A hook has ended while its message was held. What came of the body meanwhile is for the hook that takes pieces,
    /// and trailers for theirs.
    fn release(&self, id: u32, task: &Task) {
        let channel = &task.channel;
        let side = channel.direction;
        let goes_on = Action::Continue as u32;
        if let Late::Head(end) = channel.late.get()
            && self.head_late(id, side, end) != goes_on
        {
            return;
        }
        let has_piece = channel.body_paused.get() && channel.want.get() == Want::Nothing;
        if has_piece && Self::chunk(self, id, side, channel.size.get(), channel.ended.get()) != goes_on {
            return;
        }
        let has_trailers = channel.trailers.get() || matches!(channel.late.get(), Late::Trailers);
        if has_trailers && self.trailers(id, side) != goes_on {
            return;
        }
        self.resume(id, task.hook, side);
    }

    fn head_late(&self, id: u32, side: Side, end: bool) -> u32 {
        match side {
            Side::Response => P::response_headers(self, id, end),
            _ => P::request_headers(self, id, end),
        }
    }

    /// Lets go what a callback of this stream has paused.
    fn resume(&self, id: u32, hook: &'static str, side: Side) {
        let root = self.root_of(id);
        let resumed = context::switch(id, root)
            .and_then(|()| host::continue_stream(side).map_err(Error::host("proxy_continue_stream")));
        if let Err(error) = resumed {
            report(hook, &error);
        }
    }

    fn root_of(&self, id: u32) -> u32 {
        self.streams.borrow().find(id).map_or(0, |stream| stream.root)
    }

    fn work(&self, serial: u32) {
        self.background.borrow_mut().extend(task::spawned());
        let mut all = self.background.borrow_mut();
        let Some(at) = all.iter().position(|work| work.serial == serial) else {
            return;
        };
        let work = all.swap_remove(at);
        drop(all);
        self.advance(work);
    }

    fn advance(&self, mut work: Background) {
        if let Err(error) = context::switch(work.root, work.root) {
            return report("in the background", &error);
        }
        match work.poll() {
            Poll::Pending => self.background.borrow_mut().push(work),
            Poll::Ready(Err(error)) => report(work.hook, &error),
            Poll::Ready(Ok(_)) => {}
        }
    }

    fn take(&self, id: u32, side: Side) -> Taken {
        let mut streams = self.streams.borrow_mut();
        let Some(stream) = streams.find_mut(id) else {
            return Taken::Nothing;
        };
        match stream.tasks[side as usize].take() {
            Some(task) => Taken::Task(task),
            None if side == Side::Request && stream.holds_request => Taken::Held,
            None => Taken::Nothing,
        }
    }

    fn put_back(&self, id: u32, task: Box<Task>) {
        let mut streams = self.streams.borrow_mut();
        if let Some(stream) = streams.find_mut(id) {
            let side = task.channel.direction as usize;
            stream.tasks[side] = Some(task);
        }
    }

    fn chunk(&self, id: u32, side: Side, size: usize, end: bool) -> u32 {
        match side {
            Side::Response => P::response_chunk(self, id, size, end),
            _ => P::request_chunk(self, id, size, end),
        }
    }
}

enum Taken {
    Task(Box<Task>),
    Nothing,
    /// The hook was cancelled, and what it held stays held.
    Held,
}
