//! The start of a client's connection, whatever is spoken on it: counted, watched for silence, numbered.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use lockgate_exchange::{ConnectionInfo, TlsInfo};
use lockgate_telemetry::metrics::OpenConnection;

use crate::context::WorkerContext;
use crate::context::idle_monitor::{ActivityMonitor, Directive, IdleTimeouts};
use crate::context::view::ListenerView;

/// A client's connection from its first moment to its last. Counted as open until it is dropped.
pub(crate) struct DownstreamConnection {
    /// The worker that it lives on.
    pub(crate) worker: Rc<WorkerContext>,
    /// The listener as it was when the connection came in.
    pub(crate) listener: Rc<ListenerView>,
    /// When something last happened on it, and what it is to do.
    pub(crate) activity: Rc<ActivityMonitor>,
    _open: OpenConnection,
}

impl DownstreamConnection {
    /// A connection that has just come in.
    pub(crate) fn new(worker: &Rc<WorkerContext>, listener: &Rc<ListenerView>) -> Self {
        let limits = &listener.settings.limits;
        let timeouts = IdleTimeouts {
            // Bytes without requests have no heads.
            head: listener.forwarding.is_none().then_some(limits.header_timeout.0),
            idle: limits.idle_timeout.0,
            write: limits.write_timeout.0,
        };
        Self {
            worker: worker.clone(),
            listener: listener.clone(),
            activity: worker.idle_monitor.watch(timeouts),
            _open: worker.metrics.connections().open(),
        }
    }

    /// What plugins may know of it, under a number of its own.
    pub(crate) fn info(&self, peer: SocketAddr, local: SocketAddr, tls: Option<TlsInfo>) -> ConnectionInfo {
        ConnectionInfo {
            id: self.worker.connection_id(),
            listener: self.listener.settings.name.clone(),
            peer,
            local,
            tls,
            properties: Default::default(),
        }
    }

    /// The result of a step of the handshake. `None` when it takes longer than the listener's `header_timeout`, or when the connection
    /// is to be closed meanwhile.
    pub(crate) async fn handshake<T>(&self, step: impl Future<Output = io::Result<T>>) -> io::Result<Option<T>> {
        let step = async {
            let mut step = pin!(step);
            poll_fn(|cx| match self.activity.poll_directive(cx) {
                Directive::Continue => step.as_mut().poll(cx).map(|outcome| outcome.map(Some)),
                Directive::Retire | Directive::HeadTimeout | Directive::Close => Poll::Ready(Ok(None)),
            })
            .await
        };
        let limit = self.listener.settings.limits.header_timeout.0;
        tokio::time::timeout(limit, step).await.unwrap_or(Ok(None))
    }
}
