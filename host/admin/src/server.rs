//! The server of the admin API: connections, access, dispatch by the table of `routes`.
//!
//! It runs on the control thread and knows nothing of snapshots and workers. Open routes need no token; all other paths, unknown ones
//! included, do (`access`).

mod connections;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::header::CACHE_CONTROL;
use http::request::Parts;
use http::{HeaderValue, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use lockgate_control::Handle;
use lockgate_http::inbound::{self, RequestIds, X_REQUEST_ID};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use self::connections::{Connections, OpenConnection};
use crate::access::Access;
use crate::api::Call;
use crate::error::ApiError;
use crate::response::ApiResponse;
use crate::routes::{Names, Route};

/// Pause after a failed accept: the system may have run out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Maximum time for a request's head, and for an idle connection.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// What all connections share.
struct Api {
    handle: Handle,
    access: Access,
}

/// Serves until `shutdown` changes or loses its sender; requests in progress are finished.
pub async fn serve(listener: TcpListener, handle: Handle, mut shutdown: watch::Receiver<()>) {
    let api = Arc::new(Api {
        access: Access::new(handle.token()),
        handle,
    });
    let connections = Connections::default();
    loop {
        let accepted = tokio::select! {
            _ = shutdown.changed() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (open, closed) = connections.open();
                let connection = serve_connection(stream, peer, api.clone(), Arc::new(open), shutdown.clone());
                tokio::spawn(async move {
                    tokio::select! {
                        () = connection => {}
                        _ = closed => tracing::debug!(%peer, "admin API: too many connections; an unused one is closed"),
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "admin API: accept failed; the listener tries again");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve_connection(
    stream: TcpStream,
    peer: SocketAddr,
    api: Arc<Api>,
    open: Arc<OpenConnection>,
    mut shutdown: watch::Receiver<()>,
) {
    let ids = RequestIds::new();
    let service = service_fn(move |request: Request<Incoming>| {
        let id = ids.next();
        let (api, open) = (api.clone(), open.clone());
        async move {
            let _handling = open.handle();
            Ok::<_, Infallible>(respond(&api, peer, id, request).await)
        }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        _ = shutdown.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%peer, %error, "admin API: connection ended");
    }
}

/// The response to a request. A body that no handler reads is never read: hyper closes the connection if there is one.
async fn respond(api: &Api, peer: SocketAddr, id: HeaderValue, request: Request<Incoming>) -> ApiResponse {
    let (parts, body) = request.into_parts();
    let mut response = dispatch(api, peer, parts, body).await.unwrap_or_else(|error| {
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

/// Checks the request, finds its operation in the table of routes, and runs it.
async fn dispatch(api: &Api, peer: SocketAddr, parts: Parts, body: Incoming) -> Result<ApiResponse, ApiError> {
    inbound::check_framing(&parts)?;
    let found = Route::find(parts.uri.path());
    // Unknown paths need a token too: without one, no client learns which paths exist.
    if !found.as_ref().is_some_and(|(route, _)| route.is_open) {
        api.access.check(peer.ip(), &parts.headers)?;
    }
    let (route, Names { name, address }) = found.ok_or(ApiError::NotFound)?;
    let operation = route.operation(&parts.method)?;
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let call = Call {
        name,
        address,
        query,
        body,
    };
    operation.run(&api.handle, call).await
}

#[cfg(test)]
mod tests;
