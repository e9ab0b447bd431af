//! [`Guest`]: the contexts of a module, and the way from a callback of the host to a hook of the plugin.
//!
//! Not for plugin authors: [`#[plugin]`](macro@crate::plugin) writes the exports that call it. What hooks that wait need
//! stands in `waiting`.

mod callouts;
mod hooks;
pub(crate) mod state;
pub(crate) mod task;
mod waiting;

use std::cell::RefCell;
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
    /// By root context; mostly one.
    plugins: RefCell<Vec<(u32, Rc<P>)>>,
    streams: RefCell<IdTable<Stream<P>>>,
    background: RefCell<Vec<Background>>,
}

/// One request. It keeps the plugin that it began with, also when a new configuration comes meanwhile.
struct Stream<P: Hooks> {
    root: u32,
    plugin: Option<Rc<P>>,
    state: StateSlot<P::State>,
    /// Hooks that wait: the request's, the response's.
    tasks: [Option<Box<Task>>; 2],
    /// The request's hook was cancelled over its body, which must not slip out.
    is_request_blocked: bool,
}

impl<P: Hooks> Guest<P> {
    /// A module without contexts.
    #[allow(clippy::new_without_default, reason = "only the attribute makes one, in a constant")]
    pub const fn new() -> Guest<P> {
        Guest {
            plugins: RefCell::new(Vec::new()),
            streams: RefCell::new(IdTable::new()),
            background: RefCell::new(Vec::new()),
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

    /// `proxy_on_configure`: whether the configuration is accepted; if not, the log says why.
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
        let gone = self.streams.borrow_mut().remove(id);
        if gone.is_none() {
            self.plugins.borrow_mut().retain(|(known, _)| *known != id);
            self.background.borrow_mut().retain(|work| work.root != id);
            return;
        }
        if P::WAITS {
            // Dropping what waits may let others go on; nothing is borrowed meanwhile.
            drop(gone);
            context::enter(0, 0);
            self.run_ready();
        }
    }

    /// Runs a hook that takes the request's state.
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

    /// Runs a hook that takes no state; also those of root contexts.
    pub fn stateless(&self, id: u32, hook: &'static str, run: impl FnOnce(&P) -> Result<Flow>) -> u32 {
        let flow = match self.enter(id) {
            Some(plugin) => run(&plugin),
            None => Err(UNCONFIGURED),
        };
        let action = apply::<P>(hook, flow) as u32;
        self.run_ready();
        action
    }

    /// The plugin that serves a context, which the host has just called.
    fn enter(&self, id: u32) -> Option<Rc<P>> {
        if let Some(stream) = self.streams.borrow().find(id) {
            context::enter(id, stream.root);
            return stream.plugin.clone();
        }
        if P::STATELESS
            && let [(root, plugin)] = &self.plugins.borrow()[..]
        {
            // The manifest allows a host with one root context to leave out the creation of streams.
            context::enter(id, *root);
            return Some(plugin.clone());
        }
        context::enter(id, id);
        self.plugin(id)
    }

    /// The plugin that a root context was configured as.
    fn plugin(&self, root: u32) -> Option<Rc<P>> {
        let plugins = self.plugins.borrow();
        let found = plugins.iter().find(|(known, _)| *known == root);
        found.map(|(_, plugin)| plugin.clone())
    }
}

const UNCONFIGURED: Error = Error::Malformed("a stream without a configured plugin");

/// Tells the operator why the plugin does not run.
#[cold]
#[inline(never)]
fn log_refused(error: &ConfigError) {
    let mut line = "the configuration is refused: ".to_owned();
    error.describe(&mut line);
    host::log(LogLevel::Error, &line);
}

/// Does what a hook has said. What failed is answered with a 500: a request that could not be checked does not pass.
/// A connection has no answers, and is closed.
#[inline(always)]
fn apply<P: Hooks>(hook: &str, flow: Result<Flow>) -> Action {
    match flow {
        Ok(Flow::Continue) => Action::Continue,
        other => apply_other::<P>(hook, other),
    }
}

/// The same where the message does not simply go on.
#[inline(never)]
fn apply_other<P: Hooks>(hook: &str, flow: Result<Flow>) -> Action {
    let answer = match flow {
        Ok(Flow::Continue) => return Action::Continue,
        Ok(Flow::Pause) => return Action::Pause,
        Ok(Flow::Reply(reply)) => Some(reply),
        Err(error) => {
            log_error(hook, &error);
            (!P::TCP).then(|| error_reply(&error, hook))
        }
    };
    let done = match answer {
        Some(answer) if !P::TCP => answer.send(),
        _ => host::close_stream(Direction::Downstream).map_err(Error::host("proxy_close_stream")),
    };
    if let Err(error) = done {
        log_error(hook, &error);
    }
    Action::Pause
}

/// What the client is told about an error; never its text.
#[cold]
fn error_reply(error: &Error, hook: &str) -> Reply {
    let is_clients = hook == "on_request";
    let (status, kind, detail) = match error {
        Error::TooLarge(_) if is_clients => (413, "body_too_large", "The body is larger than what is taken here."),
        Error::BadValue(_) if is_clients => (400, "bad_value", "A header or query parameter is not as it must be."),
        _ => (500, "plugin_failed", "A plugin of the gateway failed."),
    };
    reply(status).details(kind).problem(kind, detail)
}

/// Tells the operator.
#[cold]
fn log_error(hook: &str, error: &Error) {
    let mut line = [hook, ": "].concat();
    error.describe(&mut line);
    host::log(LogLevel::Error, &line);
}
