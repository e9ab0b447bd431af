//! An HTTP/2 connection: its frames in the library's hands, its streams here.
//!
//! What one connection can hold is bounded by the connection, not by its streams: see [`backlog`]. The window of a stream is its share of
//! the connection's, so that uploads that nobody reads leave room for the others.

mod backlog;
mod date;
mod frame_guard;
mod framed_stream;
mod responder;
mod tunnel;

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use h2::server::{Builder, Connection, Handshake};

use crate::context::idle_monitor::{ActivityMonitor, Directive, IdleTimeouts};
use crate::downstream::peer::Peer;
use crate::http::h2::backlog::Backlog;
use crate::http::h2::frame_guard::{FrameGuard, HeadLimits, Verdicts};
use crate::http::h2::framed_stream::FramedStream;
use crate::http::h2::responder::respond;
use crate::pipeline::connection_context::ConnectionContext;

/// Maximum streams that a client may have open at once on one connection.
const MAX_STREAMS: u32 = 250;

/// How much of a body a client may send on one stream before somebody reads it.
const STREAM_WINDOW: u32 = 64 * 1024 - 1;

/// The same on all streams together: as much as all of them may send.
const CONNECTION_WINDOW: u32 = MAX_STREAMS * STREAM_WINDOW;

/// How long a connection that was given up may take to be told so.
const FAREWELL: Duration = Duration::from_secs(2);

/// What the streams of a connection share.
#[derive(Clone, Default)]
pub(super) struct Shared {
    /// What waits to be written.
    backlog: Rc<Backlog>,
    /// What the frames' guard found.
    verdicts: Rc<Verdicts>,
}

/// The library's part of the connection.
enum Library<S: Peer> {
    Handshaking(Handshake<FramedStream<S>, Bytes>),
    Serving(Connection<FramedStream<S>, Bytes>),
}

/// How a connection ends that has not ended yet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leaving {
    No,
    /// Open requests are answered.
    Gracefully,
    /// Nothing is answered any more.
    AtOnce,
}

/// Serves the connection to its end.
pub(super) async fn serve<S>(connection: Rc<ConnectionContext>, stream: S) -> io::Result<()>
where
    S: Peer + 'static,
{
    let activity = connection.activity.clone();
    let limits = &connection.listener.settings.limits;
    activity.set_timeouts(IdleTimeouts {
        head: Some(limits.header_timeout.0),
        idle: limits.idle_timeout.0,
        write: limits.write_timeout.0,
    });
    let header_bytes = u32::try_from(limits.header_bytes.0).unwrap_or(u32::MAX);
    let shared = Shared::default();
    let head_limits = HeadLimits {
        bytes: header_bytes as usize,
        fields: limits.headers,
    };
    let guard = FrameGuard::new(shared.verdicts.clone(), activity.clone(), head_limits);
    let framed = FramedStream::new(stream, activity.clone(), guard, shared.backlog.clone());
    let handshake = Builder::new()
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(MAX_STREAMS)
        .enable_connect_protocol()
        .max_header_list_size(header_bytes)
        .max_send_buffer_size(backlog::MAX_BYTES)
        .handshake(framed);
    let mut library = Library::Handshaking(handshake);
    let mut leaving = Leaving::No;
    poll_fn(|cx| {
        loop {
            match step(&activity, &shared.verdicts, leaving, cx) {
                Step::Go => {}
                Step::Leave(how) => {
                    leaving = how;
                    library.leave(how);
                }
                Step::End => return Poll::Ready(Ok(())),
            }
            if library.poll(&connection, &shared, leaving, cx)?.is_ready() {
                return Poll::Ready(Ok(()));
            }
            // The guard may have found something while the library read.
            if !shared.verdicts.is_flooded() || leaving == Leaving::AtOnce {
                return Poll::Pending;
            }
        }
    })
    .await
}

/// What a connection does next.
enum Step {
    Go,
    Leave(Leaving),
    End,
}

fn step(activity: &ActivityMonitor, verdicts: &Verdicts, leaving: Leaving, cx: &mut Context<'_>) -> Step {
    let directive = activity.poll_directive(cx);
    if directive == Directive::Close {
        return Step::End;
    }
    let why = match directive {
        _ if verdicts.is_flooded() => Some("flood"),
        Directive::HeadTimeout => Some("header_timeout"),
        _ => None,
    };
    match (why, leaving) {
        (Some(why), Leaving::No | Leaving::Gracefully) => {
            activity.close_after(FAREWELL, why);
            Step::Leave(Leaving::AtOnce)
        }
        (None, Leaving::No) if directive == Directive::Retire => Step::Leave(Leaving::Gracefully),
        _ => Step::Go,
    }
}

impl<S: Peer + 'static> Library<S> {
    fn leave(&mut self, how: Leaving) {
        // While the handshake is under way, nothing is open; `poll` makes up for it.
        if let Self::Serving(serving) = self {
            match how {
                Leaving::No => {}
                Leaving::Gracefully => serving.graceful_shutdown(),
                Leaving::AtOnce => serving.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM),
            }
        }
    }

    /// Ready when the connection has ended.
    fn poll(
        &mut self,
        connection: &Rc<ConnectionContext>,
        shared: &Shared,
        leaving: Leaving,
        cx: &mut Context<'_>,
    ) -> io::Result<Poll<()>> {
        loop {
            match self {
                Self::Handshaking(handshake) => match Pin::new(handshake).poll(cx) {
                    Poll::Ready(serving) => {
                        *self = Self::Serving(serving.map_err(io::Error::other)?);
                        self.leave(leaving);
                    }
                    Poll::Pending => return Ok(Poll::Pending),
                },
                Self::Serving(serving) => match serving.poll_accept(cx) {
                    Poll::Ready(Some(Ok((request, reply)))) => {
                        let stream = respond(connection.clone(), shared.clone(), request, reply);
                        tokio::task::spawn_local(stream);
                    }
                    Poll::Ready(Some(Err(error))) => return Err(io::Error::other(error)),
                    Poll::Ready(None) => return Ok(Poll::Ready(())),
                    Poll::Pending => return Ok(Poll::Pending),
                },
            }
        }
    }
}
