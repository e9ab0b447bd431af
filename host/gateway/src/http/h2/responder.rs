//! One stream: its request goes to the pipeline, and the response is written as the client takes it.

use std::error::Error;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::header::{CONTENT_LENGTH, DATE};
use http::request::Parts;
use http::{HeaderValue, Request, Response};
use http_body::Body;
use lockgate_exchange::clock;
use lockgate_http::inbound;

use super::{Shared, date, tunnel};
use crate::body::source::BodySource;
use crate::body::stream::StreamBody;
use crate::context::timers::Timer;
use crate::pipeline::client_body::ClientBody;
use crate::pipeline::connection_context::ConnectionContext;
use crate::pipeline::{self, NoResponse};

/// Serves a stream to its end.
pub(super) async fn respond(
    connection: Rc<ConnectionContext>,
    shared: Shared,
    request: Request<RecvStream>,
    mut reply: SendResponse<Bytes>,
) {
    if tunnel::asks_for_one(&request) {
        return Box::pin(tunnel::respond(connection, shared, request, reply)).await;
    }
    let (request, body) = take_in(&shared, request, &reply);
    if let Some(response) = answer(&connection, request, body, &mut reply).await {
        send(connection, shared, response, reply).await;
    }
}

/// Sends a response and its body.
pub(super) async fn send(
    connection: Rc<ConnectionContext>,
    shared: Shared,
    response: Response<ClientBody>,
    mut reply: SendResponse<Bytes>,
) {
    let id = reply.stream_id().as_u32();
    let (head, body) = response.into_parts();
    let head = Response::from_parts(head, ());
    // Heads of responses wait for the socket, too.
    if poll_fn(|cx| shared.backlog.poll_room(cx)).await.is_none() {
        return;
    }
    match send_head(head, &body, &mut reply) {
        Ok(Some(stream)) => {
            let sending = Sending {
                connection,
                shared,
                id,
                stream,
                body: Some(body),
                piece: Bytes::new(),
                is_last: false,
                stalled: None,
            };
            sending.run().await;
        }
        Ok(None) => drop(body),
        Err(error) => {
            tracing::debug!(%error, "response not sent");
            reply.send_reset(Reason::INTERNAL_ERROR);
        }
    }
}

/// The request's head, with what the guard has found in it, and its body.
fn take_in(shared: &Shared, mut request: Request<RecvStream>, reply: &SendResponse<Bytes>) -> (Parts, BodySource) {
    if let Some(malformed) = shared.verdicts.take_head(reply.stream_id().as_u32()) {
        request.extensions_mut().insert(malformed);
    }
    let length = request.headers().get(CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()?.parse().ok());
    let trailers = shared.verdicts.bad_trailers().clone();
    let (parts, stream) = request.into_parts();
    (parts, BodySource::stream(StreamBody::new(stream, length, trailers)))
}

/// The response of the pipeline. None: the client or the pipeline has reset the stream, or there is a tunnel.
pub(super) async fn answer(
    connection: &Rc<ConnectionContext>,
    parts: Parts,
    body: BodySource,
    reply: &mut SendResponse<Bytes>,
) -> Option<Response<ClientBody>> {
    let mut answer = pin!(pipeline::answer(connection.clone(), parts, body));
    let answer = poll_fn(|cx| match answer.as_mut().poll(cx) {
        Poll::Ready(answer) => Poll::Ready(Some(answer)),
        Poll::Pending => reply.poll_reset(cx).map(|_| None),
    });
    match answer.await? {
        Ok(response) => Some(response),
        Err(NoResponse::Tunnel) => None,
        Err(NoResponse::Reset) => {
            reply.send_reset(Reason::INTERNAL_ERROR);
            None
        }
    }
}

/// Sends the head; none if the response ends with it.
fn send_head(
    mut head: Response<()>,
    body: &ClientBody,
    reply: &mut SendResponse<Bytes>,
) -> Result<Option<SendStream<Bytes>>, h2::Error> {
    let is_over = body.is_end_stream();
    let headers = head.headers_mut();
    inbound::strip_response(headers);
    headers.entry(DATE).or_insert_with(date::now);
    if !is_over && let Some(length) = body.size_hint().exact() {
        headers
            .entry(CONTENT_LENGTH)
            .or_insert_with(|| HeaderValue::from(length));
    }
    let stream = reply.send_response(head, is_over)?;
    Ok((!is_over).then_some(stream))
}

/// A response's body on its way to the client.
struct Sending {
    connection: Rc<ConnectionContext>,
    shared: Shared,
    id: u32,
    stream: SendStream<Bytes>,
    /// What has not been read of the body; none when all of it has.
    body: Option<ClientBody>,
    /// What was read and is not handed over.
    piece: Bytes,
    /// The body ends with the piece.
    is_last: bool,
    /// Since when the client takes nothing of this stream.
    stalled: Option<Timer>,
}

/// How the body of a response ends.
enum End {
    /// All of it is handed over.
    Whole,
    /// The client has reset the stream, or the connection has ended.
    Gone,
    /// The body broke off.
    Broken(Reason),
}

impl Sending {
    async fn run(mut self) {
        match poll_fn(|cx| self.poll_send(cx)).await {
            End::Whole => poll_fn(|cx| self.poll_written(cx)).await,
            End::Gone => {}
            End::Broken(reason) => self.stream.send_reset(reason),
        }
    }

    /// The socket has taken everything, or there is nobody to take it.
    fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.stream.poll_reset(cx).is_ready() {
            return Poll::Ready(());
        }
        self.shared.backlog.poll_written(self.id, cx)
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        loop {
            if self.stream.poll_reset(cx).is_ready() {
                return Poll::Ready(End::Gone);
            }
            if !self.piece.is_empty() {
                match self.poll_piece(cx) {
                    Poll::Ready(Ok(())) if self.is_last && self.piece.is_empty() => return Poll::Ready(End::Whole),
                    Poll::Ready(Ok(())) => continue,
                    Poll::Ready(Err(_)) => return Poll::Ready(End::Gone),
                    Poll::Pending => return self.poll_overdue(cx),
                }
            }
            if let Some(end) = ready!(self.poll_body(cx)) {
                return Poll::Ready(end);
            }
        }
    }

    /// Hands over what the stream's window and the connection's backlog have room for.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        let Some(room) = ready!(self.shared.backlog.poll_room(cx)) else {
            return Poll::Ready(Err(Reason::CANCEL.into()));
        };
        self.stream.reserve_capacity(self.piece.len().min(room));
        while self.stream.capacity() == 0 {
            match ready!(self.stream.poll_capacity(cx)) {
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Err(error)),
                None => return Poll::Ready(Err(Reason::CANCEL.into())),
            }
        }
        self.stalled = None;
        let part = self
            .piece
            .split_to(self.stream.capacity().min(room).min(self.piece.len()));
        let is_last = self.is_last && self.piece.is_empty();
        self.shared.backlog.add(self.id, part.len());
        if is_last {
            self.body = None;
        }
        Poll::Ready(self.stream.send_data(part, is_last))
    }

    /// Takes the next piece of the body. Ready with an end when there is none.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Option<End>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(Some(End::Whole));
        };
        let frame = match ready!(Pin::new(&mut *body).poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => {
                self.body = None;
                return Poll::Ready(Some(End::Broken(reason(&error))));
            }
            None => return Poll::Ready(Some(self.finish(Bytes::new()))),
        };
        let end = match frame.into_data() {
            Ok(data) => {
                self.is_last = body.is_end_stream();
                if data.is_empty() && self.is_last {
                    Some(self.finish(data))
                } else {
                    self.piece = data;
                    None
                }
            }
            Err(frame) => match frame.into_trailers() {
                Ok(trailers) => {
                    self.body = None;
                    self.stream.reserve_capacity(0);
                    Some(self.stream.send_trailers(trailers).map_or(End::Gone, |()| End::Whole))
                }
                Err(_) => None,
            },
        };
        Poll::Ready(end)
    }

    fn finish(&mut self, data: Bytes) -> End {
        self.body = None;
        self.stream.reserve_capacity(0);
        self.stream.send_data(data, true).map_or(End::Gone, |()| End::Whole)
    }

    /// Gives up a client that takes nothing of this stream for too long.
    fn poll_overdue(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        let timers = self.connection.worker.idle_monitor.timers();
        let reason = match &mut self.body {
            Some(body) => body.poll_overdue(cx),
            None => Poll::Pending,
        };
        let is_stalled = match &self.stalled {
            Some(timer) => timer.poll_over(cx).is_ready(),
            None => {
                let at = clock::now() + self.connection.listener.settings.limits.write_timeout.0;
                self.stalled = Some(timers.set(at, cx.waker()));
                false
            }
        };
        let reason = match reason {
            Poll::Ready(reason) => reason,
            Poll::Pending if is_stalled => "write_timeout",
            Poll::Pending => return Poll::Pending,
        };
        if let Some(body) = &mut self.body {
            body.abort(reason);
        }
        Poll::Ready(End::Broken(Reason::CANCEL))
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.shared.backlog.close(self.id);
    }
}

/// The reason of the reset that a broken body is: the upstream's own, if it reset its stream.
fn reason(error: &(dyn Error + 'static)) -> Reason {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(known) = error.downcast_ref::<h2::Error>().and_then(h2::Error::reason)
            && known != Reason::NO_ERROR
        {
            return known;
        }
        next = error.source();
    }
    Reason::INTERNAL_ERROR
}
