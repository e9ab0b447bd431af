//! Attempts in HTTP/1.1, as tests make them.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Request};
use http_body::Body;
use http_body_util::BodyExt;
use lockgate_client::{
    Address, AttemptError, BodyFailure, ConnectionError, ConnectionPools, H1Request, H2Request, Interim, KeepAlive,
    OutgoingHead, PoolSettings, Received, ResponseHeadLimits, Target, UpgradeOffer,
};

use crate::peer::TestBody;

/// One worker's pools.
pub(crate) struct TestClient<B = TestBody>(ConnectionPools<B>)
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>;

/// A peer's address, and how connections to it are kept.
pub(crate) struct Endpoint {
    target: Target,
    pub(crate) settings: PoolSettings,
}

pub(crate) fn endpoint(address: SocketAddr) -> Endpoint {
    Endpoint {
        target: Target::clear_text(Address::Socket(address)),
        settings: PoolSettings {
            connect_timeout: Duration::from_secs(5),
            max_streams: 100,
            response_head: ResponseHeadLimits {
                bytes: 64 * 1024,
                fields: 128,
            },
            keep_alive: KeepAlive {
                idle_timeout: Duration::from_secs(60),
                max_idle: 256,
            },
        },
    }
}

impl<B> TestClient<B>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>,
{
    pub(crate) fn new() -> Self {
        Self(ConnectionPools::new())
    }

    /// Makes one attempt.
    pub(crate) async fn send(&self, to: &Endpoint, request: Request<B>) -> Result<Received, AttemptError> {
        let (parts, body) = request.into_parts();
        let no_host = HeaderValue::from_static("");
        let head = OutgoingHead {
            interim: &Interim::default(),
            upgrade: None,
            method: &parts.method,
            target: parts.uri.path_and_query().map_or("/", |target| target.as_str()),
            host: parts.headers.get(HOST).unwrap_or(&no_host),
            headers: &parts.headers,
        };
        let mut request = Some(Box::new(H1Request::new(head, body)));
        let response = self.0.send_h1(&to.target, &to.settings, &mut request, false).await?;
        Ok(response.receive())
    }

    /// Makes one attempt of a request whose headers make this offer.
    pub(crate) async fn send_upgrade(
        &self,
        to: &Endpoint,
        request: Request<B>,
        offer: UpgradeOffer,
    ) -> Result<Received, AttemptError> {
        let (parts, body) = request.into_parts();
        let head = OutgoingHead {
            interim: &Interim::default(),
            upgrade: Some(&Rc::new(offer)),
            method: &parts.method,
            target: "/",
            host: &parts.headers[HOST],
            headers: &parts.headers,
        };
        let mut request = Some(Box::new(H1Request::new(head, body)));
        let response = self.0.send_h1(&to.target, &to.settings, &mut request, false).await?;
        Ok(response.receive())
    }

    /// Makes one attempt in HTTP/2.
    pub(crate) async fn send_h2(&self, to: &Endpoint, request: Request<B>) -> Result<Received, AttemptError> {
        self.send_h2_with(to, request, &Interim::default()).await
    }

    /// The same; interim responses are told.
    pub(crate) async fn send_h2_with(
        &self,
        to: &Endpoint,
        request: Request<B>,
        interim: &Interim,
    ) -> Result<Received, AttemptError> {
        let (parts, body) = request.into_parts();
        let no_host = HeaderValue::from_static("");
        let head = OutgoingHead {
            interim,
            upgrade: None,
            method: &parts.method,
            target: parts.uri.path_and_query().map_or("/", |target| target.as_str()),
            host: parts.headers.get(HOST).unwrap_or(&no_host),
            headers: &parts.headers,
        };
        let mut request = H2Request::new(head, body);
        self.0.send_h2(&to.target, &to.settings, &mut request, false).await
    }
}

/// Sends, reads the whole response, and gives its text.
pub(crate) async fn fetch(
    client: &TestClient,
    to: &Endpoint,
    request: Request<TestBody>,
) -> Result<String, AttemptError> {
    let received = client.send(to, request).await?;
    Ok(read(received).await.expect("a complete body"))
}

pub(crate) async fn read(received: Received) -> Result<String, ConnectionError> {
    let bytes = received.response.into_body().collect().await?.to_bytes();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
