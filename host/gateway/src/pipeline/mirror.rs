//! Copies of requests for shadow upstreams: sent beside the request, with what the chain has made of it, and never waited for.
//!
//! A request with a body is copied once all of the body has gone on to its upstream; what is kept until then is bounded. A shadow that is
//! slow, hangs or is down costs the request nothing: the copy is a task of its own, with a time limit, and their number is bounded.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, HOST, TRAILER, UPGRADE};
use http::{HeaderValue, Method, Request, Uri};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use lockgate_client::OutgoingHead;
use lockgate_config::model::UpstreamIndex;
use lockgate_exchange::clock;
use lockgate_routing::Mirror;
use lockgate_telemetry::metrics::{MirrorResult, UpstreamSeries};
use lockgate_upstream::Upstream;

use crate::body::error::BodyError;
use crate::body::source::BodySource;
use crate::chain::message_body::MessageBody;
use crate::context::WorkerContext;
use crate::context::view::View;
use crate::pipeline::connection_context::ConnectionContext;

/// Bytes of a shadow's response that are read so that its connection can be used again.
const MAX_READ: usize = 1 << 20;

/// Starts the copies that this request's turn has, and returns its body, which they may have to read along.
pub(crate) fn copy(
    connection: &ConnectionContext,
    view: &View,
    mirrors: &[Mirror<UpstreamIndex>],
    head: &OutgoingHead<'_>,
    body: MessageBody,
) -> MessageBody {
    // What follows an upgrade is no request.
    if head.method == Method::CONNECT || head.headers.contains_key(UPGRADE) {
        return body;
    }
    let length = body.size_hint().lower();
    let chosen = mirrors.iter().filter(|mirror| mirror.sample.takes_next());
    let copies: Vec<Copy> = chosen
        .filter_map(|mirror| Copy::new(&connection.worker, view, mirror, head, length))
        .collect();
    if copies.is_empty() {
        return body;
    }
    if body.is_end_stream() {
        copies.into_iter().for_each(|copy| copy.send(Bytes::new()));
        return body;
    }
    MessageBody::Direct(BodySource::boxed(Box::pin(CopiedBody {
        body,
        copies,
        kept: BytesMut::new(),
    })))
}

/// A copy that is to be sent.
struct Copy {
    request: Request<()>,
    upstream: Arc<Upstream>,
    series: UpstreamSeries,
    timeout: Duration,
    max_body: usize,
    outcome: Outcome,
}

/// What became of a copy; counted when it is dropped.
struct Outcome {
    worker: Rc<WorkerContext>,
    upstream: Arc<str>,
    result: MirrorResult,
    /// The number of copies on the way to the upstream, with this one.
    open: Rc<Cell<usize>>,
}

impl Drop for Outcome {
    fn drop(&mut self) {
        self.open.set(self.open.get() - 1);
        self.worker.metrics.record_mirror(&self.upstream, self.result);
    }
}

impl Copy {
    /// A copy for the shadow. None, and counted: there are as many as may be, or the body is too large.
    fn new(
        worker: &Rc<WorkerContext>,
        view: &View,
        mirror: &Mirror<UpstreamIndex>,
        head: &OutgoingHead<'_>,
        length: u64,
    ) -> Option<Self> {
        let index = mirror.upstream.0;
        let upstream = &view.snapshot.upstreams[index];
        let refused = |result| {
            worker.metrics.record_mirror(upstream.name(), result);
            None
        };
        if length > mirror.max_body as u64 {
            return refused(MirrorResult::TooLarge);
        }
        let open = worker.mirrored.of(upstream.name());
        if open.get() >= mirror.max_concurrent {
            return refused(MirrorResult::Overflow);
        }
        open.set(open.get() + 1);
        Some(Self {
            request: request(mirror, head),
            series: view.upstream_series(index).clone(),
            timeout: mirror.timeout,
            max_body: mirror.max_body,
            outcome: Outcome {
                worker: worker.clone(),
                upstream: upstream.name().clone(),
                result: MirrorResult::Incomplete,
                open,
            },
            upstream: upstream.clone(),
        })
    }

    /// Sends it with this body, as a task of its own.
    fn send(self, body: Bytes) {
        tokio::task::spawn_local(async move {
            let Self {
                request,
                upstream,
                series,
                timeout,
                mut outcome,
                ..
            } = self;
            // The worker may end while it is on the way.
            outcome.result = MirrorResult::Failed;
            let begun = clock::now();
            let client = outcome.worker.client.clone();
            let sent = client.send(&upstream, request.map(|()| MessageBody::whole(body)));
            let sent = tokio::time::timeout(timeout, sent).await;
            let latency = clock::now().saturating_duration_since(begun);
            let status = match &sent {
                Ok(Ok(sent)) => Some(sent.response.status().as_u16()),
                _ => None,
            };
            series.record(status, latency);
            outcome.result = match &sent {
                Ok(Ok(_)) => MirrorResult::Sent,
                Ok(Err(_)) => MirrorResult::Failed,
                Err(_) => MirrorResult::Timeout,
            };
            if let Ok(Ok(sent)) = sent {
                let discarded = discard(sent.response.into_body());
                // Too long a response ends its connection, and no more.
                let _ = tokio::time::timeout(timeout.saturating_sub(latency), discarded).await;
            }
        });
    }
}

/// The head of the copy.
fn request(mirror: &Mirror<UpstreamIndex>, head: &OutgoingHead<'_>) -> Request<()> {
    let mut request = Request::new(());
    *request.method_mut() = head.method.clone();
    *request.uri_mut() = head.target.parse().unwrap_or_else(|_| Uri::from_static("/"));
    let headers = request.headers_mut();
    headers.clone_from(head.headers);
    // The body is sent whole: its length is known, and trailers are left out.
    headers.remove(CONTENT_LENGTH);
    headers.remove(TRAILER);
    let renamed = match mirror.host_suffix.is_empty() {
        true => None,
        false => head.host.to_str().ok().map(|host| mirror.host(host)),
    };
    let host = renamed.and_then(|host| HeaderValue::try_from(host).ok());
    headers.insert(HOST, host.unwrap_or_else(|| head.host.clone()));
    request
}

async fn discard(mut body: impl Body<Data = Bytes> + Unpin) {
    let mut read = 0;
    while let Some(Ok(frame)) = body.frame().await {
        read += frame.data_ref().map_or(0, Bytes::len);
        if read > MAX_READ {
            return;
        }
    }
}

/// A request's body, read along for its copies.
struct CopiedBody {
    body: MessageBody,
    copies: Vec<Copy>,
    kept: BytesMut,
}

impl CopiedBody {
    /// Keeps a piece for those copies that have room for it.
    fn keep(&mut self, data: &[u8]) {
        let length = self.kept.len() + data.len();
        self.copies.retain_mut(|copy| {
            let fits = length <= copy.max_body;
            if !fits {
                copy.outcome.result = MirrorResult::TooLarge;
            }
            fits
        });
        match self.copies.is_empty() {
            true => self.kept = BytesMut::new(),
            false => self.kept.extend_from_slice(data),
        }
    }

    fn complete(&mut self) {
        let body = std::mem::take(&mut self.kept).freeze();
        self.copies.drain(..).for_each(|copy| copy.send(body.clone()));
    }
}

impl Body for CopiedBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let frame = ready!(Pin::new(&mut this.body).poll_frame(cx));
        if !this.copies.is_empty() {
            match &frame {
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        this.keep(data);
                    }
                    if frame.is_trailers() || this.body.is_end_stream() {
                        this.complete();
                    }
                }
                // A copy of half a body would be another request.
                Some(Err(_)) => this.copies.clear(),
                None => this.complete(),
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
