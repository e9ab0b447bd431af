//! [`Guest`]: the contexts of a module, and the dispatch of the host's callbacks to the hooks of the plugin.
//!
//! Not for plugin authors: the exports that [`#[plugin]`](macro@crate::plugin) writes call it. `waiting` runs the hooks
//! that wait.

mod background;
mod callouts;
mod hooks;
pub(crate) mod state;
pub(crate) mod task;
mod waiting;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::abi::{Action, LogLevel};
use crate::error::{ConfigError, Error, Result};
use crate::guest::state::StateSlot;
use crate::guest::task::{Background, Task};
use crate::host;
use crate::host::context;
use crate::host::id_table::IdTable;
use crate::http::reply::{Reply, reply};
use crate::plugin::Flow;
use crate::services::logging;

pub use self::hooks::Hooks;
pub use crate::abi::Direction;
pub use crate::callout::grpc::Event as GrpcEvent;
pub use crate::config;
pub use crate::http::message::Deferred;

/// All contexts of one module. A host may configure several root contexts in it.
pub struct Guest<P: Hooks> {
    /// The plugins by root context; usually one.
    plugins: RefCell<Vec<(u32, Rc<P>)>>,
    streams: RefCell<IdTable<Stream<P>>>,
    background: RefCell<Vec<Background>>,
    /// The root context whose end the host waits for; 0 for none.
    ending: Cell<u32>,
}

/// One request or connection. Its plugin stays the same when the plugin is configured again.
struct Stream<P: Hooks> {
    root: u32,
    plugin: Option<Rc<P>>,
    state: StateSlot<P::State>,
    /// The hooks that wait: that of the request, that of the response.
    tasks: [Option<Box<Task>>; 2],
    /// Whether the request's hook was cancelled before it had checked the body, so that the rest must not pass.
    is_request_blocked: bool,
}

impl<P: Hooks> Guest<P> {
    /// A module without contexts.
    #[allow(clippy::new_without_default, reason = "only a constant of the attribute needs it")]
    pub const fn new() -> Guest<P> {
        Guest {
            plugins: RefCell::new(Vec::new()),
            streams: RefCell::new(IdTable::new()),
            background: RefCell::new(Vec::new()),
            ending: Cell::new(0),
        }
    }

    /// `proxy_on_context_create`.
    pub fn create(&self, id: u32, parent: u32) {
        if parent != 0 {
            let stream = Stream {
                root: parent,
                plugin: self.plugin(parent),
                state: StateSlot::Owned(P::State::default()),
                tasks: [None, None],
                is_request_blocked: false,
            };
            self.streams.borrow_mut().insert(id, stream);
        }
    }

    /// `proxy_on_configure`. Returns whether the configuration is accepted; if not, the log has the reason.
    pub fn configure(&self, root: u32, size: usize) -> bool {
        logging::start();
        context::enter(root, root);
        match P::config(size).and_then(P::new) {
            Ok(plugin) => {
                let mut plugins = self.plugins.borrow_mut();
                plugins.retain(|(known, _)| *known != root);
                plugins.push((root, Rc::new(plugin)));
                drop(plugins);
                self.run_ready();
                true
            }
            Err(error) => {
                log_refused(&error);
                false
            }
        }
    }

    /// `proxy_on_delete`.
    pub fn delete(&self, id: u32) {
        let removed = self.streams.borrow_mut().remove(id);
        if removed.is_none() {
            self.plugins.borrow_mut().retain(|(known, _)| *known != id);
            self.background.borrow_mut().retain(|work| work.root != id);
            return;
        }
        if P::WAITS {
            // Dropping a task may wake others; nothing is borrowed meanwhile.
            drop(removed);
            context::enter(0, 0);
            self.run_ready();
        }
    }

    /// Runs a hook that takes the state of the request.
    pub fn with_state(
        &self,
        id: u32,
        direction: Direction,
        deferred: Deferred,
        hook: &'static str,
        run: impl FnOnce(&P, &mut P::State) -> Result<Flow>,
    ) -> u32 {
        let mut streams = self.streams.borrow_mut();
        let flow = match streams.find_mut(id) {
            Some(Stream {
                root,
                plugin: Some(plugin),
                state,
                ..
            }) => {
                context::enter(id, *root);
                match state.with(|state| run(plugin, state)) {
                    Some(flow) => flow,
                    None => {
                        drop(streams);
                        return self.defer(id, direction, hook, deferred);
                    }
                }
            }
            _ => Err(UNCONFIGURED),
        };
        drop(streams);
        let action = apply::<P>(hook, flow) as u32;
        self.run_ready();
        action
    }

    /// Runs a hook that takes no state, also one of a root context.
    pub fn stateless(&self, id: u32, hook: &'static str, run: impl FnOnce(&P) -> Result<Flow>) -> u32 {
        let flow = match self.enter(id) {
            Some(plugin) => run(&plugin),
            None => Err(UNCONFIGURED),
        };
        let action = apply::<P>(hook, flow) as u32;
        self.run_ready();
        action
    }

    /// The plugin of the context that the host has just called, which becomes the active one.
    fn enter(&self, id: u32) -> Option<Rc<P>> {
        if let Some(stream) = self.streams.borrow().find(id) {
            context::enter(id, stream.root);
            return stream.plugin.clone();
        }
        if P::STATELESS
            && let [(root, plugin)] = &self.plugins.borrow()[..]
        {
            // The manifest permits a host with one root context not to create stream contexts.
            context::enter(id, *root);
            return Some(plugin.clone());
        }
        context::enter(id, id);
        self.plugin(id)
    }

    /// The plugin of a root context.
    fn plugin(&self, root: u32) -> Option<Rc<P>> {
        let plugins = self.plugins.borrow();
        let found = plugins.iter().find(|(known, _)| *known == root);
        found.map(|(_, plugin)| plugin.clone())
    }
}

const UNCONFIGURED: Error = Error::Malformed("the order of callbacks (a stream without a configured plugin)");

/// Logs why the configuration is refused.
#[cold]
#[inline(never)]
fn log_refused(error: &ConfigError) {
    let mut line = "the configuration is refused: ".to_owned();
    error.describe(&mut line);
    host::log(LogLevel::Error, &line);
}

/// Applies the result of a hook. For an error, the client gets a 500, so that a request that could not be checked does
/// not pass. For a reply or an error, a connection is closed.
#[inline(always)]
fn apply<P: Hooks>(hook: &str, flow: Result<Flow>) -> Action {
    match flow {
        Ok(Flow::Continue) => Action::Continue,
        other => apply_other::<P>(hook, other),
    }
}

/// As [`apply`], for every result but `Continue`.
#[inline(never)]
fn apply_other<P: Hooks>(hook: &str, flow: Result<Flow>) -> Action {
    let reply = match flow {
        Err(Error::Reply(reply)) if !P::TCP => {
            if let Err(error) = reply.send() {
                log_error(hook, &error);
            }
            return Action::Pause;
        }
        Ok(Flow::Continue) => return Action::Continue,
        Ok(Flow::Pause) => return Action::Pause,
        Ok(Flow::Reply(reply)) => Some(reply),
        Err(error) => {
            log_error(hook, &error);
            (!P::TCP).then(|| error_reply(&error, hook))
        }
    };
    let done = match reply {
        Some(reply) if !P::TCP => reply.send(),
        _ => host::close_stream(Direction::Downstream).map_err(Error::host("proxy_close_stream")),
    };
    if let Err(error) = done {
        log_error(hook, &error);
    }
    Action::Pause
}

/// The reply for an error. It never contains the error's text.
#[cold]
fn error_reply(error: &Error, hook: &str) -> Reply {
    let is_clients = hook == "on_request";
    let (status, kind, detail) = match error {
        Error::TooLarge(_) if is_clients => (413, "body_too_large", "The body is too large."),
        Error::BadValue(_) if is_clients => (
            400,
            "bad_value",
            "A header or query parameter has a value of the wrong type.",
        ),
        _ => (500, "plugin_failed", "A plugin of the gateway failed."),
    };
    reply(status).details(kind).problem(kind, detail)
}

/// Logs an error of a hook.
#[cold]
fn log_error(hook: &str, error: &Error) {
    let mut line = [hook, ": "].concat();
    error.describe(&mut line);
    host::log(LogLevel::Error, &line);
}
