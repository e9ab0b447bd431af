//! A request whose HTTP version the endpoint chooses (ALPN). Which one it is, is known only when there is a connection.
//!
//! An endpoint's last choice is remembered, so that requests look for a pooled connection of that version. Each new connection offers
//! both, so a changed mind is noticed.

use std::rc::Rc;

use bytes::Bytes;
use http::HeaderValue;
use http_body::Body;

use crate::alpn::{Alpn, Offer};
use crate::connect::{Connected, Connector, connect};
use crate::error::{AttemptError, BodyFailure};
use crate::h1::{self, H1Pool, H1Request};
use crate::h2::{self, Acquired, H2Pool, H2Request};
use crate::outgoing::OutgoingHead;
use crate::pool_settings::PoolSettings;
use crate::received::Received;
use crate::target::{Target, TransportSecurity};

/// A request whose HTTP version is not decided. It has the form of HTTP/2, of which the other one is made where it is wanted.
pub struct AutoRequest<B>(Form<B>);

#[allow(
    clippy::large_enum_variant,
    reason = "it lies in the box of its request; another one would cost every request"
)]
enum Form<B> {
    H2(H2Request<B>),
    /// Decided: a request that has gone out over HTTP/1.1 stays one.
    H1(Option<Box<H1Request<B>>>),
}

impl<B> AutoRequest<B>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>,
{
    /// The request that consists of a head and a body.
    pub fn new(head: OutgoingHead<'_>, body: B) -> Self {
        Self(Form::H2(H2Request::new(head, body)))
    }

    /// Replaces the host.
    pub fn set_host(&mut self, host: &HeaderValue) {
        match &mut self.0 {
            Form::H2(request) => request.set_host(host),
            Form::H1(Some(request)) => request.set_host(host),
            Form::H1(None) => {}
        }
    }

    /// The request in the form of HTTP/1.1. Only for one of which nothing has gone out.
    fn decide_h1(&mut self) -> &mut Option<Box<H1Request<B>>> {
        if let Form::H2(request) = &mut self.0 {
            self.0 = Form::H1(Some(Box::new(request.take_as_h1())));
        }
        match &mut self.0 {
            Form::H1(request) => request,
            Form::H2(_) => unreachable!("it was decided above"),
        }
    }
}

/// One worker's connections of both versions, and what makes further ones.
pub(crate) struct Ways<'a, B>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>,
{
    pub(crate) h1: &'a Rc<H1Pool<B>>,
    pub(crate) h2: &'a Rc<H2Pool>,
    pub(crate) connector: &'a Connector,
}

impl<B> Ways<'_, B>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>,
{
    /// Sends a request to `target` and waits for the head of the response, after so many times that it has gone out in vain.
    ///
    /// # Errors
    /// [`AttemptError`]. The request can be sent again if that says so.
    pub(crate) async fn send(
        &self,
        target: &Target,
        settings: &PoolSettings,
        request: &mut AutoRequest<B>,
        repeats: u32,
    ) -> Result<Received, AttemptError> {
        let sent = match &mut request.0 {
            Form::H1(request) => {
                let sent = h1::send(self.h1, self.connector, target, settings, request, repeats > 0).await;
                return sent.map(h1::H1Response::receive);
            }
            // What has gone out of its body is kept in pieces, for HTTP/2 alone.
            Form::H2(sent) if sent.has_begun() => {
                return h2::send(self.h2, self.connector, target, settings, sent, repeats > 1).await;
            }
            Form::H2(sent) => sent,
        };
        let connected = match self.speaks(target) {
            Some(Alpn::Http1) => {
                let pooled = if repeats > 0 { None } else { self.h1.take(target) };
                if let Some(connection) = pooled {
                    let sent = h1::send_on(connection, settings, request.decide_h1(), true).await;
                    return sent.map(h1::H1Response::receive);
                }
                let connected = connect(self.connector, target, Offer::Both, settings.connect_timeout).await;
                connected.map_err(AttemptError::not_connected)?
            }
            speaks => {
                // The endpoint is a new one in its group, and its connections are not.
                let pooled = if speaks.is_none() && repeats == 0 {
                    self.h1.take(target)
                } else {
                    None
                };
                if let Some(connection) = pooled {
                    let sent = h1::send_on(connection, settings, request.decide_h1(), true).await;
                    return sent.map(h1::H1Response::receive);
                }
                match h2::acquire(
                    self.h2,
                    self.connector,
                    target,
                    settings,
                    sent,
                    Offer::Both,
                    repeats > 1,
                )
                .await?
                {
                    Acquired::Stream(stream) => return h2::send_on(stream, target, settings, sent).await,
                    Acquired::Other(connected) => connected,
                }
            }
        };
        self.send_on(connected, target, settings, request).await
    }

    async fn send_on(
        &self,
        connected: Connected,
        target: &Target,
        settings: &PoolSettings,
        request: &mut AutoRequest<B>,
    ) -> Result<Received, AttemptError> {
        if let (Some(Alpn::Http2), Form::H2(sent)) = (connected.alpn, &mut request.0) {
            let stream = self.h2.adopt(connected, target, settings).await;
            let stream = stream.map_err(AttemptError::not_connected)?;
            return h2::send_on(stream, target, settings, sent).await;
        }
        let connection = h1::adopt(self.h1, connected, target, settings);
        let sent = h1::send_on(connection, settings, request.decide_h1(), false).await;
        sent.map(h1::H1Response::receive)
    }

    /// The version that the endpoint chose last. Where nothing is negotiated, it is HTTP/1.1.
    fn speaks(&self, target: &Target) -> Option<Alpn> {
        match &target.security {
            TransportSecurity::Tls(tls) if self.connector.substitute.is_none() => tls.speaks(),
            _ => Some(Alpn::Http1),
        }
    }
}
