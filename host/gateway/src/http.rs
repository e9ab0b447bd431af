//! One client connection: TLS if the listener wants it, HTTP/1.1 or HTTP/2, requests handed to the pipeline.

mod guarded_stream;
mod h1;
mod h2;
mod refused;

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use lockgate_exchange::{ConnectionInfo, Scheme};
use lockgate_http::inbound::Peer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::context::Station;
use crate::context::idle_monitor::Patience;
use crate::context::view::ListenerView;
use crate::downstream::handshake::unless_silent;
use crate::pipeline::connection_context::Served;

/// The start of every HTTP/2 connection in the clear (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a client speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2.
    Http2,
}

/// Serves a connection to its end. What goes wrong on it is nobody else's matter; it is told at debug level.
pub(crate) async fn serve(station: Rc<Station>, listener: Rc<ListenerView>, stream: TcpStream, peer: SocketAddr) {
    if let Err(error) = open(station, listener, stream, peer).await {
        tracing::debug!(%peer, %error, "connection ended");
    }
}

async fn open(station: Rc<Station>, listener: Rc<ListenerView>, stream: TcpStream, peer: SocketAddr) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let local = stream.local_addr()?;
    let _open = station.metrics.connections().open();
    let limits = &listener.settings.limits;
    let patience = Patience {
        head: Some(limits.header_timeout.0),
        idle: limits.idle_timeout.0,
    };
    let pulse = station.ward.admit(patience);
    let mut connection = ConnectionInfo {
        id: station.connection_id(),
        listener: listener.settings.name.clone(),
        peer,
        local,
        tls: None,
        properties: Default::default(),
    };
    let greeting = limits.header_timeout.0;
    let served = |connection: ConnectionInfo, scheme: Scheme| {
        Rc::new(Served {
            station: station.clone(),
            connection: Rc::new(connection),
            peer: Peer::new(peer, local, scheme),
            scheme,
            pulse: pulse.clone(),
            listener: listener.clone(),
        })
    };
    match listener.certificates.clone() {
        None => {
            let Some(protocol) = unless_silent(&pulse, greeting, sniff(&stream)).await? else {
                return Ok(());
            };
            run(served(connection, Scheme::Http), protocol, stream).await
        }
        Some(certificates) => {
            let Some(stream) = unless_silent(&pulse, greeting, certificates.accept(stream)).await? else {
                return Ok(());
            };
            let (_, session) = stream.get_ref();
            let protocol = if session.alpn_protocol() == Some(b"h2") {
                Protocol::Http2
            } else {
                Protocol::Http1
            };
            connection.tls = Some(certificates.info(session));
            run(served(connection, Scheme::Https), protocol, stream).await
        }
    }
}

/// Tells HTTP/2 with prior knowledge from HTTP/1 by the first bytes, which stay unread.
async fn sniff(stream: &TcpStream) -> io::Result<Protocol> {
    let mut seen = [0; PREFACE.len()];
    let mut pause = Duration::from_millis(1);
    loop {
        let count = stream.peek(&mut seen).await?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if seen[..count] != PREFACE[..count] {
            return Ok(Protocol::Http1);
        }
        if count == PREFACE.len() {
            return Ok(Protocol::Http2);
        }
        // The rest of the preface is on its way; a peek cannot wait for more than it saw. Whoever sends it slowly is looked at
        // ever more rarely.
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(250));
    }
}

/// Serves a connection that is no socket and whose first bytes are known beforehand.
pub(crate) async fn serve_stream<S>(
    station: &Rc<Station>,
    listener: Rc<ListenerView>,
    connection: ConnectionInfo,
    scheme: Scheme,
    stream: S,
    protocol: Protocol,
) where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let _open = station.metrics.connections().open();
    let limits = &listener.settings.limits;
    let patience = Patience {
        head: Some(limits.header_timeout.0),
        idle: limits.idle_timeout.0,
    };
    let (peer, local) = (connection.peer, connection.local);
    let served = Served {
        station: station.clone(),
        connection: Rc::new(connection),
        peer: Peer::new(peer, local, scheme),
        scheme,
        pulse: station.ward.admit(patience),
        listener,
    };
    if let Err(error) = run(Rc::new(served), protocol, stream).await {
        tracing::debug!(%peer, %error, "connection ended");
    }
}

async fn run<S>(served: Rc<Served>, protocol: Protocol, stream: S) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    match protocol {
        Protocol::Http1 => h1::serve(served, stream).await,
        Protocol::Http2 => h2::serve(served, stream).await,
    }
}
