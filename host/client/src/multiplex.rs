//! [`Lines`]: one worker's HTTP/2 connections. Each carries many requests at once, and each endpoint has one until that is full.
//!
//! In the clear and with prior knowledge (RFC 9113, section 3.3). A task per connection moves its frames, so nobody polls it along
//! as HTTP/1.1 connections are; backpressure is HTTP/2's own flow control.

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, TE, TRANSFER_ENCODING};
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Request, Response, Uri, Version};
use http_body::{Body, Frame};
use http_body_util::{Either, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustc_hash::FxHashMap;
use tokio::time::Instant;

use crate::address::Address;
use crate::body::PooledBody;
use crate::connect::{Connect, connect};
use crate::connection::Held;
use crate::error::{BodyFailure, ConnectionError, SendError};
use crate::keep::PoolSettings;
use crate::message::Head;

/// The largest header section of an answer, in bytes.
const LARGEST_HEAD: u32 = 64 * 1024;
/// How much of an answer's body may be under way unread, in bytes: of one answer, and of all on a connection.
const WINDOWS: (u32, u32) = (1 << 20, 4 << 20);
/// A connection with requests on it is asked for a sign of life this often, and has as long for it.
const PING: Duration = Duration::from_secs(20);

/// The body of a request: its own, or none when it goes out once more.
pub type RequestBody<B> = Either<B, Empty<Bytes>>;

/// Open connections by endpoint.
pub struct Lines<B> {
    open: RefCell<FxHashMap<Address, Vec<Line<B>>>>,
    gates: RefCell<FxHashMap<Address, Rc<Gate>>>,
}

/// One connection.
struct Line<B> {
    sender: SendRequest<RequestBody<B>>,
    load: Rc<Load>,
    peer: SocketAddr,
    local: SocketAddr,
}

/// What a connection carries.
struct Load {
    streams: Cell<usize>,
    last_used: Cell<Instant>,
}

/// Lets one request at a time connect to an endpoint; those that wait meanwhile share what comes of it.
#[derive(Default)]
struct Gate {
    turn: tokio::sync::Mutex<()>,
    failures: Cell<u64>,
}

/// A place on a connection, for one request and its answer.
pub struct Place(Rc<Load>);

impl Place {
    fn on(load: &Rc<Load>) -> Self {
        load.streams.set(load.streams.get() + 1);
        Self(Rc::clone(load))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.streams.set(self.0.streams.get() - 1);
        self.0.last_used.set(Instant::now());
    }
}

/// A connection with a place on it.
pub struct Seat<B> {
    sender: SendRequest<RequestBody<B>>,
    place: Place,
    /// The address at its other end.
    pub peer: SocketAddr,
    /// This side's address.
    pub local: SocketAddr,
    /// It was open before this request came.
    pub is_kept: bool,
}

/// Why an exchange brought no answer.
pub enum Failure<B> {
    /// Nothing of the request was sent.
    Unsent(Box<Request<RequestBody<B>>>),
    /// The upstream says that it has not looked at the request, so sending it again does no harm.
    Unprocessed(hyper::Error),
    /// Everything else.
    Failed(hyper::Error),
}

impl<B> Lines<B>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>,
{
    /// No connections yet.
    pub fn new() -> Rc<Self> {
        Rc::new(Self {
            open: RefCell::default(),
            gates: RefCell::default(),
        })
    }

    /// A place on a connection to `address`, on a new one if all others are full.
    pub async fn seat(
        self: &Rc<Self>,
        way: Option<&dyn Connect>,
        address: &Address,
        settings: &PoolSettings,
    ) -> Result<Seat<B>, SendError> {
        if let Some(seat) = self.find(address, settings.max_streams) {
            return Ok(seat);
        }
        let gate = Rc::clone(self.gates.borrow_mut().entry(address.clone()).or_default());
        let failures = gate.failures.get();
        let _turn = gate.turn.lock().await;
        if let Some(seat) = self.find(address, settings.max_streams) {
            return Ok(seat);
        }
        if gate.failures.get() != failures {
            // Whoever waited while another tried in vain does not try again: a hundred would wait a hundred times as long.
            return Err(SendError::Connect {
                address: address.clone(),
                source: std::io::Error::other("connecting has just failed for another request"),
                attempts: 1,
            });
        }
        let opened = self.open(way, address, settings).await;
        if opened.is_err() {
            gate.failures.set(failures.wrapping_add(1));
        }
        opened
    }

    /// A place on an open connection that has one.
    fn find(&self, address: &Address, max_streams: usize) -> Option<Seat<B>> {
        let mut open = self.open.borrow_mut();
        let lines = open.get_mut(address)?;
        lines.retain(|line| !line.sender.is_closed());
        let line = lines.iter().find(|line| line.load.streams.get() < max_streams)?;
        Some(line.seat(true))
    }

    async fn open(
        self: &Rc<Self>,
        way: Option<&dyn Connect>,
        address: &Address,
        settings: &PoolSettings,
    ) -> Result<Seat<B>, SendError> {
        let failed = |source| SendError::Connect {
            address: address.clone(),
            source,
            attempts: 1,
        };
        let socket = connect(way, address, settings.connect_timeout).await?;
        let (peer, local) = socket.ends().map_err(failed)?;
        let wire = TokioIo::new(socket);
        let (sender, connection) = http2::Builder::new(Local)
            .timer(TokioTimer::new())
            .keep_alive_interval(PING)
            .keep_alive_timeout(PING)
            .max_header_list_size(LARGEST_HEAD)
            .initial_stream_window_size(WINDOWS.0)
            .initial_connection_window_size(WINDOWS.1)
            .handshake(wire)
            .await
            .map_err(|error| failed(std::io::Error::other(error)))?;
        let load = Rc::new(Load {
            streams: Cell::new(0),
            last_used: Cell::new(Instant::now()),
        });
        let (lines, idle) = (Rc::downgrade(self), settings.keep.idle_timeout);
        tokio::task::spawn_local(drive(connection, Rc::clone(&load), idle, lines, address.clone()));
        let line = Line {
            sender,
            load,
            peer,
            local,
        };
        let seat = line.seat(false);
        self.open.borrow_mut().entry(address.clone()).or_default().push(line);
        Ok(seat)
    }

    /// Forgets connections that have ended.
    fn prune(&self, address: &Address) {
        let mut open = self.open.borrow_mut();
        if let Some(lines) = open.get_mut(address) {
            lines.retain(|line| !line.sender.is_closed());
            if lines.is_empty() {
                open.remove(address);
                self.gates.borrow_mut().retain(|_, gate| Rc::strong_count(gate) > 1);
            }
        }
    }
}

impl<B> Line<B> {
    fn seat(&self, is_kept: bool) -> Seat<B> {
        Seat {
            sender: self.sender.clone(),
            place: Place::on(&self.load),
            peer: self.peer,
            local: self.local,
            is_kept,
        }
    }
}

impl<B> Seat<B>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>,
{
    /// Sends a request and waits for the head of its answer. Dropping the future, or the place, resets the stream and no other.
    pub async fn exchange(
        mut self,
        request: Request<RequestBody<B>>,
    ) -> Result<(Response<Incoming>, Place), Failure<B>> {
        match self.sender.try_send_request(request).await {
            Ok(response) => Ok((response, self.place)),
            Err(mut failure) => Err(match failure.take_message() {
                Some(request) => Failure::Unsent(Box::new(request)),
                None if is_unprocessed(failure.error()) => Failure::Unprocessed(failure.into_error()),
                None => Failure::Failed(failure.into_error()),
            }),
        }
    }
}

/// Moves a connection's frames until it ends, or has had nothing to do for long enough.
async fn drive<B>(
    connection: impl Future<Output = hyper::Result<()>>,
    load: Rc<Load>,
    idle: Duration,
    lines: Weak<Lines<B>>,
    address: Address,
) where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>,
{
    {
        let mut connection = pin!(connection);
        loop {
            match tokio::time::timeout(idle, connection.as_mut()).await {
                Ok(Ok(())) => break,
                Ok(Err(error)) => {
                    tracing::debug!(%error, "an upstream connection ended");
                    break;
                }
                Err(_) if load.streams.get() == 0 && load.last_used.get().elapsed() >= idle => break,
                Err(_) => {}
            }
        }
    }
    if let Some(lines) = lines.upgrade() {
        lines.prune(&address);
    }
}

/// A refused stream, or one beyond the last that a connection at its end still serves (RFC 9113, section 8.7).
fn is_unprocessed(error: &hyper::Error) -> bool {
    h2_error(error).is_some_and(|error| {
        error.is_remote()
            && (error.reason() == Some(h2::Reason::REFUSED_STREAM)
                || error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR))
    })
}

/// Whether the upstream broke the protocol, or speaks another one.
pub fn is_malformed(error: &hyper::Error) -> bool {
    h2_error(error).is_some_and(|error| !error.is_remote() && !error.is_io())
}

fn h2_error(error: &hyper::Error) -> Option<&h2::Error> {
    let mut next = error.source();
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// A request as its head and body say, in the form of HTTP/1.1 still.
pub fn request<B: Body<Data = Bytes>>(head: Head<'_>, body: B) -> Request<RequestBody<B>> {
    let mut headers = head.headers.clone();
    headers.insert(HOST, head.host.clone());
    if body.is_end_stream() && headers.contains_key(CONTENT_LENGTH) {
        // A length that lies is a broken stream.
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    let mut request = Request::new(Either::Left(body));
    *request.method_mut() = head.method.clone();
    // A target that is no path is the root; none such gets here.
    *request.uri_mut() = Uri::try_from(head.target).unwrap_or_default();
    *request.headers_mut() = headers;
    request
}

/// The same request, which has no body.
pub fn again<B>(request: &Request<RequestBody<B>>) -> Request<RequestBody<B>> {
    let mut copy = Request::new(Either::Right(Empty::new()));
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    copy
}

/// An answer's body, which keeps its place on the connection until it has come to its end.
pub fn body(incoming: Incoming, place: Place) -> PooledBody {
    if incoming.is_end_stream() {
        PooledBody::whole(Bytes::new())
    } else {
        PooledBody::open(Box::new(Incomplete {
            incoming,
            _place: place,
        }))
    }
}

/// A body that is still coming. Dropping it resets its stream.
struct Incomplete {
    incoming: Incoming,
    _place: Place,
}

impl Held for Incomplete {
    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ConnectionError>>> {
        let frame = ready!(Pin::new(&mut self.incoming).poll_frame(context));
        Poll::Ready(frame.map(|frame| frame.map_err(ConnectionError::Http2)))
    }

    fn remaining(&self) -> Option<u64> {
        if self.incoming.is_end_stream() {
            return Some(0);
        }
        // After the last byte there may be trailers.
        self.incoming.size_hint().exact().filter(|&left| left > 0)
    }

    fn give_back(self: Box<Self>) {}
}

/// Gives a request the form that it has in HTTP/2: the host in its URI, no framing of HTTP/1.1's, and `te` where gRPC wants it.
pub fn in_form<B>(request: &mut Request<B>, endpoint: &HeaderValue) {
    *request.version_mut() = Version::HTTP_2;
    let headers = request.headers_mut();
    headers.remove(TRANSFER_ENCODING);
    let is_grpc = headers
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    if is_grpc {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    let host = headers.remove(HOST);
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    let authority = |value: &HeaderValue| Authority::try_from(value.as_bytes()).ok();
    parts.authority = host
        .as_ref()
        .and_then(authority)
        .or(parts.authority)
        .or_else(|| authority(endpoint));
    parts.scheme = Some(Scheme::HTTP);
    // Every part is well-formed; should they not fit together, the upstream gets the root of nobody and says so.
    *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
}

/// Runs what the HTTP library wants to be run on this thread.
#[derive(Clone, Copy)]
struct Local;

impl<F: Future + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, future: F) {
        // It ends by itself, with its connection.
        drop(tokio::task::spawn_local(future));
    }
}
