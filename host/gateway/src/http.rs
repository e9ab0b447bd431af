//! A client's HTTP connection: TLS if the listener wants it, HTTP/1.1 or HTTP/2, requests handed to the pipeline.

mod guarded_stream;
mod h1;
mod h2;
mod refused;

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use lockgate_exchange::ConnectionInfo;
use tokio::net::TcpStream;

use crate::downstream::connection::DownstreamConnection;
use crate::downstream::peer::Peer;
use crate::pipeline::connection_context::ConnectionContext;

/// The start of every HTTP/2 connection in the clear (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a client speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HttpVersion {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2.
    Http2,
}

/// Serves a connection to its end. An error concerns nobody else, and is logged at debug level.
pub(crate) async fn serve(downstream: DownstreamConnection, stream: TcpStream, peer: SocketAddr) {
    if let Err(error) = accept(downstream, stream, peer).await {
        tracing::debug!(%peer, %error, "connection ended");
    }
}

async fn accept(downstream: DownstreamConnection, stream: TcpStream, peer: SocketAddr) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let local = stream.local_addr()?;
    match downstream.listener.certificates.clone() {
        None => {
            let Some(version) = downstream.handshake(sniff(&stream)).await? else {
                return Ok(());
            };
            let info = downstream.info(peer, local, None);
            run(downstream, info, version, stream).await
        }
        Some(certificates) => {
            let Some(stream) = downstream.handshake(certificates.accept(stream)).await? else {
                return Ok(());
            };
            let (_, session) = stream.get_ref();
            let version = if session.alpn_protocol() == Some(b"h2") {
                HttpVersion::Http2
            } else {
                HttpVersion::Http1
            };
            let info = downstream.info(peer, local, Some(certificates.info(session)));
            run(downstream, info, version, stream).await
        }
    }
}

/// Tells HTTP/2 with prior knowledge from HTTP/1 by the first bytes, which stay unread.
async fn sniff(stream: &TcpStream) -> io::Result<HttpVersion> {
    let mut seen = [0; PREFACE.len()];
    let mut pause = Duration::from_millis(1);
    loop {
        let count = stream.peek(&mut seen).await?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if seen[..count] != PREFACE[..count] {
            return Ok(HttpVersion::Http1);
        }
        if count == PREFACE.len() {
            return Ok(HttpVersion::Http2);
        }
        // The rest of the preface is on its way; a peek cannot wait for more than it saw. Whoever sends it slowly is looked at
        // ever more rarely.
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(250));
    }
}

/// Serves a connection that is no socket and whose version is known beforehand.
pub(crate) async fn serve_stream<S>(
    downstream: DownstreamConnection,
    info: ConnectionInfo,
    stream: S,
    version: HttpVersion,
) where
    S: Peer + 'static,
{
    let peer = info.peer;
    if let Err(error) = run(downstream, info, version, stream).await {
        tracing::debug!(%peer, %error, "connection ended");
    }
}

async fn run<S>(
    downstream: DownstreamConnection,
    info: ConnectionInfo,
    version: HttpVersion,
    stream: S,
) -> io::Result<()>
where
    S: Peer + 'static,
{
    let connection = Rc::new(ConnectionContext::new(&downstream, info));
    match version {
        HttpVersion::Http1 => h1::serve(connection, stream).await,
        HttpVersion::Http2 => h2::serve(connection, stream).await,
    }
}
