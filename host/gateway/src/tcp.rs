//! The life of a TCP connection: accepted, shown to the chain, connected to the upstream, bytes passed on both ways, closed.
//!
//! It reads like `pipeline`, which is the same for a request. A connection lives and dies with the snapshot that it was accepted
//! by. No response could report a failure to the client: what must not look like a regular end is reset.

mod admission;
mod flow;
mod recorder;

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use http::Version;
use lockgate_client::{Duplex, Lease, Socket};
use lockgate_exchange::{ConnectionInfo, Direction, Exchange, StreamInfo, TlsInfo, clock};
use lockgate_http::problem::Problem;
use lockgate_sandbox::PeerType;
use lockgate_telemetry::close_reason::CloseReason;
use tokio::net::TcpStream;

use flow::Flow;
use recorder::ConnectionRecorder;

use crate::chain::{Chain, Stop};
use crate::context::view::{ForwardingView, View};
use crate::downstream::connection::DownstreamConnection;
use crate::downstream::lingering_close;
use crate::downstream::peer::Peer;
use crate::pipeline::outbound;
use crate::relay::Relay;

/// How long a client may take for bytes that were on their way when a plugin closed the connection.
const FLUSH: Duration = Duration::from_secs(2);

/// Carries a connection that is no socket, and says how it ended; none if the listener takes requests.
pub(crate) async fn serve_stream(
    downstream: &DownstreamConnection,
    view: &Rc<View>,
    info: ConnectionInfo,
    stream: Pin<Box<dyn Duplex>>,
) -> Option<CloseReason> {
    let forwarding = downstream.listener.forwarding.as_ref()?;
    let connection = TcpConnection {
        downstream,
        view,
        forwarding,
        info,
    };
    Some(connection.serve_to_end(stream).await)
}

/// Serves a connection to its end.
pub(crate) async fn serve(downstream: DownstreamConnection, view: Rc<View>, stream: TcpStream, peer: SocketAddr) {
    let listener = downstream.listener.clone();
    let Some(forwarding) = &listener.forwarding else { return };
    let Ok(local) = stream.set_nodelay(true).and_then(|()| stream.local_addr()) else {
        return forwarding.series.record_close(CloseReason::ClientReset);
    };
    let accepted = |tls: Option<TlsInfo>| TcpConnection {
        downstream: &downstream,
        view: &view,
        forwarding,
        info: downstream.info(peer, local, tls),
    };
    match &listener.certificates {
        None => drop(accepted(None).serve_to_end(stream).await),
        Some(certificates) => match downstream.handshake(certificates.accept(stream)).await {
            Ok(Some(stream)) => {
                let tls = certificates.info(stream.get_ref().1);
                accepted(Some(tls)).serve_to_end(stream).await;
            }
            Ok(None) | Err(_) => {
                tracing::debug!(listener = &*listener.settings.name, %peer, "no TLS handshake");
                forwarding.series.record_close(CloseReason::TlsHandshakeFailed);
            }
        },
    }
}

/// A connection whose handshake is done, and what becomes of it.
struct TcpConnection<'a> {
    downstream: &'a DownstreamConnection,
    view: &'a Rc<View>,
    forwarding: &'a ForwardingView,
    info: ConnectionInfo,
}

impl TcpConnection<'_> {
    /// Carries the connection to its end, and closes it.
    async fn serve_to_end<C: Peer>(self, mut client: C) -> CloseReason {
        let chain = self.chain();
        let series = self.forwarding.series.clone();
        let recorder = ConnectionRecorder::start(chain, self.downstream, self.view.clone(), series);
        let ending = self.pass(&recorder, &mut client).await;
        recorder.ending.set(ending);
        match ending {
            CloseReason::ClientReset => recorder.closed_by.set(PeerType::Remote),
            CloseReason::Complete => {}
            _ => recorder.closed_by.set(PeerType::Local),
        }
        if ending.is_abrupt() {
            client.abort();
        } else if ending != CloseReason::Complete && ending != CloseReason::Drained {
            // Unread bytes would turn the close into a reset, and take from the client what it has not read yet.
            let _: io::Result<()> = lingering_close::close(&mut client, None).await;
        }
        ending
    }

    fn chain(&self) -> Rc<Chain> {
        let worker = &self.downstream.worker;
        let connection = Rc::new(self.info.clone());
        let client = connection.peer.ip().to_canonical();
        let id = worker.request_ids.next();
        let info = StreamInfo::since(connection, client, id, Version::HTTP_11, worker.wall_clock.timestamp());
        let handles = &self.forwarding.chain;
        let exchange = Exchange::connection(handles.len(), info);
        let trace = worker.shared.trace.choose(&exchange);
        Chain::new(Rc::new(RefCell::new(exchange)), handles, trace)
    }

    /// Admits the connection, connects to the upstream and relays bytes; the close reason.
    async fn pass<C: Peer>(&self, recorder: &Rc<ConnectionRecorder>, client: &mut C) -> CloseReason {
        if let Err(ending) = admission::admit(recorder).await {
            return ending;
        }
        match recorder.bound(self.dial(recorder)).await {
            // The lease ends with the connection.
            Ok((Socket::Tcp(upstream), _lease)) => relay(recorder, client, upstream).await,
            Ok((Socket::Tls(upstream), _lease)) => relay(recorder, client, *upstream).await,
            Ok((Socket::Other(upstream), _lease)) => relay(recorder, client, upstream.bytes).await,
            Err(ending) => ending,
        }
    }

    /// A connection to the upstream that a plugin chose, or to the listener's own.
    async fn dial(&self, recorder: &ConnectionRecorder) -> Result<(Socket, Option<Lease>), CloseReason> {
        let exchange = &recorder.chain.exchange;
        let index = self
            .view
            .choose_upstream(&mut exchange.borrow_mut(), self.forwarding.upstream);
        let upstream = &self.view.snapshot.upstreams[index];
        let begun = clock::now();
        match self.downstream.worker.client.dial(upstream).await {
            Ok(dialled) => {
                recorder
                    .connected
                    .set(Some(clock::now().saturating_duration_since(begun)));
                let mut exchange = recorder.chain.exchange.borrow_mut();
                let info = &mut exchange.info;
                info.upstream_address = Some(dialled.endpoint);
                info.upstream_local = Some(dialled.local);
                info.attempts = dialled.attempts;
                info.upstream_latency = recorder.connected.get();
                Ok((dialled.socket, dialled.lease))
            }
            Err(error) => {
                outbound::failed(&recorder.chain, &error);
                tracing::warn!(
                    listener = &*self.info.listener,
                    connection = self.info.id,
                    client = %self.info.peer.ip(),
                    upstream = &**upstream.name(),
                    "connection closed: {error}"
                );
                Err(CloseReason::of_connect_error(&error))
            }
        }
    }
}

/// Passes bytes on between both ends, until it is over.
async fn relay<C: Peer, U: Peer>(recorder: &Rc<ConnectionRecorder>, client: &mut C, mut upstream: U) -> CloseReason {
    let flow = |direction| Flow::new(&recorder.chain, direction, &recorder.close_notified);
    let mut relay = Relay::new(flow(Direction::Request), flow(Direction::Response), recorder.clone());
    let ending = relay.run(client, &mut upstream).await;
    if ending.is_abrupt() {
        upstream.abort();
    } else if ending == CloseReason::PluginClosed {
        // Bytes that had passed the plugins go to the client, if it takes them now.
        let _ = tokio::time::timeout(FLUSH, relay.flush_to_client(client)).await;
    }
    ending
}

impl From<Stop> for CloseReason {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Problem(problem) => close_reason(problem),
            // There is no reply on a TCP connection: the sandbox refuses it, and no route makes one.
            Stop::Close | Stop::Reply(_) | Stop::Route(_) => Self::PluginClosed,
        }
    }
}

/// The close reason that stands for a problem. Every problem is named, so that a new one gets its reason here.
fn close_reason(problem: Problem) -> CloseReason {
    match problem {
        Problem::PluginFailed => CloseReason::PluginFailed,
        Problem::BodyTooLarge | Problem::ResponseTooLarge => CloseReason::BufferLimit,
        Problem::NoEndpoint => CloseReason::NoEndpoint,
        Problem::CircuitOpen(_) | Problem::ConcurrencyLimit(_) => CloseReason::UpstreamFailed,
        Problem::UpstreamFailed | Problem::UpstreamMalformed | Problem::UpstreamHeadersTooLarge => {
            CloseReason::UpstreamFailed
        }
        Problem::UpstreamTimeout(_) => CloseReason::UpstreamTimeout,
        // The rest need a request, and a TCP connection has none; each has the nearest reason.
        Problem::RequestTimeout => CloseReason::IdleTimeout,
        Problem::NoRoute | Problem::UpgradeRefused => CloseReason::NoEndpoint,
        Problem::TargetTooLong | Problem::HeadersTooLarge => CloseReason::BufferLimit,
        Problem::Malformed(_) => CloseReason::ClientReset,
    }
}
