//! Requests to upstreams with policies: circuit breakers and what stands in for an upstream, and what attempts need of the exchange.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use lockgate_client::{Address, OutgoingHead};
use lockgate_config::model::Route;
use lockgate_exchange::ResponseHead;
use lockgate_http::response_flags;
use lockgate_upstream::{
    BreakerPass, Criticality, Fallback, FixedAnswer, Observer, RequestHead, RequestOptions, SendError, Upstream,
    UpstreamResponse,
};

use crate::chain::message_body::MessageBody;
use crate::chain::{Chain, RouteReply, Stop};
use crate::context::view::View;
use crate::pipeline::connection_context::ConnectionContext;
use crate::pipeline::outbound::{self, Prepared};

/// The upstream that gets a request: the one at this index, unless its breaker is open and another stands in for it.
///
/// # Errors
/// The answer of the gateway in its place.
pub(crate) fn admit<'a>(
    view: &'a View,
    chain: &Chain,
    mut index: usize,
) -> Result<(usize, Option<BreakerPass<'a>>), Stop> {
    loop {
        let upstream = &view.snapshot.upstreams[index];
        let error = match upstream.admit(|state| note_breaker(chain, state.as_str())) {
            Ok(pass) => return Ok((index, pass)),
            Err(error) => error,
        };
        outbound::failed(chain, &error);
        match upstream.fallback() {
            Some(Fallback::Answer(answer)) => return Err(Stop::Route(Box::new(reply(answer, chain)))),
            Some(Fallback::Upstream(name)) if let Some((other, upstream)) = view.snapshot.upstream(name) => {
                chain.exchange.borrow_mut().info.upstream = Some(upstream.name().clone());
                chain.take_cause();
                index = other;
            }
            _ => return Err(Stop::Problem(outbound::problem(&error))),
        }
    }
}

/// The state of the first breaker that the request met.
fn note_breaker(chain: &Chain, state: &'static str) {
    chain.exchange.borrow_mut().info.breaker.get_or_insert(state);
}

fn reply(answer: &FixedAnswer, chain: &Chain) -> RouteReply {
    if answer.status < 400 {
        // No failure to the client, and the log has said that the breaker has opened.
        chain.take_cause();
    }
    let mut headers = HeaderMap::with_capacity(answer.headers.len() + 1);
    if !answer.body.is_empty() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    }
    for (name, value) in &answer.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
    RouteReply {
        head: ResponseHead {
            status: StatusCode::from_u16(answer.status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE),
            headers,
        },
        body: Bytes::from(answer.body.clone()),
        details: "circuit_open",
        cause: None,
    }
}

/// Sends the request to `upstream`, as often as its policies and those of the route allow.
#[expect(
    clippy::too_many_arguments,
    reason = "what `outbound::send` takes, and the breaker's pass"
)]
pub(crate) fn send<'a>(
    connection: &'a ConnectionContext,
    view: &'a View,
    upstream: &'a Upstream,
    pass: Option<BreakerPass<'a>>,
    chain: &'a Chain,
    route: &'a Route,
    path: Option<PathAndQuery>,
    body: MessageBody,
) -> impl Future<Output = Result<UpstreamResponse, SendError>> + 'a {
    let head = Head {
        prepared: Prepared::new(path, &body),
        chain,
        connection,
    };
    let body = head.write(|head| outbound::mirrored(connection, view, route, &head, body));
    let options = RequestOptions {
        route: route.request_policy(),
        criticality: criticality(chain),
    };
    async move {
        let (client, watch) = (&connection.worker.client, Watch(chain));
        let sending = client.forward_with_policies(upstream, pass, &head, body, options, &watch);
        sending.await
    }
}

/// The property by which a plugin says how critical a request is: `low`, `normal` or `high`.
const CRITICALITY: &str = "lockgate.criticality";

fn criticality(chain: &Chain) -> Criticality {
    let exchange = chain.exchange.borrow();
    let value = exchange.properties.get(CRITICALITY);
    let name = value.and_then(|value| std::str::from_utf8(value).ok());
    name.and_then(Criticality::from_name).unwrap_or_default()
}

/// The head of the request as the exchange has it.
struct Head<'a> {
    prepared: Prepared,
    chain: &'a Chain,
    connection: &'a ConnectionContext,
}

impl RequestHead for Head<'_> {
    fn method(&self) -> Method {
        self.chain.exchange.borrow().request.method.clone()
    }

    fn write<T>(&self, write: impl FnOnce(OutgoingHead<'_>) -> T) -> T {
        self.prepared.with_head(self.chain, &self.connection.interim, write)
    }
}

/// Notes in the exchange what happens to the request.
struct Watch<'a>(&'a Chain);

impl Observer for Watch<'_> {
    fn begin(&self, attempt: u32, address: &Address) {
        outbound::note_attempt(&mut self.0.exchange.borrow_mut().info, attempt, address);
    }

    fn retries_exhausted(&self) {
        self.0.exchange.borrow_mut().info.flags |= response_flags::UPSTREAM_RETRY_LIMIT_EXCEEDED;
    }

    fn is_overdue(&self) -> bool {
        self.0.exchange.borrow().info.flags & response_flags::UPSTREAM_REQUEST_TIMEOUT != 0
    }
}
