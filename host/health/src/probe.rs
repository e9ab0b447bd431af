//! A probe: one connection to one target, and what comes back on it within the time limit.

mod grpc;
mod http_status;

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue};
use http_body::Body;
use http_body_util::Full;
use lockgate_client::{
    AutoRequest, ConnectionPools, H1Request, H2Request, Interim, OutgoingHead, PooledBody, Protocol, Received, Resolve,
    Target, TransportSecurity,
};

use crate::check::{Check, Probe};
use crate::failure::ProbeFailure;
use crate::request::ProbeRequest;

/// The maximum bytes of a response's body that are read. A longer one is not read to its end.
const MAX_BODY: usize = 64 * 1024;

/// The connections of one probe.
type Pools = ConnectionPools<Full<Bytes>>;

/// Probes an endpoint once, on a connection of its own. `resolver` knows the addresses of host names; without one, the system is asked. Must be called within a [`tokio::task::LocalSet`] or a local runtime.
///
/// # Errors
/// Why the probe failed; that it took longer than the check's time limit among the reasons.
pub async fn probe(check: &Check, endpoint: &Target, resolver: Option<&Arc<dyn Resolve>>) -> Result<(), ProbeFailure> {
    let target = check.target(endpoint);
    let attempt = async {
        let pools = match resolver {
            Some(resolver) => Pools::with_resolver(resolver.clone()),
            None => Pools::new(),
        };
        match &check.probe {
            Probe::Tcp => {
                let connected = pools.connect(&target, &check.pool()).await;
                connected
                    .map(drop)
                    .map_err(|error| ProbeFailure::of_connect(error, check.timeout))
            }
            Probe::Http {
                protocol,
                request,
                expect,
            } => http_status::probe(check, &pools, &target, *protocol, request, expect).await,
            Probe::Grpc(request) => grpc::probe(check, &pools, &target, request).await,
        }
    };
    match tokio::time::timeout(check.timeout, attempt).await {
        Ok(outcome) => outcome,
        Err(_) => Err(ProbeFailure::Timeout(check.timeout)),
    }
}

/// Sends a request on a fresh connection.
async fn send(
    check: &Check,
    pools: &Pools,
    target: &Target,
    protocol: Protocol,
    request: &ProbeRequest,
) -> Result<Received, ProbeFailure> {
    let own_host;
    let host = match &request.host {
        Some(host) => host,
        None => {
            own_host = HeaderValue::from_str(&target.address.to_string())
                .map_err(|_| ProbeFailure::Broken("the address cannot be a host".to_owned()))?;
            &own_host
        }
    };
    let head = OutgoingHead {
        method: &request.method,
        target: &request.path,
        host,
        headers: &request.headers,
        interim: &Interim::default(),
        upgrade: None,
    };
    let body = Full::new(request.body.clone());
    let pool = check.pool();
    let received = match protocol {
        Protocol::Auto if target.security != TransportSecurity::ClearText => {
            let mut request = AutoRequest::new(head, body);
            pools.send_auto(target, &pool, &mut request, 0).await
        }
        // In clear text, nothing is agreed on.
        Protocol::Http1 | Protocol::Auto => {
            let mut request = Some(Box::new(H1Request::new(head, body)));
            let response = pools.send_h1(target, &pool, &mut request, true).await;
            response.map(|response| response.receive())
        }
        Protocol::Http2 => {
            let mut request = H2Request::new(head, body);
            pools.send_h2(target, &pool, &mut request, true).await
        }
    };
    received.map_err(|failure| ProbeFailure::of_attempt(failure, check.timeout))
}

/// The rest of a response: its body and trailers, the body up to [`MAX_BODY`].
async fn receive(mut body: PooledBody) -> Result<(Bytes, Option<HeaderMap>), ProbeFailure> {
    let mut data = BytesMut::new();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        match frame.map_err(ProbeFailure::of_connection)?.into_data() {
            Ok(piece) => data.extend_from_slice(&piece),
            Err(frame) => return Ok((data.freeze(), frame.into_trailers().ok())),
        }
        if data.len() > MAX_BODY {
            break;
        }
    }
    Ok((data.freeze(), None))
}
