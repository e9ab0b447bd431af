//! The tunnel that a request with an upgrade gets: behind its 101, bytes go both ways and mean nothing to the gateway.
//!
//! The tunnel holds the request's record, and with it the snapshot. So it goes on over reloads, even those that remove its listener or its
//! upstream. It ends when both sides have ended, when one breaks off, when nothing moves for the upstream's `timeouts.tunnel`, or when the
//! drain time is over. No plugin sees its bytes.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Response, StatusCode};
use lockgate_telemetry::close_reason::CloseReason;
use lockgate_telemetry::metrics::OpenTunnel;
use tokio::io::AsyncWrite;

use crate::chain::message_body::MessageBody;
use crate::context::WorkerContext;
use crate::context::idle_monitor::{ActivityMonitor, Directive, SWEEP};
use crate::context::timers::Timer;
use crate::downstream::lingering_close;
use crate::downstream::peer::Peer;
use crate::pipeline::connection_context::ConnectionContext;
use crate::pipeline::recorder::RequestRecorder;
use crate::relay::{NoFilter, Relay, Side, Watch};

/// A tunnel that has not moved a byte yet.
pub(crate) struct Tunnel {
    /// The 101.
    pub(crate) head: Response<()>,
    upstream: lockgate_client::Tunnel,
    record: TunnelRecord,
}

/// The record of a tunnel, which ends with it.
struct TunnelRecord {
    recorder: Box<RequestRecorder>,
    open: OpenTunnel,
    worker: Rc<WorkerContext>,
    activity: Rc<ActivityMonitor>,
    /// The tunnel has the client's connection for itself, and obeys its directives.
    owns_connection: Cell<bool>,
    silence: Silence,
    received: Cell<u64>,
    sent: Cell<u64>,
    /// Until it is set: the worker ended.
    ending: Cell<CloseReason>,
}

/// How long nothing has moved.
struct Silence {
    /// None: as long as it likes.
    limit: Option<Duration>,
    since: Cell<Instant>,
    timer: RefCell<Option<Timer>>,
}

impl Tunnel {
    /// The tunnel behind a 101 of the upstream. None if the response came over a connection that cannot be one.
    pub(crate) fn new(
        connection: &ConnectionContext,
        head: Response<()>,
        body: MessageBody,
        mut recorder: Box<RequestRecorder>,
    ) -> Option<Self> {
        let upstream = body.into_source().into_upstream()?.into_tunnel()?;
        let open = recorder.open_tunnel();
        let worker = connection.worker.clone();
        let limit = recorder.tunnel_timeout();
        let record = TunnelRecord {
            recorder,
            open,
            activity: connection.activity.clone(),
            owns_connection: Cell::new(false),
            silence: Silence {
                limit: (!limit.is_zero()).then_some(limit),
                since: Cell::new(worker.idle_monitor.timers().now()),
                timer: RefCell::default(),
            },
            worker,
            received: Cell::new(0),
            sent: Cell::new(0),
            ending: Cell::new(CloseReason::Drained),
        };
        Some(Self { head, upstream, record })
    }

    /// Writes the 101, and relays bytes on the client's connection, which is nobody else's, until the end. `early` came behind the request.
    pub(crate) async fn run_http1<C: Peer>(self, client: &mut C, early: Bytes) {
        self.record.owns_connection.set(true);
        let head = encode(&self.head);
        let record = &self.record;
        let mut rest = &head[..];
        let written = poll_fn(|cx| {
            if let Some(ending) = record.poll_close(cx) {
                return Poll::Ready(Err(ending));
            }
            poll_write_all(cx, client, &mut rest).map_err(|()| CloseReason::ClientReset)
        });
        match written.await {
            Ok(()) => self.run(client, early).await,
            Err(ending) => self.record.ending.set(ending),
        }
    }

    /// Relays bytes until the end. `early` came before.
    pub(crate) async fn run<C: Peer>(self, client: &mut C, early: Bytes) {
        let Self { upstream, record, .. } = self;
        let mut socket = upstream.socket;
        let watch = &record;
        watch.received(Side::Client, early.len());
        watch.received(Side::Upstream, upstream.received.len());
        let mut relay = Relay::new(NoFilter::holding(early), NoFilter::holding(upstream.received), watch);
        let ending = record.reason(relay.run(client, &mut socket).await);
        record.ending.set(ending);
        if ending.is_abrupt() {
            client.abort();
            socket.abort();
            return;
        }
        // With TLS, an end that is not announced looks like a cut.
        let _ = poll_fn(|cx| Poll::Ready(Pin::new(&mut *client).poll_shutdown(cx))).await;
        let _ = poll_fn(|cx| Poll::Ready(Pin::new(&mut socket).poll_shutdown(cx))).await;
        if ending == CloseReason::IdleTimeout {
            drop(socket);
            // Unread bytes would turn the close into a reset.
            let _ = lingering_close::close(client, None).await;
        }
    }
}

impl TunnelRecord {
    /// Why it ended, where the connection alone does not tell.
    fn reason(&self, ending: CloseReason) -> CloseReason {
        match ending {
            CloseReason::ClientReset if self.activity.end_reason().is_none() && self.is_cut_by_drain() => {
                CloseReason::Drained
            }
            ending => ending,
        }
    }

    /// Whether the gateway has ended the connection under the tunnel, because the drain time is over.
    fn is_cut_by_drain(&self) -> bool {
        !self.owns_connection.get() && self.worker.draining.get() && self.activity.is_closed()
    }
}

impl Watch for &TunnelRecord {
    fn poll_close(&self, cx: &mut Context<'_>) -> Option<CloseReason> {
        if self.owns_connection.get() && self.activity.poll_directive(cx) == Directive::Close {
            return Some(CloseReason::Drained);
        }
        self.silence
            .poll_over(&self.worker, cx)
            .is_ready()
            .then_some(CloseReason::IdleTimeout)
    }

    fn check(&self) -> Result<(), CloseReason> {
        Ok(())
    }

    fn received(&self, from: Side, count: usize) {
        self.silence.since.set(self.worker.idle_monitor.timers().now());
        if from == Side::Client {
            self.received.set(self.received.get() + count as u64);
            self.open.received(count as u64);
        }
    }

    fn wrote(&self, to: Side, count: usize) {
        self.silence.since.set(self.worker.idle_monitor.timers().now());
        if to == Side::Client {
            self.sent.set(self.sent.get() + count as u64);
            self.open.sent(count as u64);
        }
    }
}

impl Silence {
    /// Ready when nothing has moved for too long. A timer that is set may be early, and is set again then.
    fn poll_over(&self, worker: &WorkerContext, cx: &mut Context<'_>) -> Poll<()> {
        let Some(limit) = self.limit else {
            return Poll::Pending;
        };
        let timers = worker.idle_monitor.timers();
        let mut timer = self.timer.borrow_mut();
        loop {
            let at = self.since.get() + SWEEP + limit;
            let set = timer.get_or_insert_with(|| timers.set(at, cx.waker()));
            ready!(set.poll_over(cx));
            if timers.now() >= at {
                return Poll::Ready(());
            }
            *timer = None;
        }
    }
}

impl Drop for TunnelRecord {
    fn drop(&mut self) {
        self.recorder
            .close_tunnel(self.received.get(), self.sent.get(), self.ending.get());
    }
}

/// The head as HTTP/1.1 has it.
fn encode(head: &Response<()>) -> Vec<u8> {
    debug_assert_eq!(head.status(), StatusCode::SWITCHING_PROTOCOLS);
    let mut text = b"HTTP/1.1 101 Switching Protocols\r\n".to_vec();
    for (name, value) in head.headers() {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            text.extend_from_slice(part);
        }
    }
    text.extend_from_slice(b"\r\n");
    text
}

fn poll_write_all<C: AsyncWrite + Unpin>(cx: &mut Context<'_>, to: &mut C, rest: &mut &[u8]) -> Poll<Result<(), ()>> {
    while !rest.is_empty() {
        match ready!(Pin::new(&mut *to).poll_write(cx, rest)) {
            Ok(0) | Err(_) => return Poll::Ready(Err(())),
            Ok(written) => *rest = &rest[written..],
        }
    }
    Pin::new(to).poll_flush(cx).map_err(drop)
}
