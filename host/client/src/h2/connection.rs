//! [`H2Connection`]: one HTTP/2 connection, the permits for streams on it, and the task that moves its frames.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, Connection, SendRequest};
use h2::{Ping, PingPong};
use tokio::time::Instant;

use super::error::is_malformed;
use super::wire::{Wire, WireEnd};
use crate::connect::Connected;
use crate::error::ConnectError;
use crate::pool_settings::PoolSettings;
use crate::resolve::HostRecord;

/// The flow-control window of one stream, in bytes: how much of a response's body may be under way unread.
const STREAM_WINDOW: usize = 256 * 1024;
/// The largest flow-control window (RFC 9113, section 6.9.1), in bytes.
const MAX_WINDOW: usize = (1 << 31) - 1;
/// The interval of pings on a connection with open streams, and the time limit for their replies.
const PING: Duration = Duration::from_secs(20);
/// A connection on which nothing moves for this long gets no new requests, as long as that lasts.
const STALL: Duration = Duration::from_secs(1);

/// An open connection.
pub(super) struct H2Connection {
    sender: SendRequest<Bytes>,
    load: Rc<Load>,
    wire: Rc<Wire>,
    max_streams: usize,
    /// The addresses of the host name that was connected to.
    host: Option<Arc<HostRecord>>,
    peer: SocketAddr,
    local: SocketAddr,
}

/// What goes on on a connection.
pub(super) struct Load {
    streams: Cell<usize>,
    last_used: Cell<Instant>,
    /// The uploads that wait for a window, and since when none has got one.
    waiting: Cell<usize>,
    waiting_since: Cell<Option<Instant>>,
    /// Since when a ping has got no reply.
    pinged: Cell<Option<Instant>>,
}

/// An upload that waits for a window.
pub(super) struct UploadWait(Rc<Load>);

impl UploadWait {
    pub(super) fn new(load: &Rc<Load>) -> Self {
        load.waiting.set(load.waiting.get() + 1);
        if load.waiting_since.get().is_none() {
            load.waiting_since.set(Some(Instant::now()));
        }
        Self(Rc::clone(load))
    }
}

impl Drop for UploadWait {
    fn drop(&mut self) {
        let left = self.0.waiting.get() - 1;
        self.0.waiting.set(left);
        self.0.waiting_since.set((left > 0).then(Instant::now));
    }
}

/// One of the streams of a connection, for a request and its response.
pub(super) struct StreamPermit(pub(super) Rc<Load>);

impl StreamPermit {
    fn new(load: &Rc<Load>) -> Self {
        load.streams.set(load.streams.get() + 1);
        Self(Rc::clone(load))
    }
}

impl Drop for StreamPermit {
    fn drop(&mut self) {
        self.0.streams.set(self.0.streams.get() - 1);
        self.0.last_used.set(Instant::now());
    }
}

/// A stream that is not open yet, with the permit for it.
pub(crate) struct H2Stream {
    pub(super) sender: SendRequest<Bytes>,
    pub(super) permit: StreamPermit,
    pub(super) wire: Rc<Wire>,
    pub(super) peer: SocketAddr,
    pub(super) local: SocketAddr,
    /// The connection was open before this request came.
    pub(super) is_reused: bool,
}

type Frames = Connection<WireEnd, Bytes>;

impl H2Connection {
    /// Speaks HTTP/2 on a fresh connection. Ready when the endpoint has said how many streams it takes. `on_end` is called when the
    /// connection has ended, at the latest after it had no stream for the settings' `idle_timeout`.
    pub(super) async fn start(
        connected: Connected,
        settings: &PoolSettings,
        on_end: impl FnOnce() + 'static,
    ) -> Result<Self, ConnectError> {
        let Connected {
            socket,
            peer,
            local,
            host,
            ..
        } = connected;
        let wire = Wire::new(socket);
        // Together the streams never use up the connection's window: one that is not read harms no other.
        let stream_window = STREAM_WINDOW.min(MAX_WINDOW / settings.max_streams);
        let connection_window = stream_window * settings.max_streams;
        let handshake = Builder::new()
            .enable_push(false)
            .initial_max_send_streams(0)
            .max_header_list_size(settings.response_head.max_list_size())
            .initial_window_size(to_window(stream_window))
            .initial_connection_window_size(to_window(connection_window))
            .handshake(WireEnd(Rc::clone(&wire)));
        let (sender, mut frames) = handshake.await.map_err(io::Error::other)?;
        poll_fn(|context| match Pin::new(&mut frames).poll(context) {
            Poll::Ready(outcome) => Poll::Ready(outcome.map_err(not_http2).and(Err(closed()))),
            // It is 0 until the endpoint's settings have come.
            Poll::Pending if sender.current_max_send_streams() > 0 => Poll::Ready(Ok(())),
            Poll::Pending => Poll::Pending,
        })
        .await
        .map_err(|error| match wire.refusal() {
            Some(refusal) => ConnectError::Tls(refusal),
            None => ConnectError::Io(error),
        })?;
        let load = Rc::new(Load {
            streams: Cell::new(0),
            last_used: Cell::new(Instant::now()),
            waiting: Cell::new(0),
            waiting_since: Cell::new(None),
            pinged: Cell::new(None),
        });
        tokio::task::spawn_local(run(frames, Rc::clone(&load), settings.keep_alive.idle_timeout, on_end));
        Ok(Self {
            sender,
            load,
            wire,
            max_streams: settings.max_streams,
            host,
            peer,
            local,
        })
    }

    /// Whether it takes no new streams: it has ended, its endpoint has said that it is leaving, its address has left the record of the
    /// host name, or it is secured by what new ones are not.
    pub(super) fn is_leaving(&mut self) -> bool {
        if self.host.as_ref().is_some_and(|host| !host.contains(self.peer.ip())) {
            return true;
        }
        let mut context = Context::from_waker(Waker::noop());
        matches!(self.sender.poll_ready(&mut context), Poll::Ready(Err(_))) || self.wire.is_outdated()
    }

    /// Whether there is room for a stream, and the connection moves.
    pub(super) fn has_room(&self, for_upload: bool) -> bool {
        let is_over = |since: &Cell<Option<Instant>>| since.get().is_some_and(|since| since.elapsed() > STALL);
        let load = &self.load;
        let is_stalled =
            self.wire.is_blocked(STALL) || is_over(&load.pinged) || for_upload && is_over(&load.waiting_since);
        !is_stalled && load.streams.get() < self.max_streams.min(self.sender.current_max_send_streams())
    }

    /// Whether it has no stream, so that nothing is expected on it, and yet something has come.
    pub(super) fn has_news(&self) -> bool {
        self.load.streams.get() == 0 && !self.wire.is_silent()
    }

    /// Reserves a stream.
    pub(super) fn reserve(&self, is_reused: bool) -> H2Stream {
        H2Stream {
            sender: self.sender.clone(),
            permit: StreamPermit::new(&self.load),
            wire: Rc::clone(&self.wire),
            peer: self.peer,
            local: self.local,
            is_reused,
        }
    }
}

fn to_window(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX >> 1)
}

fn not_http2(error: h2::Error) -> io::Error {
    match is_malformed(&error) {
        true => io::Error::other(format!("it does not speak HTTP/2: {error}")),
        false => io::Error::other(error),
    }
}

fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "it closes as soon as it is open")
}

/// Moves a connection's frames until it ends, gives no sign of life, or has had no stream for `idle_timeout`.
async fn run(mut frames: Frames, load: Rc<Load>, idle_timeout: Duration, on_end: impl FnOnce()) {
    let mut pings = frames.ping_pong();
    let mut last_ping = Instant::now();
    loop {
        let moving = poll_fn(|context| {
            poll_pong(pings.as_mut(), &load, context);
            Pin::new(&mut frames).poll(context)
        });
        if let Ok(outcome) = tokio::time::timeout(idle_timeout.min(PING), moving).await {
            if let Err(error) = outcome {
                tracing::debug!(%error, "an upstream connection ended");
            }
            break;
        }
        let is_used = load.streams.get() > 0;
        if !is_used && load.last_used.get().elapsed() >= idle_timeout {
            break;
        }
        if last_ping.elapsed() < PING {
            continue;
        }
        if load.pinged.get().is_some() {
            tracing::debug!("an upstream connection gave no sign of life");
            break;
        }
        if is_used
            && let Some(pings) = &mut pings
            && pings.send_ping(Ping::opaque()).is_ok()
        {
            last_ping = Instant::now();
            load.pinged.set(Some(last_ping));
        }
    }
    // The connection is closed before `on_end`.
    drop(frames);
    on_end();
}

fn poll_pong(pings: Option<&mut PingPong>, load: &Load, context: &mut Context<'_>) {
    if load.pinged.get().is_some()
        && let Some(pings) = pings
        && pings.poll_pong(context).is_ready()
    {
        load.pinged.take();
    }
}
