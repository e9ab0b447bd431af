//! An HTTP/2 connection in the library's hands.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::context::idle_monitor::{Order, Patience};
use crate::http::guarded_stream::Watched;
use crate::pipeline;
use crate::pipeline::connection_context::Served;

/// What clients may have open at once on one connection.
const MAX_STREAMS: u32 = 250;

/// Serves the connection to its end.
pub(super) async fn serve<S>(served: Rc<Served>, stream: S) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let pulse = served.pulse.clone();
    let limits = &served.listener.settings.limits;
    pulse.set_patience(Patience {
        head: None,
        idle: limits.idle_timeout.0,
    });
    let mut builder = Builder::new(LocalExecutor);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(u32::try_from(limits.header_bytes.0).unwrap_or(u32::MAX));
    let io = TokioIo::new(Watched::new(stream, pulse.clone()));
    let service = {
        let served = served.clone();
        service_fn(move |request| pipeline::answer(served.clone(), request))
    };
    let mut connection = pin!(builder.serve_connection(io, service));
    let mut retired = false;
    poll_fn(|cx| {
        match pulse.poll_order(cx) {
            Order::Retire if !retired => {
                retired = true;
                connection.as_mut().graceful_shutdown();
            }
            Order::Carry | Order::Retire => {}
            Order::Overdue | Order::Close => return Poll::Ready(Ok(())),
        }
        connection.as_mut().poll(cx).map_err(io::Error::other)
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
