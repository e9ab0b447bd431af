//! [`Plugin`]: what a plugin is, and [`Flow`]: what its hooks say.

pub mod manifest;
pub(crate) mod tcp;

use crate::config::Config;
use crate::error::{ConfigError, Error};
use crate::http::reply::Reply;

/// What happens to a request or response after a hook.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Flow {
    /// It goes on to the next plugin.
    Continue,
    /// It waits: in a body hook for the rest of the body; in others for what a foreign function has begun, as
    /// [`cache::serve`](crate::cache::serve).
    Pause,
    /// It ends here, with this answer.
    Reply(Reply),
}

/// What a hook may return: nothing, a [`Flow`], a [`Reply`], or a `Result` of one of them. An error is logged and
/// answered with a 500, so that nothing passes that could not be checked.
pub trait IntoFlow {
    /// As the hook's verdict.
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

/// A plugin: one value per configuration and worker, shared by all requests that pass it.
///
/// The implementation stands under [`#[plugin]`](macro@crate::plugin). Besides `new` it has the **hooks** that the
/// plugin wants; one that is not written is not exported, and the host never calls it. `Config` and `State` may be
/// left out; they are then [`NoConfig`] and `()`. The hooks, with all that they may take; what a hook does not need is
/// left out of its parameters:
///
/// | hook | takes, behind `&self` | is called |
/// |---|---|---|
/// | `on_request` (may be `async`) | `request: &mut Request, body: &mut Body, state: &mut State` | when the headers of a request have come |
/// | `on_request_body` | `chunk: &mut Chunk, state: &mut State` | with each part of its body |
/// | `on_request_trailers` | `request: &mut Request, state: &mut State` | when its trailers have come |
/// | `on_response` (may be `async`) | `response: &mut Response, body: &mut Body, state: &mut State` | when the headers of the response have come |
/// | `on_response_body` | `chunk: &mut Chunk, state: &mut State` | with each part of its body |
/// | `on_response_trailers` | `response: &mut Response, state: &mut State` | when its trailers have come |
/// | `on_log` | `request: &Request, response: &Response, state: &mut State` | when the exchange is over, however it ended |
/// | `on_tick` (may be `async`) | | when the period of [`tick_every`](crate::tick_every) has passed |
/// | `on_queue` | `queue: Queue` | when something lies in a queue that [`Queue::register`](crate::Queue::register) has made |
///
/// A hook returns nothing, a [`Flow`], a [`Reply`], or a [`Result`](crate::Result) of one of them.
///
/// **Hooks that wait** are `async`: they may await callouts, timers, the body and each other's work, and the request
/// (or response) waits with them. They are cancelled, which is to say dropped at the point where they wait, when the
/// stream ends or is answered from elsewhere. `body: &mut Body` is only for them; see [`Body`](crate::Body). Hooks that
/// do not wait cost nothing of this.
///
/// **State** is made once for each request, by `Default`, and lent to its hooks one at a time: a response whose state
/// a request hook still holds (while it streams a body) waits for it.
pub trait Plugin: Sized + 'static {
    /// The configuration, read from JSON; see [`config`](crate::config).
    type Config: Config + 'static;

    /// What is kept for one request, from its first hook to its last.
    type State: Default + 'static;

    /// Makes the plugin of its configuration.
    ///
    /// # Errors
    /// A configuration that cannot work is refused here; the host goes on with the one before.
    fn new(config: Self::Config) -> Result<Self, ConfigError>;
}
