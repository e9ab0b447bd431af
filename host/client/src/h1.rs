//! HTTP/1.1: an attempt is one exchange on a pooled or a fresh connection.

mod chunked;
mod connection;
mod failure;
mod head_reader;
mod name_cache;
mod pool;
mod request;
mod response_head;

use std::net::SocketAddr;
use std::rc::Rc;

use bytes::Bytes;
use http::Response;
use http_body::Body;

use self::connection::H1Connection;
use self::failure::Failure;
use self::pool::Pool;
pub use self::request::H1Request;
use crate::alpn::Offer;
use crate::body::{BodySource, PooledBody};
use crate::connect::{Connected, Connector, connect};
use crate::error::{AttemptError, BodyFailure, ConnectError, ConnectionError, ExchangeError, Progress};
use crate::pool_settings::PoolSettings;
use crate::received::Received;
use crate::target::Target;
use crate::tls::TlsFailure;

/// One worker's idle HTTP/1.1 connections.
pub(crate) type H1Pool<B> = Pool<H1Connection<B>>;

/// A response whose head has come, on its connection.
pub struct H1Response<B>(Box<H1Connection<B>>)
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>;

impl<B> H1Response<B>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>,
{
    /// The response. If all of it has come, its connection is back in the pool.
    pub fn receive(self) -> Received {
        let Self(mut connection) = self;
        let (peer, local) = (connection.peer, connection.local);
        let head = connection.take_head();
        let body = match connection.take_whole_body() {
            Some(data) => {
                connection.release();
                PooledBody::complete(data)
            }
            None => PooledBody::open(connection),
        };
        let mut response = Response::new(body);
        *response.status_mut() = head.status;
        *response.headers_mut() = head.headers;
        Received { response, peer, local }
    }
}

/// Sends a request to `target` and waits for the head of the response; on a fresh connection if it `needs_fresh`.
///
/// # Errors
/// [`AttemptError`]. The request is put back if nothing of it was written, or if it was not answered.
pub(crate) fn send<B>(
    pool: &Rc<H1Pool<B>>,
    connector: &Connector,
    target: &Target,
    settings: &PoolSettings,
    request: &mut Option<Box<H1Request<B>>>,
    needs_fresh: bool,
) -> impl Future<Output = Result<H1Response<B>, AttemptError>>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>,
{
    let pooled = if needs_fresh { None } else { pool.take(target) };
    let is_reused = pooled.is_some();
    // Before the future, which stays small that way.
    let connected = match pooled {
        Some(connection) => Ok(connection),
        None => Err(Box::pin(open(pool, connector, target, settings))),
    };
    async move {
        let mut connection = match connected {
            Ok(pooled) => pooled,
            Err(opening) => opening.await?,
        };
        let sent = prepare(&mut connection, settings, request);
        match connection.exchange(sent, settings.response_head).await {
            Ok(()) => Ok(H1Response(connection)),
            Err(failure) => Err(failed(failure, &connection, is_reused, request)),
        }
    }
}

fn prepare<B>(
    connection: &mut H1Connection<B>,
    settings: &PoolSettings,
    request: &mut Option<Box<H1Request<B>>>,
) -> Box<H1Request<B>>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>,
{
    connection.keep_alive = settings.keep_alive;
    let sent = request.take();
    sent.expect("a request is put back wherever it may be sent again")
}

/// Sends a request on a connection, and waits for the head of the response.
///
/// # Errors
/// As for [`send`].
pub(crate) async fn send_on<B>(
    mut connection: Box<H1Connection<B>>,
    settings: &PoolSettings,
    request: &mut Option<Box<H1Request<B>>>,
    is_reused: bool,
) -> Result<H1Response<B>, AttemptError>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>,
{
    let sent = prepare(&mut connection, settings, request);
    match connection.exchange(sent, settings.response_head).await {
        Ok(()) => Ok(H1Response(connection)),
        Err(failure) => Err(failed(failure, &connection, is_reused, request)),
    }
}

/// A failed attempt, by what the connection met with.
fn failed<B>(
    failure: Failure<B>,
    connection: &H1Connection<B>,
    is_reused: bool,
    slot: &mut Option<Box<H1Request<B>>>,
) -> AttemptError
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>,
{
    match connection.refusal() {
        Some(refusal) => explain_refusal(failure, refusal, slot),
        None => explain(failure, connection.peer, is_reused, slot),
    }
}

async fn open<B>(
    pool: &Rc<H1Pool<B>>,
    connector: &Connector,
    target: &Target,
    settings: &PoolSettings,
) -> Result<Box<H1Connection<B>>, AttemptError>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>,
{
    let connected = connect(connector, target, Offer::Http1, settings.connect_timeout).await;
    let connected = connected.map_err(AttemptError::not_connected)?;
    Ok(adopt(pool, connected, target, settings))
}

/// Speaks HTTP/1.1 on a fresh connection to `target`, which goes to the pool after its first exchange.
pub(crate) fn adopt<B>(
    pool: &Rc<H1Pool<B>>,
    connected: Connected,
    target: &Target,
    settings: &PoolSettings,
) -> Box<H1Connection<B>>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>,
{
    H1Connection::new(connected, target.clone(), settings.keep_alive, pool)
}

/// An attempt on a connection that the endpoint has ended instead of accepting it: no request was looked at, as if there had been no
/// connection. Puts the request back if all of it is there.
fn explain_refusal<B>(failure: Failure<B>, refusal: &TlsFailure, slot: &mut Option<Box<H1Request<B>>>) -> AttemptError
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BodyFailure>,
{
    let request = match failure {
        Failure::Unsent { request, .. } | Failure::Unread { request, .. } | Failure::Unanswered { request, .. } => {
            Some(request)
        }
        Failure::Failed(_) | Failure::Body(_) => None,
    };
    *slot = request.filter(|request| !request.has_started() || request.only_write().is_some());
    AttemptError {
        error: ExchangeError::Connect(ConnectError::Tls(refusal.clone())),
        progress: match slot {
            Some(request) => {
                request.rewind();
                Progress::NotConnected
            }
            None => Progress::Final,
        },
    }
}

/// A failed attempt, by what the connection met with. Puts the request back where it may be sent again.
fn explain<B>(
    failure: Failure<B>,
    peer: SocketAddr,
    is_reused: bool,
    slot: &mut Option<Box<H1Request<B>>>,
) -> AttemptError
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BodyFailure>,
{
    let (error, unsent, mut progress) = match failure {
        Failure::Body(error) => {
            return AttemptError {
                error: ExchangeError::RequestBody(error),
                progress: Progress::Final,
            };
        }
        Failure::Unsent { error, request } => (error, Some(request), Progress::Stale),
        Failure::Unread { error, request } => (error, Some(request), Progress::Unsent),
        Failure::Unanswered { error, request } => (error, Some(request), Progress::Unanswered),
        Failure::Failed(error) => (error, None, Progress::Final),
    };
    if !is_reused {
        progress = match progress {
            // Closed before it was of use.
            Progress::Stale | Progress::Unsent if !matches!(error, ConnectionError::Malformed(_)) => Progress::Unsent,
            // A fresh connection has no excuse.
            _ => Progress::Final,
        };
    }
    *slot = unsent;
    if let Some(request) = slot {
        request.rewind();
    }
    AttemptError {
        error: ExchangeError::at(peer, error),
        progress,
    }
}
