//! The life of a request: admitted, routed, through the chain, to the upstream, back through the chain, answered.
//!
//! Every way out of here is one answer. What fails on the way is a [`Stop`], and the chain's plugins that saw the
//! request also see the answer to it, whoever made it.

pub(crate) mod admission;
pub(crate) mod client_body;
pub(crate) mod connection_context;
pub(crate) mod deadline;
pub(crate) mod outbound;
pub(crate) mod recorder;
pub(crate) mod reroute;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use http::{HeaderValue, Method, Request, Response, Version, header};
use hyper::body::Incoming;
use lockgate_client::PooledBody;
use lockgate_exchange::{LocalResponse, ResponseHead, clock};
use lockgate_http::problem::{self, Problem};
use lockgate_http::{grpc, inbound, response_flags};
use lockgate_upstream::{SendError, Sent};

use crate::body::source::Source;
use crate::chain::outgoing::Outgoing;
use crate::chain::{Chain, Stop};
use crate::context::view::View;
use crate::pipeline::client_body::ClientBody;
use crate::pipeline::connection_context::Served;
use crate::pipeline::deadline::Deadline;
use crate::pipeline::recorder::Ledger;

/// The plugin or the gateway wants the connection (HTTP/1) or stream (HTTP/2) to end without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the exchange was reset")]
pub(crate) struct Reset;

/// Answers one request.
pub(crate) async fn answer(served: Rc<Served>, request: Request<Incoming>) -> Result<Response<ClientBody>, Reset> {
    let view = served.station.view();
    let is_head = request.method() == Method::HEAD;
    let admitted = admission::admit(&served, &view, request);
    let (route, started) = (admitted.route, admitted.started);
    let chain = Chain::new(admitted.exchange, view.chain(route), admitted.trace);
    let mut ledger = served.open_ledger(&view, route, &chain, admitted.body.meter());
    let mut deadline = served.deadline(&view, route, started);

    let outcome = match admitted.refused {
        Some(problem) => Err(Stop::Problem(problem)),
        None => forward(&served, &view, &chain, route, admitted.body, &mut deadline, &mut ledger).await,
    };
    let (first, source) = arrive(&chain, outcome)?;
    let source = match is_head {
        true => source.head_alone(chain.exchange.borrow_mut().response.as_mut()),
        false => source,
    };
    let body = match deadline.bound(Outgoing::response(&chain, first, source)).await {
        Ok(body) => body,
        // An answer made in the response phase goes to the client as it is.
        Err(stop) => Outgoing::Direct(arrive(&chain, Err(stop))?.1),
    };
    let close = served.station.draining.get() || admitted.ambiguous;
    let response = head(&chain, &body, close);
    ledger.answered(response.status(), deadline);
    Ok(response.map(|()| ClientBody::new(body, ledger)))
}

/// The request's way: through the chain, then to the upstream. The answer's head is in when this returns.
async fn forward(
    served: &Served,
    view: &View,
    chain: &Rc<Chain>,
    route: Option<usize>,
    source: Source,
    deadline: &mut Deadline,
    ledger: &mut Ledger,
) -> Result<Response<PooledBody>, Stop> {
    let body = deadline.bound(Outgoing::request(chain, source)).await?;
    let mut route = route;
    if chain.wants_another_route() {
        route = reroute::again(view, chain, route);
        let started = chain.exchange.borrow().info.started;
        *deadline = served.deadline(view, route, started);
        ledger.count_by(served.series(view, route));
    }
    let Some(route) = route else {
        return Err(Stop::Problem(Problem::NoRoute));
    };
    let index = choose_upstream(view, chain, route);
    let upstream = &view.snapshot.upstreams[index];
    let begun = clock::now();
    let route = &view.snapshot.model.routes[route];
    let sending = outbound::send(&served.station.client, upstream, chain, route, body);
    let outcome = until_stopped(chain, deadline, sending).await;
    let latency = begun.elapsed();
    let status = outcome.as_ref().ok().map(|sent| sent.response.status().as_u16());
    view.upstream_series(index).record(status, latency);
    let sent = outcome?;
    let mut exchange = chain.exchange.borrow_mut();
    let info = &mut exchange.info;
    info.upstream_address = Some(sent.endpoint);
    info.upstream_local = Some(sent.local);
    info.attempts = sent.attempts;
    info.upstream_latency = Some(latency);
    Ok(sent.response)
}

/// The upstream that a plugin chose, else the route's. A name that a reload has taken away counts as not chosen.
fn choose_upstream(view: &View, chain: &Chain, route: usize) -> usize {
    let mut exchange = chain.exchange.borrow_mut();
    let chosen = exchange
        .properties
        .get("lockgate.upstream")
        .and_then(|name| std::str::from_utf8(name).ok());
    let index = chosen
        .and_then(|name| view.snapshot.upstream(name))
        .map_or(view.snapshot.model.routes[route].upstream.0, |(index, _)| index);
    exchange.info.upstream = Some(view.snapshot.upstreams[index].name().clone());
    index
}

/// Waits for the upstream, unless its time is over or a plugin ends the exchange while the request's body is on the way.
async fn until_stopped(
    chain: &Chain,
    deadline: &mut Deadline,
    send: impl Future<Output = Result<Sent, SendError>>,
) -> Result<Sent, Stop> {
    let mut send = pin!(send);
    poll_fn(|cx| {
        if !chain.is_empty()
            && let Poll::Ready(stop) = chain.poll_stopped(cx)
        {
            return Poll::Ready(Err(stop));
        }
        match send.as_mut().poll(cx) {
            Poll::Ready(Ok(sent)) => Poll::Ready(Ok(sent)),
            // Sending may have failed because a plugin ended the request's body; then the plugin's word counts.
            Poll::Ready(Err(error)) => Poll::Ready(Err(chain.take_stopped().unwrap_or_else(|| {
                tracing::debug!(%error, "no answer from the upstream");
                outbound::failed(&mut chain.exchange.borrow_mut().info, &error);
                Stop::Problem(outbound::problem(&error))
            }))),
            Poll::Pending => deadline
                .poll_passed(cx)
                .map(|()| Err(Stop::Problem(Problem::UpstreamTimeout))),
        }
    })
    .await
}

/// Makes an answer of what the request's way came to: its head into the exchange, its body as a source, and the plugin
/// at which its way back begins.
fn arrive(chain: &Chain, outcome: Result<Response<PooledBody>, Stop>) -> Result<(Option<usize>, Source), Reset> {
    let mut exchange = chain.exchange.borrow_mut();
    let (head, first, source) = match outcome {
        Ok(response) => {
            let (parts, body) = response.into_parts();
            let mut headers = parts.headers;
            inbound::strip_response(&mut headers);
            exchange.info.code_details = Some("via_upstream".into());
            (
                ResponseHead {
                    status: parts.status,
                    headers,
                },
                chain.reached(),
                Source::upstream(body),
            )
        }
        Err(Stop::Reply(reply)) => {
            let LocalResponse {
                status,
                details,
                headers,
                body,
                grpc_status,
                position,
            } = *reply;
            exchange.info.code_details = Some(details.into());
            let (head, body) = grpc::in_form(&exchange.request, ResponseHead { status, headers }, body, grpc_status);
            (
                head,
                chain.reached().map(|reached| reached.min(position)),
                Source::whole(body),
            )
        }
        Err(Stop::Problem(problem)) => {
            exchange.info.code_details = Some(problem.code().into());
            exchange.info.flags |= response_flags::of(problem);
            let (head, body) = problem::respond(problem, Some(&exchange.info.request_id));
            let (head, body) = grpc::in_form(&exchange.request, head, body, None);
            (head, chain.reached(), Source::whole(body))
        }
        Err(Stop::Close) => return Err(Reset),
    };
    exchange.response = Some(head);
    Ok((first, source))
}

/// The answer's head as the client gets it.
fn head(chain: &Chain, body: &Outgoing, close: bool) -> Response<()> {
    let mut exchange = chain.exchange.borrow_mut();
    let head = if chain.looks_back() {
        exchange.response.clone()
    } else {
        exchange.response.take()
    };
    let head = head.expect("a response is in the exchange once it has arrived");
    let mut response = Response::new(());
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers;
    if body.is_chained() {
        // hyper writes the length that the body knows, or chunks.
        response.headers_mut().remove(header::CONTENT_LENGTH);
        body.announce_trailers(response.headers_mut());
    }
    if close && exchange.info.version <= Version::HTTP_11 {
        response
            .headers_mut()
            .insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
