//! The life of a TCP connection: accepted, shown to the chain, connected to the upstream, bytes passed on both ways, closed.
//!
//! It reads like `pipeline`, which is the same for a request. A connection lives and dies with the snapshot that it was accepted
//! by. There is no answer that could tell a client what went wrong: what must not look like a regular end is reset.

mod admission;
mod flow;
mod recorder;
mod relay;

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use http::Version;
use lockgate_client::{Duplex, Socket};
use lockgate_exchange::{ConnectionInfo, Direction, Exchange, StreamInfo, TlsInfo, clock};
use lockgate_http::problem::Problem;
use lockgate_sandbox::PeerType;
use lockgate_telemetry::ending::Ending;
use lockgate_upstream::Upstream;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use flow::Flow;
use recorder::Account;
use relay::Relay;

use crate::chain::{Chain, Stop};
use crate::context::Station;
use crate::context::idle_monitor::{Patience, Pulse};
use crate::context::view::{ForwardingView, ListenerView, View};
use crate::downstream::handshake::unless_silent;
use crate::downstream::lingering_close;
use crate::pipeline::outbound;

/// How long a client may take for what was on its way when a plugin closed the connection.
const FLUSH: Duration = Duration::from_secs(2);

/// One end of a connection.
trait Peer: AsyncRead + AsyncWrite + Unpin {
    /// Its closing will be a reset, where there is such a thing.
    fn abort(&self);
}

impl Peer for TcpStream {
    fn abort(&self) {
        // A socket that cannot be told so is closed all the same.
        let _ = self.set_zero_linger();
    }
}

impl Peer for TlsStream<TcpStream> {
    fn abort(&self) {
        self.get_ref().0.abort();
    }
}

impl Peer for Pin<Box<dyn Duplex>> {
    fn abort(&self) {
        self.as_ref().get_ref().abort();
    }
}

/// Carries a connection that is no socket, to its end, which is told; none if the listener takes requests.
pub(crate) async fn serve_stream(
    station: &Rc<Station>,
    view: &Rc<View>,
    listener: &ListenerView,
    connection: ConnectionInfo,
    stream: Pin<Box<dyn Duplex>>,
) -> Option<Ending> {
    let forwarding = listener.forwarding.as_ref()?;
    let _open = station.metrics.connections().open();
    let pulse = station.ward.admit(Patience {
        head: None,
        idle: listener.settings.limits.idle_timeout.0,
    });
    let arrival = Arrival {
        station,
        view,
        forwarding,
        pulse: &pulse,
        connection,
    };
    Some(arrival.carry(stream).await)
}

/// Serves a connection to its end.
pub(crate) async fn serve(
    station: Rc<Station>,
    view: Rc<View>,
    listener: Rc<ListenerView>,
    stream: TcpStream,
    peer: SocketAddr,
) {
    let Some(forwarding) = &listener.forwarding else { return };
    let _open = station.metrics.connections().open();
    let limits = &listener.settings.limits;
    let pulse = station.ward.admit(Patience {
        head: None,
        idle: limits.idle_timeout.0,
    });
    let Ok(local) = stream.set_nodelay(true).and_then(|()| stream.local_addr()) else {
        return forwarding.series.ended(Ending::ClientGone);
    };
    let meet = |tls: Option<TlsInfo>| Arrival {
        station: &station,
        view: &view,
        forwarding,
        pulse: &pulse,
        connection: ConnectionInfo {
            id: station.connection_id(),
            listener: listener.settings.name.clone(),
            peer,
            local,
            tls,
            properties: Default::default(),
        },
    };
    match &listener.certificates {
        None => drop(meet(None).carry(stream).await),
        Some(certificates) => {
            let handshake = certificates.accept(stream);
            match unless_silent(&pulse, limits.header_timeout.0, handshake).await {
                Ok(Some(stream)) => {
                    let info = certificates.info(stream.get_ref().1);
                    meet(Some(info)).carry(stream).await;
                }
                Ok(None) | Err(_) => {
                    tracing::debug!(listener = &*listener.settings.name, %peer, "no TLS handshake");
                    forwarding.series.ended(Ending::NoHandshake);
                }
            }
        }
    }
}

/// A connection that has arrived, and what it has arrived at.
struct Arrival<'a> {
    station: &'a Rc<Station>,
    view: &'a Rc<View>,
    forwarding: &'a ForwardingView,
    pulse: &'a Rc<Pulse>,
    connection: ConnectionInfo,
}

impl Arrival<'_> {
    /// Carries the connection to its end, and closes it.
    async fn carry<C: Peer>(self, mut client: C) -> Ending {
        let chain = self.chain();
        let series = self.forwarding.series.clone();
        let account = Account::open(chain, self.station, self.view.clone(), series, self.pulse.clone());
        let ending = self.pass(&account, &mut client).await;
        account.ending.set(ending);
        match ending {
            Ending::ClientGone => account.closed_by.set(PeerType::Remote),
            Ending::Complete => {}
            _ => account.closed_by.set(PeerType::Local),
        }
        if ending.is_abrupt() {
            client.abort();
        } else if ending != Ending::Complete && ending != Ending::Drained {
            // Bytes that nobody read would make a reset of the closing, and take away what the client has not read yet.
            let _: io::Result<()> = lingering_close::say(&mut client, None).await;
        }
        ending
    }

    fn chain(&self) -> Rc<Chain> {
        let connection = Rc::new(self.connection.clone());
        let client = connection.peer.ip().to_canonical();
        let id = self.station.request_ids.next();
        let info = StreamInfo::since(
            connection,
            client,
            id,
            Version::HTTP_11,
            self.station.wall_clock.moment(),
        );
        let stands = &self.forwarding.chain;
        let exchange = Exchange::connection(stands.len(), info);
        let trace = self.station.shared.trace.choose(&exchange);
        Chain::new(Rc::new(RefCell::new(exchange)), stands, trace)
    }

    /// The way of the bytes, until it ends.
    async fn pass<C: Peer>(&self, account: &Rc<Account>, client: &mut C) -> Ending {
        if let Err(ending) = admission::meet(account).await {
            return ending;
        }
        match account.bound(self.dial(account)).await {
            Ok(Socket::Tcp(upstream)) => relay(account, client, upstream).await,
            Ok(Socket::Other(upstream)) => relay(account, client, upstream.bytes).await,
            Err(ending) => ending,
        }
    }

    /// A connection to the upstream that a plugin chose, or to the listener's own.
    async fn dial(&self, account: &Account) -> Result<Socket, Ending> {
        let upstream = self.upstream(&account.chain);
        let begun = clock::now();
        match self.station.client.dial(upstream).await {
            Ok(dialled) => {
                account.connected.set(Some(begun.elapsed()));
                let mut exchange = account.chain.exchange.borrow_mut();
                let info = &mut exchange.info;
                info.upstream_address = Some(dialled.endpoint);
                info.upstream_local = Some(dialled.local);
                info.attempts = dialled.attempts;
                info.upstream_latency = account.connected.get();
                Ok(dialled.socket)
            }
            Err(error) => {
                outbound::failed(&mut account.chain.exchange.borrow_mut().info, &error);
                tracing::warn!(
                    listener = &*self.connection.listener,
                    upstream = &**upstream.name(),
                    "connection closed: {error}"
                );
                Err(Ending::of_dialling(&error))
            }
        }
    }

    fn upstream(&self, chain: &Chain) -> &Upstream {
        let mut exchange = chain.exchange.borrow_mut();
        let chosen = exchange
            .properties
            .get("lockgate.upstream")
            .and_then(|name| std::str::from_utf8(name).ok());
        let index = chosen
            .and_then(|name| self.view.snapshot.upstream(name))
            .map_or(self.forwarding.upstream, |(index, _)| index);
        let upstream = &self.view.snapshot.upstreams[index];
        exchange.info.upstream = Some(upstream.name().clone());
        upstream
    }
}

/// Passes bytes on between both ends, until it is over.
async fn relay<C: Peer, U: Peer>(account: &Rc<Account>, client: &mut C, mut upstream: U) -> Ending {
    let flow = |way| Flow::new(&account.chain, way, &account.told);
    let mut relay = Relay::new(flow(Direction::Request), flow(Direction::Response), account.clone());
    let ending = relay.run(client, &mut upstream).await;
    if ending.is_abrupt() {
        upstream.abort();
    } else if ending == Ending::PluginClosed {
        // What had passed the plugins before is the client's, if it takes it now.
        let _ = tokio::time::timeout(FLUSH, relay.flush_to_client(client)).await;
    }
    ending
}

impl From<Stop> for Ending {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Problem(Problem::PluginFailed) => Self::PluginFailed,
            Stop::Problem(_) => Self::HeldTooMuch,
            // There is no reply on a TCP connection: the sandbox refuses it.
            Stop::Close | Stop::Reply(_) => Self::PluginClosed,
        }
    }
}
