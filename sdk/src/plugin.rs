//! [`Plugin`]: the trait of plugins, and [`Flow`]: the result of their hooks.

pub mod manifest;
pub(crate) mod tcp;

use crate::config::Config;
use crate::error::{ConfigError, Error};
use crate::http::reply::Reply;

/// The result of a hook: how the request or response goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Flow {
    /// The message goes on to the next plugin.
    Continue,
    /// The message waits: in a body hook for the rest of the body, in others for the completion of a foreign function
    /// such as [`cache::serve`](crate::cache::serve).
    Pause,
    /// The client gets this reply, and the message ends here.
    Reply(Reply),
}

/// The types that a hook may return: nothing, a [`Flow`], a [`Reply`], or a `Result` of one of them. An error is
/// logged, and the client gets a 500, so that a message that could not be checked does not pass. An error that was made of
/// a [`Reply`] is that reply.
pub trait IntoFlow {
    /// Converts into the result of the hook.
    fn into_flow(self) -> Result<Flow, Error>;
}

impl IntoFlow for () {
    fn into_flow(self) -> Result<Flow, Error> {
        Ok(Flow::Continue)
    }
}

impl IntoFlow for Flow {
    fn into_flow(self) -> Result<Flow, Error> {
        Ok(self)
    }
}

impl IntoFlow for Reply {
    fn into_flow(self) -> Result<Flow, Error> {
        Ok(Flow::Reply(self))
    }
}

impl<F: IntoFlow, E: Into<Error>> IntoFlow for Result<F, E> {
    fn into_flow(self) -> Result<Flow, Error> {
        self.map_err(Into::into).and_then(IntoFlow::into_flow)
    }
}

impl From<Reply> for Flow {
    fn from(reply: Reply) -> Flow {
        Flow::Reply(reply)
    }
}

/// A plugin for HTTP: one value for each configuration and worker, shared by all requests.
///
/// The implementation has the attribute [`#[plugin]`](macro@crate::plugin). Besides `new` it has **hooks**. The module
/// exports only the hooks that it has, and the host calls no others. `Config` and `State` may be omitted; they default
/// to [`NoConfig`](crate::NoConfig) and `()`.
///
/// The hooks with all their parameters, in order. A hook may omit any of them:
///
/// | hook | parameters after `&self` | called |
/// |---|---|---|
/// | `on_request` (may be `async`) | `request: &mut Request, body: &mut Body, state: &mut State` | with the headers of the request |
/// | `on_request_body` | `chunk: &mut Chunk, state: &mut State` | with each chunk of its body |
/// | `on_request_trailers` | `request: &mut Request, state: &mut State` | with its trailers |
/// | `on_response` (may be `async`) | `response: &mut Response, body: &mut Body, state: &mut State` | with the headers of the response |
/// | `on_response_body` | `chunk: &mut Chunk, state: &mut State` | with each chunk of its body |
/// | `on_response_trailers` | `response: &mut Response, state: &mut State` | with its trailers |
/// | `on_log` | `request: &Request, response: &Response, state: &mut State` | at the end of the exchange, however it ended |
/// | `on_tick` (may be `async`) | | in the interval of [`tick_every`](crate::tick_every) |
/// | `on_queue` | `queue: Queue` | when a queue of [`Queue::register`](crate::Queue::register) has a message |
/// | `on_done` (may be `async`) | | when the plugin ends: a reload has replaced it, or the gateway ends |
///
/// **`on_done`** may await what is left to do, such as [`Batcher::flush`](crate::Batcher::flush). The gateway serves on
/// meanwhile, and waits for at most a minute, or for the rest of `drain_timeout`.
///
/// A hook returns nothing, a [`Flow`], a [`Reply`], or a [`Result`](crate::Result) of one of them.
///
/// **Hooks that wait** are `async`. They may await callouts, timers and the body; the request or response waits
/// meanwhile. When the stream ends or gets another response, they are cancelled: the future is dropped. `body: &mut
/// Body` is for them only; see [`Body`](crate::Body). A hook that is not `async` is a plain function call.
///
/// **State** is created for each request, by `Default`. One hook at a time has it: while a request hook still uses it,
/// for example to stream a body, the hooks of the response wait.
pub trait Plugin: Sized + 'static {
    /// The configuration, read from JSON; see [`config`](crate::config).
    type Config: Config + 'static;

    /// The state of one request, from its first hook to its last.
    type State: Default + 'static;

    /// Creates the plugin from its configuration.
    ///
    /// # Errors
    /// If the configuration is invalid. The host then continues with the previous one.
    fn new(config: Self::Config) -> Result<Self, ConfigError>;
}
