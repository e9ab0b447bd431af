//! [`Client`]: one worker's way to all upstreams.

use std::cell::Cell;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::rc::Rc;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderValue, Request, Response, StatusCode, Version};
use http_body::Body;
use http_body_util::{Either, Empty};
use hyper::body::Incoming;

use crate::body::PooledBody;
use crate::connect::{Connect, connect};
use crate::connection::{BodyFailure, Connection, Failure, RequestBody};
use crate::error::SendError;
use crate::pool::Pool;
use crate::settings::HostPolicy;
use crate::upstream::Upstream;

/// At most this many endpoints are tried when one after the other cannot be connected to.
pub(crate) const MOST_ENDPOINTS: usize = 3;

/// One worker's keep-alive connections. A clone shares them. Not for other threads; must be used within a
/// [`tokio::task::LocalSet`] or a local runtime. Lives as long as its worker, across reloads: connections are kept by
/// endpoint address, not by upstream.
pub struct Client<B>
where
    B: Body<Data = Bytes> + 'static,
    B::Error: Into<BodyFailure>,
{
    pool: Rc<Pool<Connection<B>>>,
    pub(crate) random: Rc<Random>,
    way: Option<Rc<dyn Connect>>,
}

/// An answer, and how it was come by.
#[derive(Debug)]
pub struct Sent {
    /// The answer. Its framing has been checked; hop-by-hop headers are still in it.
    pub response: Response<PooledBody>,
    /// The endpoint that gave it.
    pub endpoint: SocketAddr,
    /// This side's address of the connection.
    pub local: SocketAddr,
    /// How many endpoints were connected to or sent to, in vain or not: 1 when all went well.
    pub attempts: u32,
}

impl<B> Client<B>
where
    B: Body<Data = Bytes> + 'static,
    B::Error: Into<BodyFailure>,
{
    /// A client without connections yet.
    pub fn new() -> Self {
        Self {
            pool: Pool::new(),
            random: Rc::new(Random::new()),
            way: None,
        }
    }

    /// A client that reaches endpoints another way than by sockets, and chooses among them by numbers from `seed` on.
    pub fn by(way: Rc<dyn Connect>, seed: u64) -> Self {
        Self {
            pool: Pool::new(),
            random: Rc::new(Random(Cell::new(seed | 1))),
            way: Some(way),
        }
    }

    /// Sends a request to an endpoint of `upstream` and waits for the head of the answer, however long that takes:
    /// dropping the future gives up and closes the connection.
    ///
    /// The request's URI must be in origin form (path and query) and its `host` header set; its version is set to
    /// HTTP/1.1 here, and `host` is rewritten when the upstream says so. A body that has already ended goes out without
    /// one, whatever `content-length` claims: a length that lies would take the next request on the connection for a body.
    ///
    /// A request that could not be written because a kept connection had been closed meanwhile goes to the next
    /// connection. One that was written, but answered with nothing, on a kept connection is repeated once on a fresh one,
    /// if it has no body and its method is idempotent or not a byte of it got out. An endpoint that cannot be connected
    /// to is followed by the next, up to three.
    ///
    /// # Errors
    /// [`SendError`] tells whose fault it was.
    pub fn send(&self, upstream: &Upstream, request: Request<B>) -> impl Future<Output = Result<Sent, SendError>> {
        // Outside of the future, which stays small that way: it is part of the state of every client connection.
        let request = prepare(request);
        let has_no_body = request.body().is_end_stream();
        let is_idempotent = request.method().is_idempotent();
        let mut request = Some(request);
        async move {
            let mut index = upstream.pick(|| self.random.next()).ok_or(SendError::NoEndpoint)?;
            let mut connects = 0;
            let mut attempts = 0;
            let mut is_repeated = false;
            loop {
                attempts += 1;
                let endpoint = &upstream.endpoints()[index];
                let kept = if is_repeated {
                    None
                } else {
                    self.pool.take(endpoint.address())
                };
                let is_reused = kept.is_some();
                let mut connection = match kept {
                    Some(kept) => kept,
                    None => {
                        connects += 1;
                        match Box::pin(self.open(upstream, index)).await {
                            Ok(connection) => connection,
                            Err(_) if connects < MOST_ENDPOINTS.min(upstream.endpoints().len()) => {
                                index = upstream.after(index);
                                continue;
                            }
                            Err(error) => return Err(error),
                        }
                    }
                };
                connection.keep = upstream.keep;
                rewrite_host(&mut request, &upstream.host, &endpoint.host);
                match connection.exchange(&mut request, is_reused && has_no_body).await {
                    Ok(response) => return receive(response, connection, attempts),
                    Err(Failure::Unsent) if is_reused => attempts -= 1,
                    Err(Failure::Unanswered {
                        head: Some(head),
                        is_written,
                        ..
                    }) if is_idempotent || !is_written => {
                        is_repeated = true;
                        request = Some((*head).map(|()| Either::Right(Empty::new())));
                    }
                    Err(failure) => return Err(explain(failure, connection.peer)),
                }
            }
        }
    }

    async fn open(&self, upstream: &Upstream, index: usize) -> Result<Box<Connection<B>>, SendError> {
        let address = upstream.endpoints()[index].address();
        let socket = connect(self.way.as_deref(), address, upstream.connect_timeout).await?;
        Connection::open(socket, address.clone(), upstream.keep, &self.pool)
            .await
            .map_err(|source| SendError::Connect {
                address: address.clone(),
                source,
            })
    }
}

/// What holds for every request to an upstream.
fn prepare<B>(request: Request<B>) -> Request<RequestBody<B>>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BodyFailure>,
{
    let mut request = request.map(Either::Left);
    *request.version_mut() = Version::HTTP_11;
    if request.body().is_end_stream() && request.headers().contains_key(CONTENT_LENGTH) {
        request
            .headers_mut()
            .insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    request
}

fn rewrite_host<B>(request: &mut Option<Request<B>>, policy: &HostPolicy, endpoint: &HeaderValue) {
    let host = match policy {
        HostPolicy::Pass => return,
        HostPolicy::Endpoint => endpoint,
        HostPolicy::Name(name) => name,
    };
    if let Some(request) = request {
        request.headers_mut().insert(HOST, host.clone());
    }
}

/// Hands an answer on, unless its framing could be read in more than one way: then nothing of it can be trusted.
fn receive<B>(response: Response<Incoming>, connection: Box<Connection<B>>, attempts: u32) -> Result<Sent, SendError>
where
    B: Body<Data = Bytes> + 'static,
    B::Error: Into<BodyFailure>,
{
    let (endpoint, local) = (connection.peer, connection.local);
    if let Some(reason) = ambiguity(&response) {
        return Err(malformed(endpoint, reason));
    }
    let response = response.map(|incoming| PooledBody::new(incoming, connection));
    Ok(Sent {
        response,
        endpoint,
        local,
        attempts,
    })
}

/// What hyper lets through and two readers could take differently (RFC 9112, section 6.3).
fn ambiguity(response: &Response<Incoming>) -> Option<&'static str> {
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Some("it switches protocols, unasked");
    }
    let headers = response.headers();
    if let Some(coding) = headers.get(TRANSFER_ENCODING) {
        if headers.contains_key(CONTENT_LENGTH) {
            return Some("both transfer-encoding and content-length");
        }
        if !coding.as_bytes().eq_ignore_ascii_case(b"chunked") || headers.get_all(TRANSFER_ENCODING).iter().count() > 1
        {
            return Some("a transfer-encoding other than chunked");
        }
    } else if headers.get_all(CONTENT_LENGTH).iter().nth(1).is_some() {
        return Some("more than one content-length");
    }
    None
}

fn malformed(peer: SocketAddr, reason: impl Into<String>) -> SendError {
    SendError::Protocol {
        peer,
        reason: reason.into(),
    }
}

/// A failure that is not to be mended here, with the blame that it deserves.
fn explain(failure: Failure, peer: SocketAddr) -> SendError {
    match failure {
        Failure::Unsent => malformed(peer, "the connection was of no use from the start"),
        Failure::Failed(error) if error.is_user() => SendError::RequestBody(error),
        Failure::Failed(error) if error.is_parse() => malformed(peer, error.to_string()),
        Failure::Failed(source) | Failure::Unanswered { error: source, .. } => SendError::Closed { peer, source },
    }
}

impl<B> Default for Client<B>
where
    B: Body<Data = Bytes> + 'static,
    B::Error: Into<BodyFailure>,
{
    fn default() -> Self {
        Self::new()
    }
}

impl<B> Clone for Client<B>
where
    B: Body<Data = Bytes> + 'static,
    B::Error: Into<BodyFailure>,
{
    fn clone(&self) -> Self {
        Self {
            pool: Rc::clone(&self.pool),
            random: Rc::clone(&self.random),
            way: self.way.clone(),
        }
    }
}

impl<B> fmt::Debug for Client<B>
where
    B: Body<Data = Bytes> + 'static,
    B::Error: Into<BodyFailure>,
{
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Client").finish_non_exhaustive()
    }
}

/// Numbers for spreading load (xorshift64*): nobody gains by guessing them.
pub(crate) struct Random(Cell<u64>);

impl Random {
    fn new() -> Self {
        Self(Cell::new(RandomState::new().hash_one(0u8) | 1))
    }

    pub(crate) fn next(&self) -> usize {
        let mut state = self.0.get();
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        self.0.set(state);
        (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as usize
    }
}
