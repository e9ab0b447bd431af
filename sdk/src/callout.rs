//! [`Callout`]: a request that a plugin sends itself, and what becomes of it.
//!
//! A callout names an upstream of the gateway. Its answer comes to a closure, later: the hook that sent it returns
//! [`Flow::Pause`](crate::Flow::Pause), and the closure's flow decides how the paused stream goes on.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::headers::Headers;
use crate::host;
use crate::ids::Ids;
use crate::plugin::{Flow, IntoFlow, Plugin};
use crate::request::Request;
use crate::response::Response;
use crate::wire::{self, Buffer, Direction, Map};

/// A request to an upstream.
#[derive(Debug, Clone)]
pub struct Callout {
    upstream: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    timeout: Duration,
}

impl Callout {
    /// A request with this method. `authority` is the upstream's name until [`Callout::authority`] says otherwise; the
    /// timeout is 5 s until [`Callout::timeout`] does.
    pub fn new(method: &str, upstream: &str, path_and_query: &str) -> Callout {
        let head = [
            (":method", method),
            (":path", path_and_query),
            (":authority", upstream),
            (":scheme", "http"),
        ];
        Callout {
            upstream: upstream.to_owned(),
            headers: head.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
            body: Vec::new(),
            timeout: Duration::from_secs(5),
        }
    }

    /// A `GET`.
    pub fn get(upstream: &str, path_and_query: &str) -> Callout {
        Callout::new("GET", upstream, path_and_query)
    }

    /// A `POST` with a body.
    pub fn post(upstream: &str, path_and_query: &str, content_type: &str, body: impl Into<Vec<u8>>) -> Callout {
        let mut callout = Callout::new("POST", upstream, path_and_query).header("content-type", content_type);
        callout.body = body.into();
        callout
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Callout {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The host to ask for.
    pub fn authority(mut self, authority: &str) -> Callout {
        for (_, value) in self.headers.iter_mut().filter(|(name, _)| name == ":authority") {
            authority.clone_into(value);
        }
        self
    }

    /// How long to wait, in whole milliseconds.
    pub fn timeout(mut self, timeout: Duration) -> Callout {
        self.timeout = timeout;
        self
    }

    /// Sends it; `then` is kept until the answer comes.
    fn send(self, direction: Option<Direction>, then: Then) -> Result<()> {
        let milliseconds = u32::try_from(self.timeout.as_millis()).unwrap_or(u32::MAX);
        let headers = wire::encode_pairs(&self.headers);
        let id = host::http_call(&self.upstream, &headers, &self.body, milliseconds)
            .map_err(Error::host("proxy_http_call"))?;
        let pending = Pending {
            context: ACTIVE.get(),
            direction,
            then,
        };
        PENDING.with_borrow_mut(|calls| calls.insert(id, pending));
        Ok(())
    }

    /// Sends it outside any request, from `new` or `on_tick`.
    ///
    /// # Errors
    /// `BAD_ARGUMENT` for an upstream that does not exist.
    pub fn spawn<P: Plugin>(self, then: impl FnOnce(&P, &Answer) + 'static) -> Result<()> {
        self.send(
            None,
            Box::new(move |plugin, _, answer| {
                then(plugin.downcast_ref().ok_or(OTHER_PLUGIN)?, answer);
                Ok(Flow::Continue)
            }),
        )
    }
}

impl Request {
    /// Sends a callout; return [`Flow::Pause`] after it. `then` gets the answer, and its flow is the request's.
    ///
    /// # Errors
    /// `BAD_ARGUMENT` for an upstream that does not exist.
    pub fn call<P: Plugin, F: IntoFlow>(
        &self,
        callout: Callout,
        then: impl FnOnce(&P, &mut Request, &mut P::State, &Answer) -> F + 'static,
    ) -> Result<()> {
        let without_body = self.is_without_body();
        callout.send(
            Some(Direction::Request),
            Box::new(move |plugin, state, answer| {
                let plugin = plugin.downcast_ref().ok_or(OTHER_PLUGIN)?;
                let state = state.downcast_mut().ok_or(OTHER_PLUGIN)?;
                then(plugin, &mut Request::new(without_body), state, answer).into_flow()
            }),
        )
    }
}

impl Response {
    /// As [`Request::call`], for the response.
    ///
    /// # Errors
    /// `BAD_ARGUMENT` for an upstream that does not exist.
    pub fn call<P: Plugin, F: IntoFlow>(
        &self,
        callout: Callout,
        then: impl FnOnce(&P, &mut Response, &mut P::State, &Answer) -> F + 'static,
    ) -> Result<()> {
        let without_body = self.is_without_body();
        callout.send(
            Some(Direction::Response),
            Box::new(move |plugin, state, answer| {
                let plugin = plugin.downcast_ref().ok_or(OTHER_PLUGIN)?;
                let state = state.downcast_mut().ok_or(OTHER_PLUGIN)?;
                then(plugin, &mut Response::new(without_body), state, answer).into_flow()
            }),
        )
    }
}

/// A closure that was written for another plugin than the one that runs. A module has one plugin.
const OTHER_PLUGIN: Error = Error::Malformed("a callout of another plugin type");

/// What a callout was answered with. It can be read only while the closure runs.
#[derive(Debug)]
pub struct Answer {
    headers: usize,
    body: usize,
}

impl Answer {
    pub(crate) fn new(headers: usize, body: usize) -> Answer {
        Answer { headers, body }
    }

    /// The status; `None` when there was no answer: refused, reset or timed out.
    pub fn status(&self) -> Option<u16> {
        if self.headers == 0 {
            return None;
        }
        self.headers().first(":status").ok()??.parse().ok()
    }

    /// Why there was no answer, in the host's words.
    pub fn failure(&self) -> Option<String> {
        (self.headers == 0).then(|| match host::call_status() {
            Ok((_, message)) if !message.is_empty() => wire::text(message),
            _ => "no answer".to_owned(),
        })
    }

    /// All headers.
    pub fn headers(&self) -> Headers {
        Headers::of(Map::CallHeaders)
    }

    /// All trailers.
    pub fn trailers(&self) -> Headers {
        Headers::of(Map::CallTrailers)
    }

    /// The body.
    pub fn body(&self) -> Result<Vec<u8>> {
        if self.body == 0 {
            return Ok(Vec::new());
        }
        let bytes = host::buffer(Buffer::CallBody, 0, self.body).map_err(Error::host("proxy_get_buffer_bytes"))?;
        Ok(bytes.unwrap_or_default())
    }
}

/// What runs when the answer comes: with the plugin, its state of the request, and the answer.
type Then = Box<dyn FnOnce(&dyn Any, &mut dyn Any, &Answer) -> Result<Flow>>;

/// A callout that was sent.
pub(crate) struct Pending {
    /// Who sent it.
    pub(crate) context: u32,
    /// What waits for it.
    pub(crate) direction: Option<Direction>,
    pub(crate) then: Then,
}

thread_local! {
    static PENDING: RefCell<HashMap<u32, Pending, Ids>> = const { RefCell::new(HashMap::with_hasher(Ids)) };
    static ACTIVE: Cell<u32> = const { Cell::new(0) };
}

/// Says in whose name callouts are sent from here on.
pub(crate) fn set_active(context: u32) {
    ACTIVE.set(context);
}

/// The callout that an answer belongs to.
pub(crate) fn take(id: u32) -> Option<Pending> {
    PENDING.with_borrow_mut(|calls| calls.remove(&id))
}

/// Drops the callouts of a context that is gone: a host need not answer them.
pub(crate) fn forget(context: u32) {
    PENDING.with_borrow_mut(|calls| {
        if !calls.is_empty() {
            calls.retain(|_, call| call.context != context);
        }
    });
}
