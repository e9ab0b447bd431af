//! [`Plugin`]: what a plugin is, and [`Flow`]: what its hooks say.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::body::Body;
use crate::error::{ConfigError, Error};
use crate::reply::Reply;
use crate::request::Request;
use crate::response::Response;

/// What happens to a request or response after a hook.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Flow {
    /// It goes on to the next plugin.
    Continue,
    /// It waits: for a callout's answer or, in a body hook, for the rest of the body.
    Pause,
    /// It ends here, with this answer.
    Reply(Reply),
}

/// What a hook may return: a [`Flow`], a [`Reply`], or a `Result` of one of them. An error is logged and answered with
/// a 500, so that nothing passes that could not be checked.
pub trait IntoFlow {
    /// As the hook's verdict.
    fn into_flow(self) -> Result<Flow, Error>;
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

/// A configuration without any settings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoConfig {}

/// A plugin: one value per configuration and worker, shared by all requests that pass it.
///
/// Write the implementation under [`#[plugin]`](macro@crate::plugin), and leave out what you do not need: a hook that
/// is not written is not exported, and the host never calls it. `Config` and `State` may be left out, too; they are
/// then [`NoConfig`] and `()`.
pub trait Plugin: Sized + 'static {
    /// The configuration, read from JSON. Use `#[serde(deny_unknown_fields)]`, so that a typing error is told.
    type Config: DeserializeOwned;

    /// What is kept for one request, from its first hook to its last.
    type State: Default + 'static;

    /// Makes the plugin of its configuration.
    ///
    /// # Errors
    /// A configuration that cannot work is refused here; the host goes on with the one before.
    fn new(config: Self::Config) -> Result<Self, ConfigError>;

    /// The headers of a request have come.
    fn on_request(&self, request: &mut Request, state: &mut Self::State) -> impl IntoFlow {
        let _ = (request, state);
        Flow::Continue
    }

    /// A part of the request's body has come.
    fn on_request_body(&self, body: &mut Body, state: &mut Self::State) -> impl IntoFlow {
        let _ = (body, state);
        Flow::Continue
    }

    /// The trailers of a request have come.
    fn on_request_trailers(&self, request: &mut Request, state: &mut Self::State) -> impl IntoFlow {
        let _ = (request, state);
        Flow::Continue
    }

    /// The headers of the response have come.
    fn on_response(&self, response: &mut Response, state: &mut Self::State) -> impl IntoFlow {
        let _ = (response, state);
        Flow::Continue
    }

    /// A part of the response's body has come.
    fn on_response_body(&self, body: &mut Body, state: &mut Self::State) -> impl IntoFlow {
        let _ = (body, state);
        Flow::Continue
    }

    /// The trailers of the response have come.
    fn on_response_trailers(&self, response: &mut Response, state: &mut Self::State) -> impl IntoFlow {
        let _ = (response, state);
        Flow::Continue
    }

    /// The exchange is over, however it ended; both sides can still be read.
    fn on_log(&self, request: &Request, response: &Response, state: &mut Self::State) {
        let _ = (request, response, state);
    }

    /// The period of [`tick_every`](crate::tick_every) has passed.
    fn on_tick(&self) {}
}
