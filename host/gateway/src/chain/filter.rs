//! One message on its way through the chain, in one direction: head first, then the body as it comes.
//!
//! A chunk passes the plugins and goes on; it is kept only while a plugin pauses for it, and then under the plugin's limit.
//! A filtered message is itself a body: whoever sends it pulls its pieces through the plugins, and backpressure reaches its source.
//! It knows no network and makes no response: what ends a message early is returned as [`Stop`].

mod body_filter;
mod flow;
mod head;
mod held;

use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::{Body, Frame};
use lockgate_exchange::{BodyBuffer, Direction, clock};
use lockgate_http::inbound;
use lockgate_http::problem::{Malformed, Problem, Timeout};
use lockgate_sandbox::{Action, Phase};

use body_filter::{BodyFilter, Part, PartEnd};

use crate::body::error::BodyError;
use crate::body::source::BodySource;
use crate::chain::{Chain, Stop};

/// A message on its way through the chain.
pub(crate) struct FilteredMessage {
    chain: Rc<Chain>,
    direction: Direction,
    /// Number of plugins that the message passes.
    length: usize,
    /// Those plugins' state for the body, in order; empty until the body concerns one of them.
    body_filters: Vec<BodyFilter>,
    source: BodySource,
    /// The source has nothing more to give.
    drained: bool,
    /// Body that passed the plugins before `onward` while a later one still held the head.
    pending: Part,
    next_filter: usize,
    /// Frames that have passed every plugin.
    out: VecDeque<Frame<Bytes>>,
    finished: bool,
    /// The body is pulled from the source piece by piece, and what has passed lies in `out`.
    streaming: bool,
    /// A plugin holds the head, and is waited for.
    holds_head: bool,
    /// Why the source broke off, until it is reported.
    failure: Option<BodyError>,
}

impl FilteredMessage {
    /// The request's way, through every plugin.
    pub(crate) fn request(chain: Rc<Chain>, source: BodySource) -> Self {
        let length = chain.filters().len();
        Self::new(chain, Direction::Request, length, source)
    }

    /// The response's way: from the plugin at `first` back to the first one.
    pub(crate) fn response(chain: Rc<Chain>, first: usize, source: BodySource) -> Self {
        Self::new(chain, Direction::Response, first + 1, source)
    }

    fn new(chain: Rc<Chain>, direction: Direction, length: usize, source: BodySource) -> Self {
        Self {
            chain,
            direction,
            length,
            body_filters: Vec::new(),
            drained: false,
            source,
            pending: Part::default(),
            next_filter: 0,
            out: VecDeque::new(),
            finished: false,
            streaming: false,
            holds_head: false,
            failure: None,
        }
    }

    /// The callback that sees the head.
    fn head_phase(&self) -> Phase {
        match self.direction {
            Direction::Request => Phase::RequestHeaders,
            Direction::Response => Phase::ResponseHeaders,
        }
    }

    /// The callback that sees the body.
    fn body_phase(&self) -> Phase {
        match self.direction {
            Direction::Request => Phase::RequestBody,
            Direction::Response => Phase::ResponseBody,
        }
    }

    /// The position in the chain of the plugin that the message passes as the `index`th.
    fn position(&self, index: usize) -> usize {
        match self.direction {
            Direction::Request => index,
            Direction::Response => self.length - 1 - index,
        }
    }

    /// Makes the plugins' state for the body, before any of it moves.
    fn set_up(&mut self) {
        if self.body_filters.is_empty() {
            let body_filter =
                |position: usize| BodyFilter::new(position, self.chain.filters()[position].reads_body(self.direction));
            self.body_filters = (0..self.length)
                .map(|index| body_filter(self.position(index)))
                .collect();
        }
    }

    /// True when the body passes plugins; else the source can be sent as it is. Known once the head is through.
    pub(crate) fn carries_body(&self) -> bool {
        self.streaming
    }

    /// The length of what is left to send, once all of the body has gone through the plugins.
    pub(crate) fn settled_length(&self) -> Option<u64> {
        let length = |frame: &Frame<Bytes>| frame.data_ref().map(|data| data.len() as u64);
        if self.finished {
            self.out.iter().map(length).sum()
        } else {
            None
        }
    }

    /// The names of the trailers, if they are known before anything is sent, as a list for `Trailer`.
    pub(crate) fn settled_trailers(&self) -> Option<HeaderValue> {
        let trailers = self.out.back()?.trailers_ref()?;
        let names: Vec<_> = trailers.keys().map(HeaderName::as_str).collect();
        HeaderValue::try_from(names.join(", ")).ok()
    }

    /// The source alone, when no plugin touches the body.
    pub(crate) fn into_source(self) -> BodySource {
        self.source
    }

    /// The next piece from the source; `None` for a frame of another kind.
    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Part>, BodyError>> {
        let frame = ready!(Pin::new(&mut self.source).poll_frame(cx));
        let part = match frame {
            None => {
                self.drained = true;
                Some(Part {
                    data: BodyBuffer::default(),
                    end: PartEnd::Last,
                })
            }
            Some(Err(error)) => return Poll::Ready(Err(error)),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => {
                    if self.direction == Direction::Request {
                        self.chain.exchange.borrow_mut().info.request_bytes += data.len() as u64;
                    }
                    // While a head is held, its plugin sees the end in a call of its own: continuing with a piece that is not the last
                    // says that it does not wait for the body.
                    let is_last = self.source.is_end_stream() && !self.holds_head;
                    let end = if is_last { PartEnd::Last } else { PartEnd::Open };
                    self.drained = end == PartEnd::Last;
                    let mut buffer = BodyBuffer::default();
                    buffer.push(data);
                    Some(Part { data: buffer, end })
                }
                Err(frame) => frame.into_trailers().ok().map(|trailers| {
                    self.drained = true;
                    self.set_trailers(trailers);
                    Part {
                        data: BodyBuffer::default(),
                        end: PartEnd::Trailers,
                    }
                }),
            },
        };
        Poll::Ready(Ok(part))
    }

    /// Takes a piece through the plugins `from..upto`; `None` when one of them keeps it.
    fn pass(&mut self, from: usize, mut part: Part, upto: usize) -> Result<Option<Part>, Stop> {
        self.chain.start_clock();
        for index in from..upto {
            if part.is_nothing() {
                return Ok(Some(part));
            }
            if self.body_filters[index].reads_body || self.body_filters[index].paused {
                match self.deliver(index, part)? {
                    Some(passed) => part = passed,
                    None => return Ok(None),
                }
            }
            self.body_filters[index].copy_to_tap(&part);
        }
        Ok(Some(part))
    }

    /// Gives a piece to one plugin, together with what it holds.
    fn deliver(&mut self, index: usize, part: Part) -> Result<Option<Part>, Stop> {
        let body_filter = &mut self.body_filters[index];
        let position = &self.chain.filters()[body_filter.position];
        if position.running().is_none() && !body_filter.paused {
            return Ok(Some(part));
        }
        let hooks = position.hooks();
        let (body_hook, trailers_hook, body, trailers) = match self.direction {
            Direction::Request => (
                hooks.request_body,
                hooks.request_trailers,
                Phase::RequestBody,
                Phase::RequestTrailers,
            ),
            Direction::Response => (
                hooks.response_body,
                hooks.response_trailers,
                Phase::ResponseBody,
                Phase::ResponseTrailers,
            ),
        };
        let mut action = if body_filter.paused {
            Action::Pause
        } else {
            Action::Continue
        };
        let fresh = !part.data.is_empty();
        let (is_held, direction) = (body_filter.paused, self.direction);
        if is_held {
            self.take_back(index);
        }
        let body_filter = &mut self.body_filters[index];
        body_filter.held.end = part.end;
        body_filter.held.data.append(part.data);
        if body_hook && (fresh || part.end == PartEnd::Last) {
            let last = part.end == PartEnd::Last;
            action = self.with_body(index, body, |stream| match direction {
                Direction::Request => stream.request_body(last),
                Direction::Response => stream.response_body(last),
            })?;
            if last && self.has_new_trailers() {
                self.body_filters[index].held.end = PartEnd::Trailers;
            }
        }
        if trailers_hook && part.end == PartEnd::Trailers {
            action = self.with_body(index, trailers, |stream| match direction {
                Direction::Request => stream.request_trailers(),
                Direction::Response => stream.response_trailers(),
            })?;
        }
        if action == Action::Continue {
            self.end_wait(index);
            return Ok(Some(self.body_filters[index].release()));
        }
        if self.hold(index)? {
            Ok(None)
        } else {
            Ok(Some(self.body_filters[index].release()))
        }
    }

    /// Keeps what a plugin has paused at, up to its limit and within its memory. False if the message continues without the plugin.
    fn hold(&mut self, index: usize) -> Result<bool, Stop> {
        let body_filter = &mut self.body_filters[index];
        body_filter.paused = true;
        if !self.holds_head {
            body_filter.since.get_or_insert_with(clock::now);
        }
        let position = body_filter.position;
        let limit = self.chain.filters()[position].body_limit();
        if body_filter.held.data.len() as u64 > limit {
            let plugin = self.chain.name(position);
            self.chain.note_cause(format!(
                "plugin {plugin} waits for more of the body than its limits.body of {limit} bytes"
            ));
            return Err(Stop::Problem(match self.direction {
                Direction::Request => Problem::BodyTooLarge,
                Direction::Response => Problem::ResponseTooLarge,
            }));
        }
        let bytes = body_filter.held.data.len();
        let memory = self.chain.reserve(body_filter.position, bytes)?;
        let is_held = memory.is_some();
        if let Some(memory) = memory {
            self.leave(index, memory);
        }
        Ok(is_held)
    }

    fn set_trailers(&self, trailers: HeaderMap) {
        let mut exchange = self.chain.exchange.borrow_mut();
        match self.direction {
            Direction::Request => exchange.request_trailers = Some(trailers),
            Direction::Response => exchange.response_trailers = Some(trailers),
        }
    }

    /// Whether a plugin has just given trailers to a message that came without. Plugins behind it see them as received.
    fn has_new_trailers(&self) -> bool {
        let mut exchange = self.chain.exchange.borrow_mut();
        let trailers = match self.direction {
            Direction::Request => &mut exchange.request_trailers,
            Direction::Response => &mut exchange.response_trailers,
        };
        if trailers.as_ref().is_some_and(HeaderMap::is_empty) {
            *trailers = None;
        }
        trailers.is_some()
    }

    /// The trailers as the plugins have left them. They stay in the exchange too: plugins may read them when the stream is
    /// logged.
    fn trailers(&self) -> Option<HeaderMap> {
        let exchange = self.chain.exchange.borrow();
        let mut trailers = match self.direction {
            Direction::Request => exchange.request_trailers.clone(),
            Direction::Response => exchange.response_trailers.clone(),
        }?;
        inbound::strip_trailers(&mut trailers);
        Some(trailers)
    }

    /// Attaches taps that were asked for behind a plugin; an empty body is complete at once.
    fn attach_taps(&mut self) {
        let taps = std::mem::take(&mut self.chain.exchange.borrow_mut().taps);
        for tap in taps {
            self.set_up();
            if self.drained && self.pending.is_nothing() {
                tap.sink.end(true);
            } else if let Some(body_filter) = self
                .body_filters
                .iter_mut()
                .find(|body_filter| body_filter.position == tap.position)
            {
                body_filter.tap = Some(tap.sink);
            }
        }
    }

    fn stop_of(&self, error: &BodyError) -> Stop {
        if !matches!(error, BodyError::Stopped) {
            self.chain.note_cause(error.to_string());
        }
        Stop::Problem(match error {
            BodyError::TooLarge => Problem::BodyTooLarge,
            BodyError::Upstream(_) => Problem::UpstreamFailed,
            BodyError::TimedOut(_) => Problem::UpstreamTimeout(Timeout::Route),
            BodyError::Client(_) | BodyError::Stopped => Problem::Malformed(Malformed::Body),
        })
    }
}
