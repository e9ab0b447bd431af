//! A request and its response, through whichever endpoint of an upstream gives one.

use std::net::SocketAddr;

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Request, Response};
use http_body::Body;
use lockgate_client::{
    Address, AttemptError, AutoRequest, BodyFailure, ConnectionPools, H1Request, H1Response, H2Request, Interim,
    OutgoingHead, PoolSettings, PooledBody, Protocol, Received, Target,
};

use crate::attempts::{self, Attempt};
use crate::client::Client;
use crate::error::SendError;
use crate::outcome::Outcome;
use crate::pick::Pick;
use crate::retry_policy::Repeatable;
use crate::upstream::Upstream;

/// A response, and where it came from.
#[derive(Debug)]
pub struct UpstreamResponse {
    /// The response. Its framing has been checked. It still has its hop-by-hop headers, except a `connection` that says no
    /// more than whether the connection stays open.
    pub response: Response<PooledBody>,
    /// The address of the endpoint.
    pub endpoint: SocketAddr,
    /// The address of this side.
    pub local: SocketAddr,
    /// The number of times that an endpoint was connected to or sent to, in vain or not: 1 when all went well.
    pub attempts: u32,
}

/// A request in the form that its upstream's protocol wants.
pub(crate) enum Outgoing<B> {
    H1(Box<H1Request<B>>),
    H2(Box<H2Request<B>>),
    Auto(Box<AutoRequest<B>>),
}

impl<B> Client<B>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>,
{
    /// [`Client::forward`] for a request in one piece. Its URI must be in origin form (path and query), and its `host` header
    /// set; its version does not matter.
    ///
    /// # Errors
    /// [`SendError`]: why there is no response.
    pub fn send<'a>(
        &'a self,
        upstream: &'a Upstream,
        request: Request<B>,
    ) -> impl Future<Output = Result<UpstreamResponse, SendError>> + use<'a, B> {
        let (parts, body) = request.into_parts();
        let no_host = HeaderValue::from_static("");
        let head = OutgoingHead {
            method: &parts.method,
            target: parts.uri.path_and_query().map_or("/", |target| target.as_str()),
            host: parts.headers.get(HOST).unwrap_or(&no_host),
            headers: &parts.headers,
            interim: &Interim::default(),
            upgrade: None,
        };
        self.forward(upstream, head, body, |_, _| {})
    }

    /// Sends a request to an endpoint of `upstream` and waits for the head of the response, however long that takes: dropping the
    /// future gives up and closes the connection.
    ///
    /// `host` is replaced when the upstream says so. A body that has already ended goes out without one, whatever
    /// `content-length` says: a length that lies would take the next request on the connection for a body.
    ///
    /// An endpoint that cannot be connected to is followed by the next, up to three. A request of which nothing was sent, because
    /// a pooled connection had been closed meanwhile, goes out on the next connection. One of which the endpoint cannot have read a
    /// byte, or which it says not to have processed, goes out again up to three times, with its body if that was kept. A request
    /// without a body is repeated once if its connection had been used before and brought no response, and its method is idempotent.
    ///
    /// `begin` gets the number and the address of each attempt as it begins.
    ///
    /// # Errors
    /// [`SendError`]: why there is no response.
    pub fn forward<'a, F>(
        &'a self,
        upstream: &'a Upstream,
        head: OutgoingHead<'_>,
        body: B,
        begin: F,
    ) -> impl Future<Output = Result<UpstreamResponse, SendError>> + use<'a, B, F>
    where
        F: FnMut(u32, &Address) + 'a,
    {
        let mut pick = Pick::first(upstream, || self.rng.next());
        let host = pick.as_ref().and_then(Pick::host).unwrap_or(head.host);
        let head = OutgoingHead { host, ..head };
        let repeatable = Repeatable::new(head.method, &body);
        // Outside of the future, which stays small that way: it is part of the state of every client connection.
        let request = Outgoing::new(upstream, head, body);
        async move {
            let pick = pick.as_mut().ok_or(SendError::NoEndpoint)?;
            // Not by `exchange`, whose future would be another one inside of this.
            let pools = &self.pools;
            let (received, attempts) = match request {
                Outgoing::H1(request) => {
                    let request = Some(request);
                    let (response, attempts) =
                        attempts::run(pick, repeatable, SendH1 { pools, request }, begin).await?;
                    (response.receive(), attempts)
                }
                Outgoing::H2(request) => {
                    Box::pin(attempts::run(pick, repeatable, SendH2 { pools, request }, begin)).await?
                }
                Outgoing::Auto(request) => {
                    Box::pin(attempts::run(pick, repeatable, SendAuto { pools, request }, begin)).await?
                }
            };
            let Received {
                mut response,
                peer,
                local,
            } = received;
            if let Some(lease) = pick.finish(Outcome::Status(response.status())) {
                response.body_mut().hold(lease);
            }
            Ok(UpstreamResponse {
                response,
                endpoint: peer,
                local,
                attempts,
            })
        }
    }
}

impl<B> Outgoing<B>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>,
{
    pub(crate) fn new(upstream: &Upstream, head: OutgoingHead<'_>, body: B) -> Self {
        match upstream.protocol() {
            Protocol::Http1 => Self::H1(Box::new(H1Request::new(head, body))),
            Protocol::Http2 => Self::H2(Box::new(H2Request::new(head, body))),
            // Only HTTP/1.1 has upgrades: nothing else is offered to the endpoint.
            Protocol::Auto if head.upgrade.is_some() => Self::H1(Box::new(H1Request::new(head, body))),
            Protocol::Auto => Self::Auto(Box::new(AutoRequest::new(head, body))),
        }
    }
}

impl<B> Client<B>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>,
{
    /// Sends a request to the endpoint that is picked, or to another one if that does no harm. Gives the number of attempts, too.
    pub(crate) async fn exchange(
        &self,
        pick: &mut Pick<'_>,
        repeatable: Repeatable,
        request: Outgoing<B>,
        begin: impl FnMut(u32, &Address),
    ) -> Result<(Received, u32), SendError> {
        let pools = &self.pools;
        match request {
            Outgoing::H1(request) => {
                let request = Some(request);
                let (response, attempts) = attempts::run(pick, repeatable, SendH1 { pools, request }, begin).await?;
                Ok((response.receive(), attempts))
            }
            Outgoing::H2(request) => Box::pin(attempts::run(pick, repeatable, SendH2 { pools, request }, begin)).await,
            Outgoing::Auto(request) => {
                Box::pin(attempts::run(pick, repeatable, SendAuto { pools, request }, begin)).await
            }
        }
    }
}

/// An attempt in HTTP/1.1.
struct SendH1<'a, B>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>,
{
    pools: &'a ConnectionPools<B>,
    request: Option<Box<H1Request<B>>>,
}

impl<B> Attempt for SendH1<'_, B>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>,
{
    type Output = H1Response<B>;

    fn attempt(
        &mut self,
        target: &Target,
        settings: &PoolSettings,
        repeats: u32,
    ) -> impl Future<Output = Result<H1Response<B>, AttemptError>> {
        self.pools.send_h1(target, settings, &mut self.request, repeats > 0)
    }

    fn set_host(&mut self, host: &HeaderValue) {
        if let Some(request) = &mut self.request {
            request.set_host(host);
        }
    }
}

/// An attempt in HTTP/2.
struct SendH2<'a, B>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>,
{
    pools: &'a ConnectionPools<B>,
    request: Box<H2Request<B>>,
}

impl<B> Attempt for SendH2<'_, B>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>,
{
    type Output = Received;

    fn attempt(
        &mut self,
        target: &Target,
        settings: &PoolSettings,
        repeats: u32,
    ) -> impl Future<Output = Result<Received, AttemptError>> {
        // Others wait for a new connection, too. The first stream on a connection is one that its endpoint takes.
        self.pools.send_h2(target, settings, &mut self.request, repeats > 1)
    }

    fn set_host(&mut self, host: &HeaderValue) {
        self.request.set_host(host);
    }
}

/// An attempt in the HTTP version that the endpoint chooses.
struct SendAuto<'a, B>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>,
{
    pools: &'a ConnectionPools<B>,
    request: Box<AutoRequest<B>>,
}

impl<B> Attempt for SendAuto<'_, B>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>,
{
    type Output = Received;

    fn attempt(
        &mut self,
        target: &Target,
        settings: &PoolSettings,
        repeats: u32,
    ) -> impl Future<Output = Result<Received, AttemptError>> {
        self.pools.send_auto(target, settings, &mut self.request, repeats)
    }

    fn set_host(&mut self, host: &HeaderValue) {
        self.request.set_host(host);
    }
}
