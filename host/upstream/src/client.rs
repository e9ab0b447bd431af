//! [`Client`]: one worker's way to all upstreams.

use std::cell::Cell;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::rc::Rc;

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Request, Response};
use http_body::Body;
use lockgate_client::{
    AnswerHead, BodyFailure, Connect, Connection, ConnectionError, Failure, Head, Held, Lines, Message,
    MultiplexFailure, Pool, PooledBody, Protocol, RequestBody, SendError, connect,
};

use crate::settings::HostPolicy;
use crate::upstream::Upstream;

/// At most this many endpoints are tried when one after the other cannot be connected to.
pub(crate) const MOST_ENDPOINTS: usize = 3;
/// At most this many HTTP/2 connections are tried that turn out to be at their end when a request is to go out on them.
const MOST_LINES: u32 = 3;

/// One worker's keep-alive connections. A clone shares them. Not for other threads; must be used within a
/// [`tokio::task::LocalSet`] or a local runtime. Lives as long as its worker, across reloads: connections are kept by
/// endpoint address, not by upstream.
pub struct Client<B>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>,
{
    pool: Rc<Pool<Connection<B>>>,
    lines: Rc<Lines<B>>,
    pub(crate) random: Rc<Random>,
    pub(crate) way: Option<Rc<dyn Connect>>,
}

/// An answer, and how it was come by.
#[derive(Debug)]
pub struct Sent {
    /// The answer. Its framing has been checked. Hop-by-hop headers are still in it, but for a `connection` that says no
    /// more than whether this one stays open.
    pub response: Response<PooledBody>,
    /// The endpoint that gave it.
    pub endpoint: SocketAddr,
    /// This side's address of the connection.
    pub local: SocketAddr,
    /// How many endpoints were connected to or sent to, in vain or not: 1 when all went well.
    pub attempts: u32,
}

/// A request in the form that its upstream's protocol wants.
enum WayOut<B> {
    Written(Box<Message<B>>),
    Multiplexed(Box<Request<RequestBody<B>>>),
}

impl<B> Client<B>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>,
{
    /// A client without connections yet.
    pub fn new() -> Self {
        Self {
            pool: Pool::new(),
            lines: Lines::new(),
            random: Rc::new(Random::new()),
            way: None,
        }
    }

    /// A client that reaches endpoints another way than by sockets, and chooses among them by numbers from `seed` on.
    pub fn by(way: Rc<dyn Connect>, seed: u64) -> Self {
        Self {
            pool: Pool::new(),
            lines: Lines::new(),
            random: Rc::new(Random(Cell::new(seed | 1))),
            way: Some(way),
        }
    }

    /// [`Client::forward`] for a request in one piece. Its URI must be in origin form (path and query), and its `host` header
    /// set; its version is of no matter.
    ///
    /// # Errors
    /// [`SendError`] tells whose fault it was.
    pub fn send<'a>(
        &'a self,
        upstream: &'a Upstream,
        request: Request<B>,
    ) -> impl Future<Output = Result<Sent, SendError>> + use<'a, B> {
        let (parts, body) = request.into_parts();
        let nowhere = HeaderValue::from_static("");
        let head = Head {
            method: &parts.method,
            target: parts.uri.path_and_query().map_or("/", |target| target.as_str()),
            host: parts.headers.get(HOST).unwrap_or(&nowhere),
            headers: &parts.headers,
        };
        self.forward(upstream, head, body)
    }

    /// Sends a request to an endpoint of `upstream` and waits for the head of the answer, however long that takes:
    /// dropping the future gives up and closes the connection.
    ///
    /// `host` is replaced when the upstream says so. A body that has already ended goes out without one, whatever
    /// `content-length` claims: a length that lies would take the next request on the connection for a body.
    ///
    /// A request of which no byte was written because a kept connection had been closed meanwhile goes to the next
    /// connection. One that was written, but answered with nothing, on a kept connection is repeated once on a fresh one,
    /// if it has no body and its method is idempotent. An endpoint that cannot be connected to is followed by the next, up
    /// to three.
    ///
    /// # Errors
    /// [`SendError`] tells whose fault it was.
    pub fn forward<'a>(
        &'a self,
        upstream: &'a Upstream,
        head: Head<'_>,
        body: B,
    ) -> impl Future<Output = Result<Sent, SendError>> + use<'a, B> {
        let picked = upstream.pick(|| self.random.next());
        let host = picked.and_then(|index| host(upstream, index)).unwrap_or(head.host);
        // Outside of the future, which stays small that way: it is part of the state of every client connection.
        let head = Head { host, ..head };
        let way_out = match upstream.protocol {
            Protocol::Http1 => WayOut::Written(Box::new(Message::new(head, body))),
            Protocol::Http2 => WayOut::Multiplexed(Box::new(lockgate_client::request(head, body))),
        };
        async move {
            let first = picked.ok_or(SendError::NoEndpoint)?;
            match way_out {
                WayOut::Written(message) => self.deliver(upstream, first, message).await,
                WayOut::Multiplexed(request) => Box::pin(self.multiplex(upstream, first, *request)).await,
            }
        }
    }

    async fn deliver(
        &self,
        upstream: &Upstream,
        first: usize,
        mut message: Box<Message<B>>,
    ) -> Result<Sent, SendError> {
        let mut index = first;
        let mut connects = 0;
        let mut attempts = 0;
        let mut is_repeated = false;
        loop {
            attempts += 1;
            let kept = if is_repeated {
                None
            } else {
                self.pool.take(upstream.endpoints()[index].address())
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
                            if let Some(host) = host(upstream, index) {
                                message.set_host(host);
                            }
                            continue;
                        }
                        Err(error) => return Err(error.after(attempts)),
                    }
                }
            };
            connection.keep = upstream.pool.keep;
            message = match connection.exchange(message).await {
                Ok(head) => return Ok(receive(head, connection, attempts)),
                Err(Failure::Unsent { message, .. }) if is_reused => {
                    attempts -= 1;
                    message
                }
                Err(Failure::Unanswered { message, .. }) if is_reused && message.is_bare && message.is_idempotent => {
                    is_repeated = true;
                    message
                }
                Err(failure) => return Err(explain(failure, connection.peer).after(attempts)),
            };
            message.rewind();
        }
    }

    /// The same in HTTP/2. A request without a body that an upstream has not looked at is repeated, and so is an idempotent one on a
    /// kept connection that broke; both once.
    async fn multiplex(
        &self,
        upstream: &Upstream,
        first: usize,
        request: Request<RequestBody<B>>,
    ) -> Result<Sent, SendError> {
        let has_no_body = request.body().is_end_stream();
        let is_idempotent = request.method().is_idempotent();
        let mut index = first;
        let mut request = Some(request);
        let (mut connects, mut attempts, mut is_repeated) = (0, 0, false);
        loop {
            attempts += 1;
            let endpoint = &upstream.endpoints()[index];
            let seat = match self
                .lines
                .seat(self.way.as_deref(), endpoint.address(), &upstream.pool)
                .await
            {
                Ok(seat) => seat,
                Err(error) => {
                    connects += 1;
                    if connects >= MOST_ENDPOINTS.min(upstream.endpoints().len()) {
                        return Err(error.after(attempts));
                    }
                    index = upstream.after(index);
                    continue;
                }
            };
            let mut sent = request
                .take()
                .expect("a request is put back wherever it is tried again");
            if let Some(host) = host(upstream, index) {
                sent.headers_mut().insert(HOST, host.clone());
            }
            lockgate_client::in_form(&mut sent, &endpoint.host);
            let spare = (has_no_body && !is_repeated).then(|| lockgate_client::again(&sent));
            let (peer, local, is_kept) = (seat.peer, seat.local, seat.is_kept);
            match (seat.exchange(sent).await, spare) {
                (Ok((response, place)), _) => {
                    return Ok(Sent {
                        response: response.map(|incoming| lockgate_client::multiplexed_body(incoming, place)),
                        endpoint: peer,
                        local,
                        attempts,
                    });
                }
                (Err(MultiplexFailure::Unsent(unsent)), _) if attempts <= MOST_LINES => request = Some(*unsent),
                (Err(MultiplexFailure::Unprocessed(_)), Some(spare)) => {
                    is_repeated = true;
                    request = Some(spare);
                }
                (Err(MultiplexFailure::Failed(_)), Some(spare)) if is_kept && is_idempotent => {
                    is_repeated = true;
                    request = Some(spare);
                }
                (Err(failure), _) => return Err(explain_multiplexed(failure, peer).after(attempts)),
            }
        }
    }

    async fn open(&self, upstream: &Upstream, index: usize) -> Result<Box<Connection<B>>, SendError> {
        let address = upstream.endpoints()[index].address();
        let socket = connect(self.way.as_deref(), address, upstream.pool.connect_timeout).await?;
        Connection::new(socket, address.clone(), upstream.pool.keep, &self.pool).map_err(|source| SendError::Connect {
            address: address.clone(),
            source,
            attempts: 1,
        })
    }
}

/// The host that the endpoint at `index` is to be asked for; `None` if it is the request's own.
fn host(upstream: &Upstream, index: usize) -> Option<&HeaderValue> {
    match &upstream.host {
        HostPolicy::Pass => None,
        HostPolicy::Endpoint => Some(&upstream.endpoints()[index].host),
        HostPolicy::Name(name) => Some(name),
    }
}

/// Hands an answer on. If all of it has come, the connection is free again.
fn receive<B>(head: AnswerHead, mut connection: Box<Connection<B>>, attempts: u32) -> Sent
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>,
{
    let (endpoint, local) = (connection.peer, connection.local);
    let body = match connection.whole() {
        Some(data) => {
            connection.give_back();
            PooledBody::whole(data)
        }
        None => PooledBody::open(connection),
    };
    let mut response = Response::new(body);
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers;
    Sent {
        response,
        endpoint,
        local,
        attempts,
    }
}

/// A failure that is not to be mended here, with the blame that it deserves.
fn explain<B>(failure: Failure<B>, peer: SocketAddr) -> SendError {
    match failure {
        Failure::Body(error) => SendError::RequestBody(error),
        Failure::Unsent { error, .. } | Failure::Unanswered { error, .. } | Failure::Failed(error) => match error {
            ConnectionError::Malformed(reason) => SendError::Protocol {
                peer,
                reason,
                attempts: 1,
            },
            source => SendError::Closed {
                peer,
                source,
                attempts: 1,
            },
        },
    }
}

fn explain_multiplexed<B>(failure: MultiplexFailure<B>, peer: SocketAddr) -> SendError {
    match failure {
        MultiplexFailure::Unsent(_) => SendError::Protocol {
            peer,
            reason: "its connections close as soon as they are open",
            attempts: 1,
        },
        MultiplexFailure::Failed(error) if error.is_user() => SendError::RequestBody(Box::new(error)),
        MultiplexFailure::Failed(error) if lockgate_client::is_malformed(&error) => SendError::Protocol {
            peer,
            reason: "it is not HTTP/2",
            attempts: 1,
        },
        MultiplexFailure::Unprocessed(source) | MultiplexFailure::Failed(source) => SendError::Closed {
            peer,
            source: ConnectionError::Http2(source),
            attempts: 1,
        },
    }
}

impl<B> Default for Client<B>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>,
{
    fn default() -> Self {
        Self::new()
    }
}

impl<B> Clone for Client<B>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>,
{
    fn clone(&self) -> Self {
        Self {
            pool: Rc::clone(&self.pool),
            lines: Rc::clone(&self.lines),
            random: Rc::clone(&self.random),
            way: self.way.clone(),
        }
    }
}

impl<B> fmt::Debug for Client<B>
where
    B: Body<Data = Bytes> + Unpin + 'static,
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
