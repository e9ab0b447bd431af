//! An HTTP/1 connection in the library's hands, with the guard in front of it.
//!
//! What the guard refuses the library never sees: it finishes what came before and takes the refusal for the end of the stream. Then
//! the connection is given back, and the answer to what was refused is written here.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use lockgate_http::guard::{Guard, Limits, Refusal};
use lockgate_http::problem::Problem;
use tokio::io::{AsyncRead, AsyncWrite};

use super::refused;
use crate::context::idle_monitor::{Order, Pulse};
use crate::downstream::lingering_close;
use crate::http::guarded_stream::{Standing, Watched};
use crate::pipeline;
use crate::pipeline::connection_context::Served;

/// Why the connection is not carried any further.
enum Ending {
    /// The library is done with it.
    Served(hyper::Result<()>),
    /// A head did not come to its end.
    Overdue,
    /// It was to be closed.
    Ordered,
}

/// Serves the connection to its end.
pub(super) async fn serve<S>(served: Rc<Served>, stream: S) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let pulse = served.pulse.clone();
    let limits = &served.listener.settings.limits;
    let bytes = usize::try_from(limits.header_bytes.0).unwrap_or(usize::MAX);
    let guard = Guard::new(Limits {
        bytes,
        fields: limits.headers,
    });
    let (watched, standing) = Watched::guarded(stream, pulse.clone(), guard);
    let mut builder = Builder::new();
    builder.header_read_timeout(None).max_buf_size(bytes.max(8192));
    if limits.headers != 100 {
        // hyper keeps up to its default on the stack; another number costs an allocation per request.
        builder.max_headers(limits.headers);
    }
    let service = {
        let served = served.clone();
        service_fn(move |request| pipeline::answer(served.clone(), request))
    };
    let mut connection = builder.serve_connection(TokioIo::new(watched), service);

    let mut course = Course {
        pulse: &pulse,
        standing: &standing,
        retired: false,
    };
    let ending = poll_fn(|cx| {
        loop {
            match course.before(cx) {
                Step::Go => {}
                Step::Retire => Pin::new(&mut connection).graceful_shutdown(),
                Step::End(ending) => return Poll::Ready(ending),
            }
            if let Poll::Ready(outcome) = Pin::new(&mut connection).poll(cx) {
                return Poll::Ready(Ending::Served(outcome));
            }
            match course.after() {
                After::Wait => return Poll::Pending,
                After::Again => {}
                After::Retire => Pin::new(&mut connection).graceful_shutdown(),
            }
        }
    })
    .await;

    let parts = connection.into_parts();
    let unread = !parts.read_buf.is_empty();
    end(&served, &standing, parts.io.into_inner(), unread, ending).await
}

/// What a connection does next.
enum Step {
    Go,
    Retire,
    End(Ending),
}

/// What a connection does when the library waits.
enum After {
    Wait,
    Again,
    Retire,
}

/// A connection under its worker's orders and its guard's.
struct Course<'a> {
    pulse: &'a Pulse,
    standing: &'a Standing,
    retired: bool,
}

impl Course<'_> {
    fn before(&mut self, cx: &mut Context<'_>) -> Step {
        match self.pulse.poll_order(cx) {
            Order::Close => Step::End(Ending::Ordered),
            Order::Overdue => Step::End(Ending::Overdue),
            // A request of which a part is there is taken to its end; the library does not know of it yet.
            Order::Retire if !self.retired && !self.standing.is_amid_head() => {
                self.retired = true;
                Step::Retire
            }
            Order::Retire | Order::Carry => Step::Go,
        }
    }

    fn after(&mut self) -> After {
        let all_answered = self.pulse.ended() == self.standing.heads();
        match self.standing.untold_refusal() {
            // Told only now: at the end of the stream the library drops what it has not answered.
            Some(Refusal::Head(_)) if all_answered && !self.standing.is_stuck() => {
                self.standing.tell();
                After::Again
            }
            // First the library learns that its answer is the last one.
            Some(Refusal::Body) if self.pulse.begun() == self.standing.heads() => {
                self.standing.tell();
                After::Retire
            }
            _ => {
                if all_answered && self.standing.is_amid_head() {
                    // It may have begun while another request was open.
                    self.pulse.received();
                }
                After::Wait
            }
        }
    }
}

/// Says what is left to say, and closes.
async fn end<S>(
    served: &Served,
    standing: &Standing,
    mut watched: Watched<S>,
    unread: bool,
    ending: Ending,
) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (problem, outcome) = match ending {
        Ending::Ordered => return Ok(()),
        Ending::Overdue => (standing.is_amid_head().then_some(Problem::RequestTimeout), Ok(())),
        Ending::Served(Err(error)) => return Err(io::Error::other(error)),
        Ending::Served(Ok(())) => (standing.told_problem(), Ok(())),
    };
    // Behind half an answer another one would be taken for the rest of it.
    let problem = problem.filter(|_| !standing.is_stuck());
    let answer = problem.map(|problem| refused::answer(served, problem, watched.first_line()));
    if answer.is_some() || unread || watched.has_leftovers() {
        lingering_close::say(watched.stream_mut(), answer.as_deref()).await?;
    }
    outcome
}
