//! The admin API: health, readiness, metrics and what is live, on a listener of its own. It reads, and sets the trace of host
//! calls; it changes nothing of what is served.
//!
//! It runs on the control thread and knows nothing of snapshots and workers: what it shows is given to it. Health, readiness and
//! metrics are for everybody; the rest wants a token, or a loopback peer where no token is configured (`access`).

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CACHE_CONTROL;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use lockgate_control::Handle;
use lockgate_http::inbound::{self, RequestIds, X_REQUEST_ID};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use crate::access::Access;
use crate::problem::ApiError;
use crate::respond::{CLIENT_TIMEOUT, json, text};
use crate::trace;

/// Connections that are served at a time; more wait.
const MOST_CONNECTIONS: usize = 64;
/// How long nothing is accepted when the system has run out of something.
const RECOVERY: Duration = Duration::from_millis(100);
/// Seconds that a profile may take at most.
const LONGEST_PROFILE: u64 = 60;

/// What every connection needs.
struct Api {
    handle: Handle,
    access: Access,
}

/// Serves until `ended` changes or loses its sender; answers that are under way are finished.
pub async fn serve(listener: TcpListener, handle: Handle, mut ended: watch::Receiver<()>) {
    let api = Arc::new(Api {
        access: Access::new(handle.token()),
        handle,
    });
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let accepted = async {
            let place = places.clone().acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            _ = ended.changed() => return,
            accepted = accepted => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let served = connection(stream, peer, api.clone(), ended.clone());
                tokio::spawn(async move {
                    served.await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "admin API: accept failed");
                tokio::time::sleep(RECOVERY).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, peer: SocketAddr, api: Arc<Api>, mut ended: watch::Receiver<()>) {
    let ids = RequestIds::new();
    let service = service_fn(move |request: Request<Incoming>| {
        let id = ids.next();
        let api = api.clone();
        async move { Ok::<_, Infallible>(answer(&api, peer, id, request).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(CLIENT_TIMEOUT);
    let mut served = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let outcome = tokio::select! {
        outcome = served.as_mut() => outcome,
        _ = ended.changed() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%peer, %error, "admin connection ended");
    }
}

/// The request's answer. A body that no page wants is never read: hyper closes the connection if there is one.
async fn answer(api: &Api, peer: SocketAddr, id: HeaderValue, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let mut response = page(api, peer, &parts, body).await.unwrap_or_else(|error| {
        let (head, body) = error.respond(&id);
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = head.status;
        *response.headers_mut() = head.headers;
        response
    });
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(X_REQUEST_ID, id);
    response
}

async fn page(api: &Api, peer: SocketAddr, parts: &Parts, body: Incoming) -> Result<Response<Full<Bytes>>, ApiError> {
    inbound::check_framing(parts)?;
    let path = parts.uri.path();
    if !matches!(path, "/healthz" | "/readyz" | "/metrics") {
        api.access.check(peer.ip(), &parts.headers)?;
    }
    if path == "/api/trace" {
        return trace::page(api.handle.trace(), &parts.method, body).await;
    }
    if parts.method != Method::GET && parts.method != Method::HEAD {
        return Err(ApiError::MethodNotAllowed("GET, HEAD"));
    }
    match path {
        "/healthz" => Ok(json(&serde_json::json!({ "status": "ok" }))),
        "/readyz" if api.handle.is_ready() => Ok(json(&serde_json::json!({ "status": "ready" }))),
        "/readyz" => Err(ApiError::NotReady),
        "/metrics" => Ok(text("text/plain; version=0.0.4; charset=utf-8", api.handle.metrics())),
        "/api/plugins" => {
            let live = api.handle.live().ok_or(ApiError::NotReady)?;
            Ok(json(&live.plugins().await))
        }
        _ => match path.strip_prefix("/api/plugins/") {
            Some(rest) => Ok(plugin_page(api, rest, parts.uri.query().unwrap_or_default()).await?),
            None => Err(ApiError::NotFound),
        },
    }
}

/// `/api/plugins/NAME` and what is below. Names are those of the configuration; `%2F` stands for a slash in one.
async fn plugin_page(api: &Api, rest: &str, query: &str) -> Result<Response<Full<Bytes>>, ApiError> {
    let live = api.handle.live().ok_or(ApiError::NotReady)?;
    let (name, below) = rest
        .split_once('/')
        .map_or((rest, None), |(name, below)| (name, Some(below)));
    let name = name.replace("%2F", "/").replace("%3A", ":");
    match below {
        None => live
            .plugin(&name)
            .await
            .map(|detail| json(&detail))
            .ok_or(ApiError::NotFound),
        Some("profile") => {
            let seconds = query
                .split('&')
                .find_map(|pair| pair.strip_prefix("seconds="))
                .map_or(Ok(5), str::parse::<u64>)
                .map_err(|_| ApiError::NotFound)?;
            let duration = Duration::from_secs(seconds.clamp(1, LONGEST_PROFILE));
            let folded = live.profile(&name, duration).await.ok_or(ApiError::NotFound)?;
            Ok(text("text/plain; charset=utf-8", folded))
        }
        Some(_) => Err(ApiError::NotFound),
    }
}

#[cfg(test)]
mod tests;
