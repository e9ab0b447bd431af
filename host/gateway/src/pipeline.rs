//! The life of a request: admitted, routed, through the chain, to the upstream, back through the chain, answered.
//!
//! Every path ends in one response. A failure on the way is a [`Stop`], and the chain's plugins that saw the
//! request also see the response to it, whoever made it.

pub(crate) mod admission;
pub(crate) mod client_body;
pub(crate) mod connection_context;
pub(crate) mod deadline;
pub(crate) mod fault;
pub(crate) mod filter;
pub(crate) mod local;
pub(crate) mod mirror;
pub(crate) mod outbound;
pub(crate) mod recorder;
pub(crate) mod reroute;
pub(crate) mod resilient;
pub(crate) mod tunnel;
pub(crate) mod upgrade;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode, Version, header};
use http_body::Body;
use http_body_util::BodyExt;
use lockgate_client::PooledBody;
use lockgate_config::model::Destination;
use lockgate_exchange::{LocalResponse, ResponseHead, VIA_UPSTREAM, clock};
use lockgate_http::problem::{self, Problem, Timeout};
use lockgate_http::{grpc, inbound, response_flags};
use lockgate_upstream::{SendError, UpstreamResponse};

use crate::body::source::BodySource;
use crate::chain::message_body::MessageBody;
use crate::chain::{Chain, Stop};
use crate::context::view::{RouteView, View};
use crate::pipeline::admission::Admission;
use crate::pipeline::client_body::ClientBody;
use crate::pipeline::connection_context::ConnectionContext;
use crate::pipeline::deadline::Deadline;
use crate::pipeline::recorder::RequestRecorder;

/// The end of an exchange that has no response for the server of its connection to write.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoResponse {
    /// A reset of the connection (HTTP/1) or stream (HTTP/2).
    #[error("the exchange was reset")]
    Reset,
    /// A tunnel, which waits in [`ConnectionContext::tunnel`].
    #[error("the connection speaks another protocol")]
    Tunnel,
}

/// Answers one request: it is admitted, filtered by the chain, attempted at the upstream, and responded to.
pub(crate) fn answer(
    connection: Rc<ConnectionContext>,
    parts: Parts,
    body: BodySource,
) -> impl Future<Output = Result<Response<ClientBody>, NoResponse>> {
    let view = connection.worker.view();
    let (is_head, version) = (parts.method == Method::HEAD, parts.version);
    // Outside of the future, which stays small that way: it is moved more than once.
    let admitted = admission::admit(&connection, &view, parts, body);
    answer_admitted(connection, view, admitted, is_head, version)
}

async fn answer_admitted(
    connection: Rc<ConnectionContext>,
    view: Rc<View>,
    admitted: Admission,
    is_head: bool,
    version: Version,
) -> Result<Response<ClientBody>, NoResponse> {
    let route = admitted.route;
    let chain = Chain::new(admitted.exchange, route.chain(), admitted.trace);
    let mut recorder = connection.start_recorder(&view, &route, &chain, admitted.body.counter());
    let mut deadline = connection.deadline(&view, &route, admitted.started, admitted.body.counter());

    let outcome = match admitted.refused {
        Some(problem) => Err(Stop::Problem(problem)),
        None => {
            forward(
                &connection,
                &view,
                &chain,
                route,
                admitted.body,
                &mut deadline,
                &mut recorder,
            )
            .await
        }
    };
    let mut is_local = outcome.is_err();
    deadline.answered();
    let (first, source) = respond(&chain, outcome).inspect_err(|_| recorder.closed())?;
    let source = match is_head {
        true => source.without_body(chain.exchange.borrow_mut().response.as_mut()),
        false => source,
    };
    let body = match deadline.bound(filter::response(&chain, first, source)).await {
        Ok(body) => body,
        // A response made in the response phase goes to the client as it is.
        Err(stop) => {
            is_local = true;
            MessageBody::Direct(respond(&chain, Err(stop)).inspect_err(|_| recorder.closed())?.1)
        }
    };
    let close = connection.worker.draining.get() || admitted.ambiguous || must_close(&chain, &body, version);
    let mut response = head(&chain, &body, close);
    let status = response.status();
    let body = match is_local && is_grpc(&chain) {
        true => Box::pin(grpc_form(&mut response, body, &mut deadline, &mut recorder)).await,
        false => body,
    };
    recorder.answered(status, version, deadline);
    if body.is_end_stream() {
        // Its sender asks for no body, so that nobody else would say that the response is complete.
        recorder.complete();
        recorder.note_grpc_status(response.headers());
        if chain.exchange.borrow().request.is_upgrade {
            return upgrade::respond(&connection, response, body, recorder);
        }
    }
    Ok(response.map(|()| ClientBody::new(body, recorder)))
}

/// The request's way: filtered by the chain, then attempted at the upstream. The response's head is in when this returns.
async fn forward(
    connection: &ConnectionContext,
    view: &View,
    chain: &Rc<Chain>,
    mut route: Rc<RouteView>,
    source: BodySource,
    deadline: &mut Deadline,
    recorder: &mut RequestRecorder,
) -> Result<Response<PooledBody>, Stop> {
    let body = deadline.bound(filter::request(chain, source)).await?;
    if chain.wants_another_route(&view.snapshot.routes) {
        route = reroute::match_again(view, chain, route);
        let started = chain.exchange.borrow().info.started;
        deadline.set_total(route.due(started));
        deadline.set_silence(connection.silence(view, &route, None));
        recorder.count_by(connection.series(view, &route));
    }
    let Some(settings) = route.settings() else {
        return Err(Stop::Problem(Problem::NoRoute));
    };
    if let Some(policy) = &settings.policy {
        Box::pin(fault::inject(&connection.worker, chain, policy, deadline)).await?;
    }
    let (default, is_bounded) = match &settings.destination {
        Destination::Upstream(upstream) => (upstream.0, !chain.exchange.borrow().info.rerouted),
        Destination::Split(_) => (view.chosen_branch(&chain.exchange.borrow()), false),
        Destination::Redirect(redirect) => return Err(local::redirect(redirect, settings, chain, connection, view)),
        Destination::Respond(response) => return Err(local::respond(response)),
    };
    let index = view.choose_upstream(&mut chain.exchange.borrow_mut(), default);
    let (index, pass) = match view.snapshot.upstreams[index].has_policies() {
        true => resilient::admit(view, chain, index)?,
        false => (index, None),
    };
    let upstream = &view.snapshot.upstreams[index];
    if index != default || !is_bounded {
        deadline.set_silence(connection.silence(view, &route, Some(index)));
    }
    upgrade::check(chain, settings, upstream)?;
    let begun = clock::now();
    let path = outbound::rewritten_path(connection, view, chain, settings)?;
    let outcome = if upstream.has_policies() || settings.request_policy().is_some() {
        let sending = resilient::send(connection, view, upstream, pass, chain, settings, path, body);
        Box::pin(attempt(chain, deadline, sending)).await
    } else {
        let sending = outbound::send(connection, view, upstream, chain, settings, path, body);
        attempt(chain, deadline, sending).await
    };
    let latency = clock::now().saturating_duration_since(begun);
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

/// Waits for the upstream, unless its time is over or a plugin ends the exchange while the request's body is on the way.
async fn attempt(
    chain: &Chain,
    deadline: &mut Deadline,
    send: impl Future<Output = Result<UpstreamResponse, SendError>>,
) -> Result<UpstreamResponse, Stop> {
    let mut send = pin!(send);
    poll_fn(|cx| {
        if !chain.is_empty()
            && let Poll::Ready(stop) = chain.poll_stopped(cx)
        {
            return Poll::Ready(Err(stop));
        }
        match send.as_mut().poll(cx) {
            Poll::Ready(Ok(sent)) => Poll::Ready(Ok(sent)),
            // The attempt may have failed because a plugin stopped the request's body; then the plugin's decision counts.
            Poll::Ready(Err(error)) => Poll::Ready(Err(chain.take_stopped().unwrap_or_else(|| {
                outbound::failed(chain, &error);
                Stop::Problem(outbound::problem(&error))
            }))),
            Poll::Pending => deadline.poll_passed(cx, 0).map(|overdue| {
                let problem = deadline.problem(overdue);
                chain.note_cause(match problem {
                    Problem::UpstreamTimeout(Timeout::FirstByte) => {
                        "the upstream sent no response within timeouts.first_byte"
                    }
                    Problem::UpstreamTimeout(_) => "the upstream sent no response within the route's timeout",
                    _ => "the client sent no more of the request's body in time",
                });
                // What is given up with the attempt learns from the flag why.
                chain.exchange.borrow_mut().info.flags |= response_flags::of(problem);
                Err(Stop::Problem(problem))
            }),
        }
    })
    .await
}

/// Makes the response: its head goes into the exchange, its body is a source; returned with the position of the plugin
/// at which the response phase begins.
fn respond(
    chain: &Chain,
    outcome: Result<Response<PooledBody>, Stop>,
) -> Result<(Option<usize>, BodySource), NoResponse> {
    let mut exchange = chain.exchange.borrow_mut();
    let (head, first, source) = match outcome {
        Ok(response) => {
            let (parts, body) = response.into_parts();
            let mut headers = parts.headers;
            inbound::strip_response_head(parts.status, &mut headers);
            exchange.info.code_details = Some(VIA_UPSTREAM.into());
            (
                ResponseHead {
                    status: parts.status,
                    headers,
                },
                chain.reached(),
                BodySource::upstream(body),
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
            if status.is_client_error() || status.is_server_error() {
                exchange.info.cause = Some(format!("plugin {} answered: {details}", chain.name(position)).into());
            }
            exchange.info.code_details = Some(details.into());
            let mut head = ResponseHead { status, headers };
            if grpc::is_grpc(&exchange.request) {
                grpc::name_status(&mut head, grpc_status);
            }
            (
                head,
                chain.reached().map(|reached| reached.min(position)),
                BodySource::whole(body),
            )
        }
        Err(Stop::Problem(problem)) => {
            exchange.info.code_details = Some(problem.code().into());
            let cause = chain.take_cause();
            exchange.info.cause = Some(cause.map_or(problem.detail().into(), Into::into));
            exchange.info.flags |= response_flags::of(problem);
            let (head, body) = problem::respond(problem, Some(&exchange.info.request_id));
            (head, chain.reached(), BodySource::whole(body))
        }
        Err(Stop::Route(reply)) => {
            exchange.info.code_details = Some(reply.details.into());
            exchange.info.cause = reply
                .cause
                .map(Into::into)
                .or_else(|| chain.take_cause().map(Into::into));
            (reply.head, chain.reached(), BodySource::whole(reply.body))
        }
        Err(Stop::Close) => return Err(NoResponse::Reset),
    };
    exchange.response = Some(head);
    Ok((first, source))
}

/// Whether a local response goes to a gRPC client.
fn is_grpc(chain: &Chain) -> bool {
    grpc::is_grpc(&chain.exchange.borrow().request)
}

/// Puts a local response into gRPC's form: the last step, when every plugin has seen it as it is. Without its body if that breaks off.
async fn grpc_form(
    response: &mut Response<()>,
    mut body: MessageBody,
    deadline: &mut Deadline,
    recorder: &mut RequestRecorder,
) -> MessageBody {
    let mut message = Vec::new();
    let whole = async {
        while let Some(Ok(frame)) = body.frame().await {
            let data = frame.data_ref().map_or(&b""[..], |data| data);
            let room = grpc::MAX_MESSAGE.saturating_sub(message.len());
            message.extend_from_slice(&data[..data.len().min(room)]);
        }
        Ok(())
    };
    // Too late is no reason to keep the status back.
    let _ = deadline.bound(whole).await;
    grpc::put_into_form(response, &message);
    recorder.note_grpc_status(response.headers());
    MessageBody::whole(Bytes::new())
}

/// Whether the connection cannot go on behind a response: its client has not sent what was waited for, or learns of the end of a body
/// without a length by the close alone.
fn must_close(chain: &Chain, body: &MessageBody, version: Version) -> bool {
    let exchange = chain.exchange.borrow();
    let status = exchange.response.as_ref().map(|head| head.status);
    let has_body = !matches!(status, Some(StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED));
    status == Some(StatusCode::REQUEST_TIMEOUT)
        || version < Version::HTTP_11 && has_body && !body.is_end_stream() && body.size_hint().exact().is_none()
}

/// The response's head as the client gets it.
fn head(chain: &Chain, body: &MessageBody, close: bool) -> Response<()> {
    let mut exchange = chain.exchange.borrow_mut();
    let head = if chain.reads_sent_headers() {
        exchange.response.clone()
    } else {
        exchange.response.take()
    };
    let head = head.expect("a response is in the exchange once it has arrived");
    let mut response = Response::new(());
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers;
    if body.is_filtered() {
        // hyper writes the length that the body knows, or chunks.
        response.headers_mut().remove(header::CONTENT_LENGTH);
        body.announce_trailers(response.headers_mut());
    }
    if close && exchange.info.version <= Version::HTTP_11 {
        response
            .headers_mut()
            .insert(header::CONNECTION, HeaderValue::from_static("close"));
        // The HTTP library adds `keep-alive` for an HTTP/1.0 client that asked for it, unless the response is HTTP/1.0, too.
        *response.version_mut() = exchange.info.version;
    }
    response
}
