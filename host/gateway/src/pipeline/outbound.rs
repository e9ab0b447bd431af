//! The request as the upstream gets it, and the problem that a failed attempt is to the client.

use std::borrow::Cow;
use std::error::Error;
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{HeaderValue, Version, header};
use lockgate_client::{Address, Interim, OutgoingHead};
use lockgate_config::model::Route;
use lockgate_exchange::StreamInfo;
use lockgate_http::problem::{Malformed, Problem, Timeout};
use lockgate_http::{inbound, path, response_flags};
use lockgate_routing::{ChangedPath, PathChange};
use lockgate_upstream::{SendError, TimeLimit, Upstream, UpstreamResponse, in_words};

use crate::body::error::BodyError;
use crate::chain::message_body::MessageBody;
use crate::chain::{Chain, Stop};
use crate::context::view::View;
use crate::pipeline::connection_context::ConnectionContext;
use crate::pipeline::{mirror, upgrade};

/// The path that the route's rewrite makes of the request's; none without a rewrite.
///
/// # Errors
/// It is no normal path.
pub(crate) fn rewritten_path(
    connection: &ConnectionContext,
    view: &View,
    chain: &Chain,
    route: &Route,
) -> Result<Option<PathAndQuery>, Stop> {
    let Some(change) = &route.rewrite else {
        return Ok(None);
    };
    let exchange = chain.exchange.borrow();
    changed_path(change, route, &exchange.request.path, connection, view).map_err(|problem| {
        chain.note_cause("the route's rewrite made no normal path of the request's path");
        Stop::Problem(problem)
    })
}

/// Sends the request to `upstream`, with this path if its route changes it. Its head is written as it is in the exchange, which keeps it. Interim responses go to the
/// connection's client, unless it speaks HTTP/1.0, which has none. Copies for the route's mirrors go out beside it.
pub(crate) fn send<'a>(
    connection: &'a ConnectionContext,
    view: &View,
    upstream: &'a Upstream,
    chain: &Chain,
    route: &Route,
    path: Option<PathAndQuery>,
    body: MessageBody,
) -> impl Future<Output = Result<UpstreamResponse, SendError>> + use<'a> {
    let prepared = Prepared::new(path, &body);
    let seen = chain.exchange.clone();
    let begin = move |attempts, address: &Address| note_attempt(&mut seen.borrow_mut().info, attempts, address);
    prepared.with_head(chain, &connection.interim, |head| {
        let body = mirrored(connection, view, route, &head, body);
        connection.worker.client.forward(upstream, head, body, begin)
    })
}

/// The body of a request, of which the route's mirrors get copies.
pub(super) fn mirrored(
    connection: &ConnectionContext,
    view: &View,
    route: &Route,
    head: &OutgoingHead<'_>,
    body: MessageBody,
) -> MessageBody {
    match &route.policy {
        // A copy of an upgrade would open a tunnel with nobody behind it.
        Some(policy) if !policy.mirrors.is_empty() && head.upgrade.is_none() => {
            mirror::copy(connection, view, &policy.mirrors, head, body)
        }
        _ => body,
    }
}

/// Notes that an attempt begins.
pub(super) fn note_attempt(info: &mut StreamInfo, attempts: u32, address: &Address) {
    info.attempts = attempts;
    info.upstream_address = match address {
        Address::Socket(socket) => Some(*socket),
        Address::Name(..) => None,
    };
}

/// What the head of a request has that is not in the exchange.
pub(super) struct Prepared {
    /// The path in place of the request's.
    path: Option<PathAndQuery>,
    /// Plugins may change the body's length.
    is_filtered: bool,
    /// The trailers that the body has to announce.
    trailer: Option<HeaderValue>,
}

impl Prepared {
    pub(super) fn new(path: Option<PathAndQuery>, body: &MessageBody) -> Self {
        Self {
            path,
            is_filtered: body.is_filtered(),
            trailer: body.settled_trailers(),
        }
    }

    /// Shows the head as the upstream gets it. Interim responses go to `interim`, unless the client speaks HTTP/1.0, which has none.
    pub(super) fn with_head<T>(
        &self,
        chain: &Chain,
        interim: &Interim,
        write: impl FnOnce(OutgoingHead<'_>) -> T,
    ) -> T {
        let exchange = chain.exchange.borrow();
        let request = &exchange.request;
        // Plugins may have added hop-by-hop headers.
        let mut headers = match chain.is_empty() {
            true => Cow::Borrowed(&request.headers),
            false => inbound::without_hop_by_hop(request),
        };
        if self.is_filtered {
            let headers = headers.to_mut();
            headers.remove(header::CONTENT_LENGTH);
            if let Some(names) = &self.trailer {
                headers.entry(header::TRAILER).or_insert_with(|| names.clone());
            }
        }
        let offer = request
            .is_upgrade
            .then(|| upgrade::offer(request, exchange.info.version));
        let nobody = Interim::default();
        write(OutgoingHead {
            method: &request.method,
            target: self.path.as_ref().unwrap_or(&request.path).as_str(),
            host: &request.authority,
            headers: &headers,
            interim: match exchange.info.version >= Version::HTTP_11 {
                true => interim,
                false => &nobody,
            },
            upgrade: offer.as_ref(),
        })
    }
}

/// The path that a change of the route makes of the request's; none leaves it as it is.
///
/// # Errors
/// What the change has made is no normal path.
pub(crate) fn changed_path(
    change: &PathChange,
    route: &Route,
    target: &PathAndQuery,
    connection: &ConnectionContext,
    view: &View,
) -> Result<Option<PathAndQuery>, Problem> {
    // `OPTIONS *` has no path.
    if !target.as_str().starts_with('/') {
        return Ok(None);
    }
    match change.apply(target, &route.matches.path) {
        ChangedPath::Same => Ok(None),
        ChangedPath::Normal(changed) => Ok(Some(changed)),
        ChangedPath::Raw(text) => {
            let escaped = connection.listener(view).settings.escaped_slashes;
            let changed = path::rewritten(&text, target.query(), escaped);
            changed.map(Some).map_err(Problem::Malformed)
        }
    }
}

/// Notes what is known of a failed attempt.
pub(crate) fn failed(chain: &Chain, error: &SendError) {
    chain.note_cause(in_words(error));
    let info = &mut chain.exchange.borrow_mut().info;
    info.flags |= flags(error);
    info.upstream_address = error.endpoint().or(info.upstream_address);
    info.attempts = error.attempts();
}

/// Envoy's response flags of a failed attempt (`CoreResponseFlag`, as bits).
fn flags(error: &SendError) -> u64 {
    match error {
        SendError::NoEndpoint => response_flags::NO_HEALTHY_UPSTREAM,
        SendError::Connect { .. }
        | SendError::ConnectTimeout { .. }
        | SendError::Tls { .. }
        | SendError::TlsTimeout { .. } => response_flags::UPSTREAM_CONNECTION_FAILURE,
        SendError::Closed { .. } => response_flags::UPSTREAM_CONNECTION_TERMINATION,
        SendError::Protocol { .. } | SendError::HeadTooLarge { .. } => response_flags::UPSTREAM_PROTOCOL_ERROR,
        SendError::Timeout { .. } => response_flags::UPSTREAM_REQUEST_TIMEOUT,
        SendError::CircuitOpen { .. } | SendError::Shed { .. } => response_flags::UPSTREAM_OVERFLOW,
        SendError::RequestBody { .. } => 0,
    }
}

/// The problem that a failed attempt is to the client.
pub(crate) fn problem(error: &SendError) -> Problem {
    match error {
        SendError::NoEndpoint => Problem::NoEndpoint,
        SendError::ConnectTimeout { .. } | SendError::TlsTimeout { .. } => Problem::UpstreamTimeout(Timeout::Connect),
        SendError::Timeout { limit, .. } => Problem::UpstreamTimeout(match limit {
            TimeLimit::Try => Timeout::Try,
            TimeLimit::FirstByte => Timeout::FirstByte,
        }),
        SendError::CircuitOpen { retry_after, .. } => Problem::CircuitOpen(whole_seconds(*retry_after)),
        SendError::Shed { retry_after, .. } => Problem::ConcurrencyLimit(whole_seconds(*retry_after)),
        SendError::Protocol { .. } => Problem::UpstreamMalformed,
        SendError::HeadTooLarge { .. } => Problem::UpstreamHeadersTooLarge,
        SendError::RequestBody { .. } => match body_error(error) {
            Some(BodyError::TooLarge) => Problem::BodyTooLarge,
            _ => Problem::Malformed(Malformed::Body),
        },
        _ => Problem::UpstreamFailed,
    }
}

/// At least one second, and no fraction of one: for `Retry-After`.
fn whole_seconds(time: Duration) -> u32 {
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    u32::try_from(seconds.max(1)).unwrap_or(u32::MAX)
}

/// The error of the request's body, inside of the connection's error.
fn body_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a BodyError> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<BodyError>() {
            return Some(found);
        }
        next = error.source();
    }
    None
}
