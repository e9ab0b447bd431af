//! The exchange: the request and the response that a chain of plugins may read and change.
//!
//! The pipeline and the stream contexts of a request share one, on one thread. It is never borrowed across a guest call, so every
//! host call can borrow it. It does no I/O: what plugins ask for is in [`PendingActions`], and the pipeline does it when the
//! callback has returned.

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

/// An exchange, shared on its worker.
pub type SharedExchange = Rc<RefCell<Exchange>>;

/// The scheme of the client's request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Without TLS.
    Http,
    /// With TLS.
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
    /// `:path`. It starts with a slash, or is `*`.
    pub path: PathAndQuery,
    /// `:authority`.
    pub authority: HeaderValue,
    /// `:scheme`.
    pub scheme: Scheme,
    /// The other headers.
    pub headers: HeaderMap,
    /// It asks for another protocol on its connection: `upgrade` among the headers names which. Otherwise there is no such header.
    pub is_upgrade: bool,
}

/// What of a request's head was changed. Each part may decide the route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeadChanges {
    /// The method, the path or the authority.
    pub pseudo_headers: bool,
    /// Other headers.
    pub headers: bool,
}

/// The head of a response.
#[derive(Clone, Debug)]
pub struct ResponseHead {
    /// `:status`.
    pub status: StatusCode,
    /// The other headers.
    pub headers: HeaderMap,
}

impl ResponseHead {
    /// The gRPC status of its HTTP status.
    #[must_use]
    pub fn grpc_status(&self) -> u32 {
        grpc_status(self.status)
    }
}

/// The gRPC status of an HTTP status (gRPC, "HTTP to gRPC Status Code Mapping").
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

/// What the pipeline and the plugins of a chain share for one request or TCP connection.
pub struct Exchange {
    /// The request's head.
    pub request: RequestHead,
    /// The response's head, if there is one yet.
    pub response: Option<ResponseHead>,
    /// The request's trailers, if they have arrived.
    pub request_trailers: Option<HeaderMap>,
    /// The response's trailers, if they have arrived.
    pub response_trailers: Option<HeaderMap>,
    /// The request body that buffer calls see. It is filled for a body callback only.
    pub request_body: BodyBuffer,
    /// The response body that buffer calls see. It is filled for a body callback only.
    pub response_body: BodyBuffer,
    /// The bodies that plugins hold between their body callbacks.
    pub held: HeldBodies,
    /// The bytes of a TCP connection, by the plugin's place in the chain. `None` for a request, which has a head and bodies.
    pub tcp: Option<Box<[TcpBuffers]>>,
    /// What is known of the request besides its bytes.
    pub info: StreamInfo,
    /// The properties that plugins have set.
    pub properties: Properties,
    /// The place in the chain of the plugin that is being called. The chain sets it.
    pub position: usize,
    /// What plugins have asked for, and the pipeline has not done yet.
    pub pending: PendingActions,
    /// The receivers of copies of the response body.
    pub taps: Vec<Tap>,
    /// What plugins have changed in the request's head.
    pub changed: HeadChanges,
    /// Bytes of names and values that plugins have written to its header maps.
    pub header_growth: u64,
    wakers: SmallVec<[Waker; 1]>,
}

impl Exchange {
    /// An exchange with a request head and nothing else.
    #[inline]
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
            changed: HeadChanges::default(),
            header_growth: 0,
            wakers: SmallVec::new(),
        }
    }

    /// A TCP connection through this number of plugins. Its head is a placeholder that nobody sees.
    #[must_use]
    pub fn connection(plugins: usize, info: StreamInfo) -> Self {
        let nothing = RequestHead {
            method: Method::CONNECT,
            path: PathAndQuery::from_static("/"),
            authority: HeaderValue::from_static(""),
            scheme: Scheme::Http,
            headers: HeaderMap::new(),
            is_upgrade: false,
        };
        let mut exchange = Self::new(nothing, info);
        exchange.tcp = Some(std::iter::repeat_with(TcpBuffers::default).take(plugins).collect());
        exchange
    }

    /// Registers a task to be woken when an action is requested while the pipeline is waiting. A task is registered once: request
    /// body, response and pipeline may be polled by different tasks.
    pub fn register(&mut self, waker: &Waker) {
        if !self.wakers.iter().any(|known| known.will_wake(waker)) {
            self.wakers.push(waker.clone());
        }
    }

    /// Wakes the registered tasks, and removes them.
    pub fn wake(&mut self) {
        for waker in self.wakers.drain(..) {
            waker.wake();
        }
    }
}
