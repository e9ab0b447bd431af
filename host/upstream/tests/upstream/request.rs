//! Requests through a client, as tests make them.

use std::net::SocketAddr;

use http::Request;
use http_body_util::BodyExt;
use lockgate_client::{Address, ConnectionError};
use lockgate_upstream::{Client, SendError, Upstream, UpstreamResponse, UpstreamSettings};

use crate::peer::TestBody;

pub(crate) type TestClient = Client<TestBody>;

pub(crate) fn settings(addresses: &[SocketAddr]) -> UpstreamSettings {
    UpstreamSettings::of(addresses.iter().copied().map(Address::Socket))
}

pub(crate) fn upstream(addresses: &[SocketAddr]) -> Upstream {
    Upstream::new("test", &settings(addresses))
}

/// Sends, reads the whole response, and gives its text.
pub(crate) async fn fetch(
    client: &TestClient,
    upstream: &Upstream,
    request: Request<TestBody>,
) -> Result<String, SendError> {
    let sent = client.send(upstream, request).await?;
    Ok(read(sent).await.expect("a complete body"))
}

pub(crate) async fn read(sent: UpstreamResponse) -> Result<String, ConnectionError> {
    let bytes = sent.response.into_body().collect().await?.to_bytes();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
