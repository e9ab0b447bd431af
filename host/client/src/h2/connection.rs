//! [`H2Connection`]: one HTTP/2 connection, the permits for streams on it, and an exchange on such a stream.

use std::cell::Cell;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::time::Instant;

use super::error::is_unprocessed;
use super::request::RequestBody;
use crate::connect::Connected;
use crate::error::BodyFailure;

/// The largest header section of a response, in bytes.
const MAX_HEADERS_SIZE: u32 = 64 * 1024;
/// The flow-control window of one stream, in bytes: how much of a response's body may be under way unread.
const STREAM_WINDOW: u32 = 1 << 20;
/// The flow-control window of all streams of a connection together, in bytes.
const CONNECTION_WINDOW: u32 = 4 << 20;
/// The interval of pings on a connection with open streams, and the time limit for their replies.
const PING: Duration = Duration::from_secs(20);

/// An open connection.
pub(super) struct H2Connection<B> {
    sender: SendRequest<RequestBody<B>>,
    load: Rc<Load>,
    peer: SocketAddr,
    local: SocketAddr,
}

/// The streams of a connection.
struct Load {
    streams: Cell<usize>,
    last_used: Cell<Instant>,
}

/// One of the streams of a connection, for a request and its response.
pub(super) struct StreamPermit(Rc<Load>);

impl StreamPermit {
    fn new(load: &Rc<Load>) -> Self {
        load.streams.set(load.streams.get() + 1);
        Self(Rc::clone(load))
    }
}

impl Drop for StreamPermit {
    fn drop(&mut self) {
        self.0.streams.set(self.0.streams.get() - 1);
        self.0.last_used.set(Instant::now());
    }
}

/// A stream that is not open yet, with the permit for it.
pub(super) struct H2Stream<B> {
    sender: SendRequest<RequestBody<B>>,
    permit: StreamPermit,
    pub(super) peer: SocketAddr,
    pub(super) local: SocketAddr,
    /// The connection was open before this request came.
    pub(super) is_reused: bool,
}

/// Why an exchange brought no response.
pub(super) enum Failure<B> {
    /// Nothing of the request was sent.
    Unsent(Box<Request<RequestBody<B>>>),
    /// The upstream says that it has not processed the request, so sending it again does no harm.
    Unprocessed(hyper::Error),
    /// Any other reason.
    Failed(hyper::Error),
}

impl<B> H2Connection<B>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>,
{
    /// Speaks HTTP/2 on a fresh connection. `on_end` is called when the connection has ended, at the latest after it had no stream for
    /// `idle_timeout`.
    pub(super) async fn start(
        connected: Connected,
        idle_timeout: Duration,
        on_end: impl FnOnce() + 'static,
    ) -> hyper::Result<Self> {
        let Connected { socket, peer, local } = connected;
        let (sender, connection) = http2::Builder::new(LocalExecutor)
            .timer(TokioTimer::new())
            .keep_alive_interval(PING)
            .keep_alive_timeout(PING)
            .max_header_list_size(MAX_HEADERS_SIZE)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .handshake(TokioIo::new(socket))
            .await?;
        let load = Rc::new(Load {
            streams: Cell::new(0),
            last_used: Cell::new(Instant::now()),
        });
        tokio::task::spawn_local(run(connection, Rc::clone(&load), idle_timeout, on_end));
        Ok(Self {
            sender,
            load,
            peer,
            local,
        })
    }
}

impl<B> H2Connection<B> {
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// The number of streams that are open or reserved.
    pub(super) fn streams(&self) -> usize {
        self.load.streams.get()
    }

    /// Reserves a stream.
    pub(super) fn reserve(&self, is_reused: bool) -> H2Stream<B> {
        H2Stream {
            sender: self.sender.clone(),
            permit: StreamPermit::new(&self.load),
            peer: self.peer,
            local: self.local,
            is_reused,
        }
    }
}

impl<B> H2Stream<B>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>,
{
    /// Sends a request and waits for the head of its response. Dropping the future, or the permit, resets the stream and no other.
    pub(super) async fn exchange(
        mut self,
        request: Request<RequestBody<B>>,
    ) -> Result<(Response<Incoming>, StreamPermit), Failure<B>> {
        match self.sender.try_send_request(request).await {
            Ok(response) => Ok((response, self.permit)),
            Err(mut failure) => Err(match failure.take_message() {
                Some(request) => Failure::Unsent(Box::new(request)),
                None if is_unprocessed(failure.error()) => Failure::Unprocessed(failure.into_error()),
                None => Failure::Failed(failure.into_error()),
            }),
        }
    }
}

/// Moves a connection's frames until it ends, or has had no stream for `idle_timeout`.
async fn run(
    connection: impl Future<Output = hyper::Result<()>>,
    load: Rc<Load>,
    idle_timeout: Duration,
    on_end: impl FnOnce(),
) {
    {
        let mut connection = pin!(connection);
        loop {
            match tokio::time::timeout(idle_timeout, connection.as_mut()).await {
                Ok(Ok(())) => break,
                Ok(Err(error)) => {
                    tracing::debug!(%error, "an upstream connection ended");
                    break;
                }
                Err(_) if load.streams.get() == 0 && load.last_used.get().elapsed() >= idle_timeout => break,
                Err(_) => {}
            }
        }
        // The connection is closed before `on_end`.
    }
    on_end();
}

/// Runs the HTTP library's tasks on this thread.
#[derive(Clone, Copy)]
struct LocalExecutor;

impl<F: Future + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        // The task ends by itself, with its connection.
        drop(tokio::task::spawn_local(future));
    }
}
