//! [`Guest`]: the contexts of a module, and the way from a callback of the host to a hook of the plugin.
//!
//! Not for plugin authors: [`#[plugin]`](macro@crate::plugin) writes the exports that call it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use crate::body::Body;
use crate::callout::{self, Answer};
use crate::config;
use crate::error::{Error, Result};
use crate::host;
use crate::ids::Ids;
use crate::logging;
use crate::plugin::{Flow, IntoFlow, Plugin};
use crate::reply::reply;
use crate::request::Request;
use crate::response::Response;
use crate::wire::{Action, Buffer, LogLevel};

/// All contexts of one module. A host may configure several root contexts in it.
pub struct Guest<P: Plugin> {
    /// By root context; mostly one.
    plugins: RefCell<Vec<(u32, Rc<P>)>>,
    streams: RefCell<HashMap<u32, Stream<P>, Ids>>,
}

/// One request. It keeps the plugin that it began with, also when a new configuration comes meanwhile.
struct Stream<P: Plugin> {
    plugin: Option<Rc<P>>,
    state: P::State,
}

impl<P: Plugin> Guest<P> {
    /// A module without contexts.
    #[allow(clippy::new_without_default, reason = "only the attribute makes one, in a constant")]
    pub const fn new() -> Guest<P> {
        Guest {
            plugins: RefCell::new(Vec::new()),
            streams: RefCell::new(HashMap::with_hasher(Ids)),
        }
    }

    /// `proxy_on_context_create`.
    pub fn create(&self, id: u32, parent: u32) {
        if parent != 0 {
            let plugin = self.plugin(parent);
            self.streams.borrow_mut().insert(
                id,
                Stream {
                    plugin,
                    state: P::State::default(),
                },
            );
        }
    }

    /// `proxy_on_configure`: whether the configuration is accepted; if not, the log says why.
    pub fn configure(&self, root: u32, size: usize) -> bool {
        logging::start();
        callout::set_active(root);
        match config::read(size).and_then(P::new) {
            Ok(plugin) => {
                let mut plugins = self.plugins.borrow_mut();
                plugins.retain(|(known, _)| *known != root);
                plugins.push((root, Rc::new(plugin)));
                true
            }
            Err(error) => {
                host::log(LogLevel::Error, &format!("the configuration is refused: {error}"));
                false
            }
        }
    }

    /// `proxy_on_delete`.
    pub fn delete(&self, id: u32) {
        callout::forget(id);
        if self.streams.borrow_mut().remove(&id).is_none() {
            self.plugins.borrow_mut().retain(|(known, _)| *known != id);
        }
    }

    /// `proxy_on_tick`.
    pub fn tick(&self, root: u32) {
        if let Some(plugin) = self.plugin(root) {
            callout::set_active(root);
            plugin.on_tick();
        }
    }

    /// `proxy_on_log`.
    pub fn log(&self, id: u32) {
        let mut streams = self.streams.borrow_mut();
        if let Some(Stream {
            plugin: Some(plugin),
            state,
        }) = streams.get_mut(&id)
        {
            callout::set_active(id);
            plugin.on_log(&Request::new(true), &Response::new(true), state);
        }
    }

    /// `proxy_on_request_headers`.
    pub fn request_headers(&self, id: u32, end_of_stream: u32) -> u32 {
        let mut request = Request::new(end_of_stream != 0);
        self.run(id, "on_request", |plugin, state| {
            plugin.on_request(&mut request, state).into_flow()
        })
    }

    /// `proxy_on_request_body`.
    pub fn request_body(&self, id: u32, size: usize, end_of_stream: u32) -> u32 {
        let mut body = Body::new(Buffer::RequestBody, size, end_of_stream != 0);
        self.run(id, "on_request_body", |plugin, state| {
            plugin.on_request_body(&mut body, state).into_flow()
        })
    }

    /// `proxy_on_request_trailers`.
    pub fn request_trailers(&self, id: u32) -> u32 {
        let mut request = Request::new(true);
        self.run(id, "on_request_trailers", |plugin, state| {
            plugin.on_request_trailers(&mut request, state).into_flow()
        })
    }

    /// `proxy_on_response_headers`.
    pub fn response_headers(&self, id: u32, end_of_stream: u32) -> u32 {
        let mut response = Response::new(end_of_stream != 0);
        self.run(id, "on_response", |plugin, state| {
            plugin.on_response(&mut response, state).into_flow()
        })
    }

    /// `proxy_on_response_body`.
    pub fn response_body(&self, id: u32, size: usize, end_of_stream: u32) -> u32 {
        let mut body = Body::new(Buffer::ResponseBody, size, end_of_stream != 0);
        self.run(id, "on_response_body", |plugin, state| {
            plugin.on_response_body(&mut body, state).into_flow()
        })
    }

    /// `proxy_on_response_trailers`.
    pub fn response_trailers(&self, id: u32) -> u32 {
        let mut response = Response::new(true);
        let hook = |plugin: &P, state: &mut P::State| plugin.on_response_trailers(&mut response, state).into_flow();
        self.run(id, "on_response_trailers", hook)
    }

    /// `proxy_on_http_call_response`: the answer goes to who asked, and its flow to the stream that waits.
    pub fn call_answered(&self, call: u32, headers: usize, body: usize) {
        let Some(pending) = callout::take(call) else { return };
        let (context, answer) = (pending.context, Answer::new(headers, body));
        let root = self.plugin(context);
        if let Err(error) = host::set_effective_context(context).map_err(Error::host("proxy_set_effective_context")) {
            return report("callout", &error);
        }
        callout::set_active(context);
        let flow = match root {
            Some(plugin) => (pending.then)(&*plugin, &mut (), &answer),
            None => match self.streams.borrow_mut().get_mut(&context) {
                Some(Stream {
                    plugin: Some(plugin),
                    state,
                }) => (pending.then)(&**plugin, state, &answer),
                _ => return,
            },
        };
        let Some(direction) = pending.direction else { return };
        if conclude("callout", flow) == Action::Continue
            && let Err(error) = host::continue_stream(direction).map_err(Error::host("proxy_continue_stream"))
        {
            report("callout", &error);
        }
    }

    /// The plugin that a root context was configured as.
    fn plugin(&self, root: u32) -> Option<Rc<P>> {
        self.plugins
            .borrow()
            .iter()
            .find(|(known, _)| *known == root)
            .map(|(_, plugin)| plugin.clone())
    }

    fn run(&self, id: u32, hook: &str, run: impl FnOnce(&P, &mut P::State) -> Result<Flow>) -> u32 {
        let mut streams = self.streams.borrow_mut();
        let flow = match streams.get_mut(&id) {
            Some(Stream {
                plugin: Some(plugin),
                state,
            }) => {
                callout::set_active(id);
                run(plugin, state)
            }
            _ => Err(Error::Malformed("a stream without a configured plugin")),
        };
        conclude(hook, flow) as u32
    }
}

/// Does what a hook has said. What failed is answered with a 500: a request that could not be checked does not pass.
fn conclude(hook: &str, flow: Result<Flow>) -> Action {
    let answer = match flow {
        Ok(Flow::Continue) => return Action::Continue,
        Ok(Flow::Pause) => return Action::Pause,
        Ok(Flow::Reply(reply)) => reply,
        Err(error) => {
            report(hook, &error);
            reply(500)
                .details("plugin_failed")
                .problem("plugin_failed", "A plugin of the gateway failed.")
        }
    };
    if let Err(error) = answer.send() {
        report(hook, &error);
    }
    Action::Pause
}

fn report(hook: &str, error: &Error) {
    host::log(LogLevel::Error, &format!("{hook}: {error}"));
}
