//! What belongs to no request: ticks, tasks in the background, and the end of the plugin.

use std::future::Future;
use std::rc::Rc;
use std::task::Poll;

use super::{Guest, Hooks, log_error};
use crate::error::{Error, Result};
use crate::futures::timer;
use crate::guest::task::{self, Background};
use crate::host;
use crate::host::context;
use crate::plugin::Flow;

const ON_DONE: &str = "on_done";

impl<P: Hooks> Guest<P> {
    /// Starts a hook in the background, unless its previous run has not ended.
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
        self.poll_background(Background::new(root, hook, Box::pin(make(plugin))));
    }

    /// `proxy_on_tick`.
    pub fn tick(&self, root: u32) {
        if !P::WAITS {
            return P::tick(self, root);
        }
        self.enter(root);
        if timer::on_tick() {
            P::tick(self, root);
        }
        self.run_ready();
        timer::rearm(root);
    }

    /// `proxy_on_done`. A stream is done at once, and so is a root context unless its `on_done` waits.
    pub fn done(&self, id: u32) -> u32 {
        if self.plugin(id).is_none() {
            return 1;
        }
        context::enter(id, id);
        P::done(self, id);
        self.run_ready();
        let background = self.background.borrow();
        let waits = background.iter().any(|work| work.root == id && work.hook == ON_DONE);
        drop(background);
        self.ending.set(if waits { id } else { 0 });
        u32::from(!waits)
    }

    /// Runs an `on_done` that does not wait.
    pub fn finish(&self, root: u32, hook: &'static str, run: impl FnOnce(&P) -> Result<Flow>) {
        if let Some(plugin) = self.enter(root)
            && let Err(error) = run(&plugin)
        {
            log_error(hook, &error);
        }
    }

    /// `on_done` has ended after it had waited.
    fn end(&self, root: u32) {
        if self.ending.replace(0) == root
            && let Err(status) = host::done()
        {
            log_error(ON_DONE, &Error::host("proxy_done")(status));
        }
    }

    pub(super) fn run_background(&self, serial: u32) {
        self.background.borrow_mut().extend(task::spawned());
        let mut all = self.background.borrow_mut();
        let Some(at) = all.iter().position(|work| work.serial == serial) else {
            return;
        };
        let work = all.swap_remove(at);
        drop(all);
        self.poll_background(work);
    }

    fn poll_background(&self, mut work: Background) {
        if let Err(error) = context::switch(work.root, work.root) {
            return log_error("background task", &error);
        }
        match work.poll() {
            Poll::Pending => self.background.borrow_mut().push(work),
            Poll::Ready(flow) => {
                if let Err(error) = flow {
                    log_error(work.hook, &error);
                }
                if P::ENDS && work.hook == ON_DONE {
                    self.end(work.root);
                }
            }
        }
    }
}
