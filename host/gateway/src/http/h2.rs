//! An HTTP/2 connection in the library's hands.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::body::source::BodySource;
use crate::context::idle_monitor::{Directive, IdleTimeouts};
use crate::http::guarded_stream::GuardedStream;
use crate::pipeline;
use crate::pipeline::connection_context::ConnectionContext;

/// Maximum streams that a client may have open at once on one connection.
const MAX_STREAMS: u32 = 250;

/// Serves the connection to its end.
pub(super) async fn serve<S>(connection: Rc<ConnectionContext>, stream: S) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let activity = connection.activity.clone();
    let limits = &connection.listener.settings.limits;
    activity.set_timeouts(IdleTimeouts {
        head: None,
        idle: limits.idle_timeout.0,
    });
    let mut builder = Builder::new(LocalExecutor);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(u32::try_from(limits.header_bytes.0).unwrap_or(u32::MAX));
    let io = TokioIo::new(GuardedStream::new(stream, activity.clone()));
    let service = {
        let connection = connection.clone();
        service_fn(move |request: Request<Incoming>| {
            pipeline::answer(connection.clone(), request.map(BodySource::client))
        })
    };
    let mut library = pin!(builder.serve_connection(io, service));
    let mut retired = false;
    poll_fn(|cx| {
        match activity.poll_directive(cx) {
            Directive::Retire if !retired => {
                retired = true;
                library.as_mut().graceful_shutdown();
            }
            Directive::Continue | Directive::Retire => {}
            Directive::HeadTimeout | Directive::Close => return Poll::Ready(Ok(())),
        }
        library.as_mut().poll(cx).map_err(io::Error::other)
    })
    .await
}

/// Runs hyper's tasks on this worker.
#[derive(Clone, Copy)]
struct LocalExecutor;

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, task: F) {
        tokio::task::spawn_local(task);
    }
}
