//! The exchange: the request and the response that a chain of plugins may read and change.
//!
//! The pipeline and the stream contexts share one per request, on one thread. It is never borrowed across a guest call,
//! so a host call always finds it free. It holds no I/O: what a plugin asks for is noted in [`PendingActions`], and the pipeline
//! does it when the callback has returned.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::Waker;

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use smallvec::SmallVec;

use crate::body::{BodyBuffer, Tap};
use crate::held::HeldBodies;
use crate::info::StreamInfo;
use crate::pending::PendingActions;
use crate::properties::Properties;
use crate::tcp_buffers::TcpBuffers;

/// An exchange as it is handed around on its worker.
pub type SharedExchange = Rc<RefCell<Exchange>>;

/// How the client reached the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// `"http"` or `"https"`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// The head of a request. `host` is not among the headers: guests see it as `:authority`, as in Envoy.
#[derive(Clone, Debug)]
pub struct RequestHead {
    /// `:method`.
    pub method: Method,
    /// `:path`, always starting with a slash (or `*`).
    pub path: PathAndQuery,
    /// `:authority`.
    pub authority: HeaderValue,
    /// `:scheme`.
    pub scheme: Scheme,
    /// Everything else.
    pub headers: HeaderMap,
}

/// The head of a response.
#[derive(Clone, Debug)]
pub struct ResponseHead {
    /// `:status`.
    pub status: StatusCode,
    /// Everything else.
    pub headers: HeaderMap,
}

impl ResponseHead {
    /// What its status means to a gRPC client.
    #[must_use]
    pub fn grpc_status(&self) -> u32 {
        grpc_status(self.status)
    }
}

/// What an HTTP status means to a gRPC client (gRPC, "HTTP to gRPC Status Code Mapping").
#[must_use]
pub fn grpc_status(status: StatusCode) -> u32 {
    match status.as_u16() {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502 | 503 | 504 => 14,
        _ => 2,
    }
}

/// What the pipeline and the plugins of a chain share for one request.
pub struct Exchange {
    /// The request's head.
    pub request: RequestHead,
    /// The response's head, once there is one.
    pub response: Option<ResponseHead>,
    /// The request's trailers, once they have come.
    pub request_trailers: Option<HeaderMap>,
    /// The response's trailers, once they have come.
    pub response_trailers: Option<HeaderMap>,
    /// What buffer calls see of the request body: put there before a body callback, taken after it.
    pub request_body: BodyBuffer,
    /// What buffer calls see of the response body: put there before a body callback, taken after it.
    pub response_body: BodyBuffer,
    /// What plugins hold of bodies between their body callbacks.
    pub held: HeldBodies,
    /// The bytes of a TCP connection that each plugin sees, by its place in the chain; none for a request, which has a head
    /// and bodies instead.
    pub tcp: Option<Box<[TcpBuffers]>>,
    /// What is known of the request besides its bytes.
    pub info: StreamInfo,
    /// What plugins have set.
    pub properties: Properties,
    /// Where in the chain the plugin stands that is being called; the chain sets it.
    pub position: usize,
    /// What plugins have asked for and nobody has done yet.
    pub pending: PendingActions,
    /// Who else wants the response body.
    pub taps: Vec<Tap>,
    /// Bytes of names and values that plugins have written into its header maps.
    pub header_growth: u64,
    wakers: SmallVec<[Waker; 1]>,
}

impl Exchange {
    /// An exchange at its very start: a request head and nothing else.
    #[must_use]
    pub fn new(request: RequestHead, info: StreamInfo) -> Self {
        Self {
            request,
            response: None,
            request_trailers: None,
            response_trailers: None,
            request_body: BodyBuffer::default(),
            response_body: BodyBuffer::default(),
            held: HeldBodies::default(),
            tcp: None,
            info,
            properties: Properties::default(),
            position: 0,
            pending: PendingActions::default(),
            taps: Vec::new(),
            header_growth: 0,
            wakers: SmallVec::new(),
        }
    }

    /// A TCP connection that passes so many plugins. Nobody sees its head: there is none.
    #[must_use]
    pub fn connection(plugins: usize, info: StreamInfo) -> Self {
        let nothing = RequestHead {
            method: Method::CONNECT,
            path: PathAndQuery::from_static("/"),
            authority: HeaderValue::from_static(""),
            scheme: Scheme::Http,
            headers: HeaderMap::new(),
        };
        let mut exchange = Self::new(nothing, info);
        exchange.tcp = Some(std::iter::repeat_with(TcpBuffers::default).take(plugins).collect());
        exchange
    }

    /// Remembers whom to wake when something was asked for from outside of the pipeline's own calls. Each task counts once:
    /// the request's body, the response and the pipeline may be waited for by different ones.
    pub fn register(&mut self, waker: &Waker) {
        if !self.wakers.iter().any(|known| known.will_wake(waker)) {
            self.wakers.push(waker.clone());
        }
    }

    /// Wakes whoever waits; nobody is woken twice for one registration.
    pub fn wake(&mut self) {
        for waker in self.wakers.drain(..) {
            waker.wake();
        }
    }
}
