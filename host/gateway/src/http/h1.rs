//! An HTTP/1 connection in the library's hands, with the guard in front of it.
//!
//! What the guard refuses the library never sees: it finishes what came before and takes the refusal for the end of the stream. Then
//! the connection is given back, and the answer to what was refused is written here.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use lockgate_http::UnsafeCharacters;
use lockgate_http::guard::{Guard, GuardRefusal, Limits};
use lockgate_http::problem::Problem;

use super::refused;
use crate::body::source::BodySource;
use crate::context::idle_monitor::{ActivityMonitor, Directive};
use crate::downstream::lingering_close;
use crate::downstream::peer::Peer;
use crate::http::guarded_stream::{GuardState, GuardedStream, UpgradeStep};
use crate::pipeline;
use crate::pipeline::connection_context::ConnectionContext;
use crate::pipeline::tunnel::Tunnel;

/// Why the connection's loop ended.
enum LoopEnd {
    /// The library is done with it.
    Library(hyper::Result<()>),
    /// A head did not come to its end.
    HeadTimeout,
    /// The worker closed it.
    Directed,
}

/// Serves the connection to its end.
pub(super) async fn serve<S>(connection: Rc<ConnectionContext>, stream: S) -> io::Result<()>
where
    S: Peer + 'static,
{
    let activity = connection.activity.clone();
    let limits = &connection.listener.settings.limits;
    let bytes = usize::try_from(limits.header_bytes.0).unwrap_or(usize::MAX);
    let guard = Guard::new(Limits {
        bytes,
        fields: limits.headers,
    })
    .escaping(connection.listener.settings.unsafe_characters == UnsafeCharacters::Encode);
    let (guarded, guard_state) = GuardedStream::guarded(stream, activity.clone(), guard);
    let mut builder = Builder::new();
    builder.header_read_timeout(None).max_buf_size(bytes.max(8192));
    if limits.headers != 100 {
        // hyper keeps up to its default on the stack; another number costs an allocation per request.
        builder.max_headers(limits.headers);
    }
    let service = {
        let connection = connection.clone();
        service_fn(move |request: Request<Incoming>| {
            let (parts, body) = request.into_parts();
            pipeline::answer(connection.clone(), parts, BodySource::client(body))
        })
    };
    let mut library = builder.serve_connection(TokioIo::new(guarded), service);

    let mut state = LoopState {
        activity: &activity,
        guard_state: &guard_state,
        retired: false,
    };
    let ending = poll_fn(|cx| {
        loop {
            match state.before(cx) {
                BeforePoll::Go => {}
                BeforePoll::Retire => Pin::new(&mut library).graceful_shutdown(),
                BeforePoll::End(ending) => return Poll::Ready(ending),
            }
            if let Poll::Ready(outcome) = Pin::new(&mut library).poll(cx) {
                return Poll::Ready(LoopEnd::Library(outcome));
            }
            match state.after() {
                AfterPoll::Wait => return Poll::Pending,
                AfterPoll::Again => {}
                AfterPoll::Retire => Pin::new(&mut library).graceful_shutdown(),
            }
        }
    })
    .await;

    if matches!(ending, LoopEnd::Directed) && activity.open_requests() > 0 {
        // A response may be cut, and not every client can tell a cut one from a whole one.
        activity.reset_at_end(activity.end_reason().unwrap_or("closed"));
    }
    let parts = library.into_parts();
    if let Some(tunnel) = connection.tunnel.take() {
        return switch(*tunnel, parts.io.into_inner()).await;
    }
    let unread = !parts.read_buf.is_empty();
    end(&connection, &guard_state, parts.io.into_inner(), unread, ending).await
}

/// What a connection does next.
enum BeforePoll {
    Go,
    Retire,
    End(LoopEnd),
}

/// What a connection does when the library waits.
enum AfterPoll {
    Wait,
    Again,
    Retire,
}

/// The state of the loop: the worker's directive and the guard's state.
struct LoopState<'a> {
    activity: &'a ActivityMonitor,
    guard_state: &'a GuardState,
    retired: bool,
}

impl LoopState<'_> {
    fn before(&mut self, cx: &mut Context<'_>) -> BeforePoll {
        match self.activity.poll_directive(cx) {
            Directive::Close => BeforePoll::End(LoopEnd::Directed),
            Directive::HeadTimeout => BeforePoll::End(LoopEnd::HeadTimeout),
            // A request that has begun to arrive is served to its end; the library does not know of it yet.
            Directive::Retire if !self.retired && !self.guard_state.is_inside_head() => {
                self.retired = true;
                BeforePoll::Retire
            }
            Directive::Retire | Directive::Continue => BeforePoll::Go,
        }
    }

    fn after(&mut self) -> AfterPoll {
        let all_answered = self.activity.ended_requests() == self.guard_state.heads();
        match self.guard_state.pending_refusal() {
            None if all_answered && self.guard_state.upgrade().is_some() => self.after_upgrade(),
            // Not shown before: at the end of the stream the library drops what it has not answered.
            Some(GuardRefusal::Head(_)) if all_answered && !self.guard_state.is_stuck() => {
                self.guard_state.show_refusal();
                AfterPoll::Again
            }
            // First the library learns that its answer is the last one.
            Some(GuardRefusal::Body) if self.activity.started_requests() == self.guard_state.heads() => {
                self.guard_state.show_refusal();
                AfterPoll::Retire
            }
            _ => {
                if all_answered && self.guard_state.is_inside_head() {
                    // It may have begun while another request was open.
                    self.activity.received();
                }
                AfterPoll::Wait
            }
        }
    }

    /// What a request that asks for an upgrade does once everything before it, or it itself, is answered.
    fn after_upgrade(&self) -> AfterPoll {
        let next = match self.guard_state.upgrade() {
            // What is not written yet would be lost with the library.
            Some(UpgradeStep::Held) if !self.guard_state.is_stuck() => UpgradeStep::Admitted,
            Some(UpgradeStep::Undecided) if self.guard_state.has_early_bytes() => UpgradeStep::Ended,
            Some(UpgradeStep::Undecided) => UpgradeStep::Refused,
            _ => return AfterPoll::Wait,
        };
        self.guard_state.set_upgrade(next);
        AfterPoll::Again
    }
}

/// Hands the connection over to the tunnel that a request has got.
async fn switch<S: Peer>(tunnel: Tunnel, stream: GuardedStream<S>) -> io::Result<()> {
    // The guard has held everything behind the request.
    let Some((mut stream, early)) = stream.into_tunnel() else {
        return Err(io::Error::other("a tunnel on a connection that goes on with HTTP"));
    };
    tunnel.run_http1(&mut stream, early).await;
    Ok(())
}

/// Writes the last response, if there is one, and closes.
async fn end<S>(
    connection: &ConnectionContext,
    guard_state: &GuardState,
    mut stream: GuardedStream<S>,
    unread: bool,
    ending: LoopEnd,
) -> io::Result<()>
where
    S: Peer,
{
    if connection.activity.is_reset() {
        stream.stream_mut().abort();
    }
    let (problem, outcome) = match ending {
        LoopEnd::Directed => return Ok(()),
        LoopEnd::HeadTimeout => (guard_state.is_inside_head().then_some(Problem::RequestTimeout), Ok(())),
        LoopEnd::Library(Err(error)) => return Err(io::Error::other(error)),
        LoopEnd::Library(Ok(())) => (guard_state.shown_problem(), Ok(())),
    };
    // Behind half a response another one would be read as the rest of it.
    let problem = problem.filter(|_| !guard_state.is_stuck());
    let answer = problem.map(|problem| refused::answer(connection, problem, stream.first_line()));
    if answer.is_some() || unread || stream.has_leftovers() {
        lingering_close::close(stream.stream_mut(), answer.as_deref()).await?;
    }
    outcome
}
