//! A request as it is sent under policies: what it brings, and who watches it.

use std::cell::Cell;

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Method};
use http_body::Body;
use lockgate_client::{Address, Interim, OutgoingHead};

use crate::policy::replay::{Replay, ReplayBody};
use crate::policy::rules::RequestPolicy;
use crate::settings::Criticality;

/// The head of a request, which is written anew for each attempt.
pub trait RequestHead {
    /// Its method.
    fn method(&self) -> Method;
    /// Shows it to `write`, once.
    fn write<T>(&self, write: impl FnOnce(OutgoingHead<'_>) -> T) -> T;
}

/// The body of a request that may be sent more than once.
pub trait Resend: Body<Data = Bytes> + Unpin + Sized + 'static {
    /// No body.
    fn empty() -> Self;
    /// The body of one attempt of several.
    fn replayed(body: ReplayBody<Self>) -> Self;
}

/// Who watches a request on its way.
pub trait Observer {
    /// An attempt of this number begins at this address.
    fn begin(&self, attempt: u32, address: &Address);
    /// There would have been another attempt, but for the limits of retries.
    fn retries_exhausted(&self);
    /// Whether the request is given up because its time is over, and not because its client has left.
    fn is_overdue(&self) -> bool;
}

/// Watches a request of which nothing is noted, and which may be given up because its time is over.
#[derive(Debug, Default)]
pub struct Overdue(Cell<bool>);

impl Overdue {
    /// The time is over: the request is given up now.
    pub fn set(&self) {
        self.0.set(true);
    }
}

impl Observer for Overdue {
    fn begin(&self, _attempt: u32, _address: &Address) {}

    fn retries_exhausted(&self) {}

    fn is_overdue(&self) -> bool {
        self.0.get()
    }
}

/// What a request asks of the policies.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestOptions<'a> {
    /// What its route has in the place of its upstream's.
    pub route: Option<&'a RequestPolicy>,
    /// Whether it is shed first or last.
    pub criticality: Criticality,
}

/// The body of a request, for as many attempts as it can be sent in.
pub(super) enum Upload<B> {
    Empty,
    /// For one attempt.
    Once(Option<B>),
    /// For further attempts, while all that was sent of it is kept.
    Kept(Replay<B>),
}

impl<B: Resend> Upload<B> {
    /// Keeps up to `max` bytes of `body` for further attempts.
    pub(super) fn new(body: B, max: usize) -> Self {
        match (body.is_end_stream(), max) {
            (true, _) => Self::Empty,
            (false, 0) => Self::Once(Some(body)),
            (false, _) => Self::Kept(Replay::new(body, max)),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    /// Whether there can be another attempt.
    pub(super) fn can_repeat(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Once(body) => body.is_some(),
            Self::Kept(replay) => replay.is_whole(),
        }
    }

    /// The body for the next attempt.
    pub(super) fn next(&mut self) -> B {
        match self {
            Self::Empty => B::empty(),
            Self::Once(body) => body.take().unwrap_or_else(B::empty),
            Self::Kept(replay) => B::replayed(replay.body()),
        }
    }
}

/// The head of a request in one piece, whose URI is in origin form (path and query).
pub struct WholeHead(pub http::request::Parts);

impl RequestHead for WholeHead {
    fn method(&self) -> Method {
        self.0.method.clone()
    }

    fn write<T>(&self, write: impl FnOnce(OutgoingHead<'_>) -> T) -> T {
        let no_host = HeaderValue::from_static("");
        write(OutgoingHead {
            method: &self.0.method,
            target: self.0.uri.path_and_query().map_or("/", |target| target.as_str()),
            host: self.0.headers.get(HOST).unwrap_or(&no_host),
            headers: &self.0.headers,
            interim: &Interim::default(),
            upgrade: None,
        })
    }
}
