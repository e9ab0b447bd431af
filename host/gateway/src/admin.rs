//! The admin API: health, readiness, metrics and what is live, on a listener of its own. It reads, and sets the trace of host
//! calls; it changes nothing of what is served.
//!
//! It runs on the control thread and knows nothing of snapshots and workers: what it shows is given to it. Health, readiness and
//! metrics are for everybody; the rest wants a token, or a loopback peer where no token is configured (`access`).

mod access;
mod report;
mod switch;

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use lockgate_http::inbound::{self, RequestIds, X_REQUEST_ID};
use lockgate_http::problem::{self, Problem};
use lockgate_telemetry::access_log::AccessLog;
use lockgate_telemetry::call_trace::TraceSwitch;
use lockgate_telemetry::metrics::Registry;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use access::Access;

pub use report::{
    Bucket, CpuReport, ModuleReport, PhaseReport, PluginDetail, PluginReport, PluginsReport, TrapLine, VmLine,
    WorkReport,
};

/// Connections that are served at a time; more wait.
const MOST_CONNECTIONS: usize = 64;
/// How long a request's head may take, and how long a connection may idle.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long nothing is accepted when the system has run out of something.
const RECOVERY: Duration = Duration::from_millis(100);
/// Seconds that a profile may take at most.
const LONGEST_PROFILE: u64 = 60;

/// Tells what is live. Asked anew for each request that wants to know.
pub trait PluginSource: Send + Sync {
    /// Every plugin and module as it is now.
    fn plugins(&self) -> Pin<Box<dyn Future<Output = PluginsReport> + Send + '_>>;

    /// One plugin from inside; none of that name.
    fn plugin<'a>(&'a self, name: &'a str) -> Pin<Box<dyn Future<Output = Option<PluginDetail>> + Send + 'a>>;

    /// Samples where a plugin's guests are, for so long: folded stacks. None of that name, or somebody else is at it.
    fn profile<'a>(
        &'a self,
        name: &'a str,
        duration: Duration,
    ) -> Pin<Box<dyn Future<Output = Option<String>> + Send + 'a>>;
}

/// What the admin API shows. Shared with whoever keeps it up to date.
pub struct AdminState {
    access: Access,
    registry: Registry,
    log: Option<Arc<AccessLog>>,
    live: ArcSwapOption<Box<dyn PluginSource>>,
    /// Whose host calls are logged.
    pub trace: Arc<TraceSwitch>,
    /// Whether requests are taken: the answer of `/readyz`.
    pub ready: AtomicBool,
}

impl AdminState {
    /// Not ready, with nothing live. Without a token only loopback peers learn more than health and metrics.
    pub fn new(token: Option<String>, registry: Registry) -> Self {
        Self {
            access: Access::new(token.as_deref()),
            registry,
            log: None,
            live: ArcSwapOption::empty(),
            trace: Arc::default(),
            ready: AtomicBool::new(false),
        }
    }

    /// With the access log that [`AdminState::reopen_logs`] means.
    pub fn with_log(self, log: Option<Arc<AccessLog>>) -> Self {
        Self { log, ..self }
    }

    /// What is live from now on.
    pub fn publish(&self, live: impl PluginSource + 'static) {
        self.live.store(Some(Arc::new(Box::new(live))));
    }

    /// Follows a log rotation.
    pub fn reopen_logs(&self) {
        if let Some(log) = &self.log {
            log.reopen();
        }
    }
}

impl fmt::Debug for AdminState {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("AdminState")
            .field("ready", &self.ready)
            .finish_non_exhaustive()
    }
}

/// Serves until `ended` changes or loses its sender; answers that are under way are finished.
pub async fn serve(listener: TcpListener, state: Arc<AdminState>, mut ended: watch::Receiver<()>) {
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
                let served = connection(stream, peer, state.clone(), ended.clone());
                tokio::spawn(async move {
                    served.await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "admin API cannot accept");
                tokio::time::sleep(RECOVERY).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, peer: SocketAddr, state: Arc<AdminState>, mut ended: watch::Receiver<()>) {
    let ids = RequestIds::new();
    let service = service_fn(move |request: Request<Incoming>| {
        let id = ids.next();
        let state = state.clone();
        async move { Ok::<_, Infallible>(answer(&state, peer, id, request).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
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
async fn answer(
    state: &AdminState,
    peer: SocketAddr,
    id: HeaderValue,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let mut response = page(state, peer, &parts, body).await.unwrap_or_else(|refused| {
        let (head, body) = match &refused {
            Refused::For(problem) => problem::respond(*problem, Some(&id)),
            Refused::Settings(reason) => problem::explain(Problem::BadSettings, reason, Some(&id)),
        };
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

/// Why a page is not shown.
enum Refused {
    For(Problem),
    /// What was sent makes no sense, and why.
    Settings(String),
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self::For(problem)
    }
}

async fn page(
    state: &AdminState,
    peer: SocketAddr,
    parts: &Parts,
    body: Incoming,
) -> Result<Response<Full<Bytes>>, Refused> {
    inbound::check_framing(parts).map_err(Problem::from)?;
    let path = parts.uri.path();
    if !matches!(path, "/healthz" | "/readyz" | "/metrics") {
        state.access.check(peer.ip(), &parts.headers)?;
    }
    if path == "/api/trace" {
        return switch::page(&state.trace, &parts.method, body).await;
    }
    if parts.method != Method::GET && parts.method != Method::HEAD {
        return Err(Problem::ReadOnly.into());
    }
    match path {
        "/healthz" => Ok(json(&serde_json::json!({ "status": "ok" }))),
        "/readyz" if state.ready.load(Ordering::Acquire) => Ok(json(&serde_json::json!({ "status": "ready" }))),
        "/readyz" => Err(Problem::NotReady.into()),
        "/metrics" => Ok(text(
            "text/plain; version=0.0.4; charset=utf-8",
            state.registry.render(),
        )),
        "/api/plugins" => {
            let live = state.live.load_full().ok_or(Problem::NotReady)?;
            Ok(json(&live.plugins().await))
        }
        _ => match path.strip_prefix("/api/plugins/") {
            Some(rest) => Ok(plugin_page(state, rest, parts.uri.query().unwrap_or_default()).await?),
            None => Err(Problem::NoPage.into()),
        },
    }
}

/// `/api/plugins/NAME` and what is below. Names are those of the configuration; `%2F` stands for a slash in one.
async fn plugin_page(state: &AdminState, rest: &str, query: &str) -> Result<Response<Full<Bytes>>, Problem> {
    let live = state.live.load_full().ok_or(Problem::NotReady)?;
    let (name, below) = rest
        .split_once('/')
        .map_or((rest, None), |(name, below)| (name, Some(below)));
    let name = name.replace("%2F", "/").replace("%3A", ":");
    match below {
        None => live
            .plugin(&name)
            .await
            .map(|detail| json(&detail))
            .ok_or(Problem::NoPage),
        Some("profile") => {
            let seconds = query
                .split('&')
                .find_map(|pair| pair.strip_prefix("seconds="))
                .map_or(Ok(5), str::parse::<u64>)
                .map_err(|_| Problem::NoPage)?;
            let duration = Duration::from_secs(seconds.clamp(1, LONGEST_PROFILE));
            let folded = live.profile(&name, duration).await.ok_or(Problem::NoPage)?;
            Ok(text("text/plain; charset=utf-8", folded))
        }
        Some(_) => Err(Problem::NoPage),
    }
}

fn json(value: &impl serde::Serialize) -> Response<Full<Bytes>> {
    match serde_json::to_vec(value) {
        Ok(body) => text("application/json", body),
        Err(error) => {
            tracing::error!(%error, "a report cannot be written as JSON");
            let mut response = Response::new(Full::default());
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        }
    }
}

fn text(kind: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

#[cfg(test)]
mod tests;
