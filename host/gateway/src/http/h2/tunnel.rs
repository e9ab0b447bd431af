//! Extended CONNECT (RFC 8441): a stream that asks for a tunnel, such as a WebSocket.
//!
//! For the pipeline and the upstream it is the HTTP/1.1 upgrade that it stands for, a GET. The key of a WebSocket's handshake, which HTTP/2 does
//! without, is made here; the upstream's answer to it is checked where its 101 is.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use h2::ext::Protocol;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use http::{Method, Request, Response, StatusCode};
use lockgate_http::inbound::ExtendedConnect;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Shared, responder};
use crate::body::source::BodySource;
use crate::downstream::peer::Peer;
use crate::pipeline::connection_context::ConnectionContext;
use crate::pipeline::upgrade;

/// Whether a request is an extended CONNECT. A plain one is refused like any other malformed request.
pub(super) fn asks_for_one(request: &Request<RecvStream>) -> bool {
    request.method() == Method::CONNECT && request.extensions().get::<Protocol>().is_some()
}

/// Serves the stream of an extended CONNECT to its end.
pub(super) async fn respond(
    connection: Rc<ConnectionContext>,
    shared: Shared,
    request: Request<RecvStream>,
    mut reply: SendResponse<Bytes>,
) {
    let id = reply.stream_id().as_u32();
    let (mut parts, receiver) = request.into_parts();
    if let Some(malformed) = shared.verdicts.take_head(id) {
        parts.extensions.insert(malformed);
    }
    let protocol = parts.extensions.remove::<Protocol>();
    // Without a protocol that is tunnelled it stays a CONNECT, which is refused.
    if let Some(connect) = protocol.and_then(|protocol| ExtendedConnect::new(protocol.as_str())) {
        parts.method = Method::GET;
        if connect.is_websocket() {
            let key = upgrade::websocket_key(&connection.worker.random);
            parts.headers.insert(SEC_WEBSOCKET_KEY, key);
        }
        parts.extensions.insert(connect);
    }
    let body = BodySource::whole(Bytes::new());
    if let Some(response) = responder::answer(&connection, parts, body, &mut reply).await {
        return responder::send(connection, shared, response, reply).await;
    }
    let Some(tunnel) = connection.tunnel.take() else { return };
    let mut head = Response::new(());
    *head.status_mut() = StatusCode::OK;
    head.headers_mut().clone_from(tunnel.head.headers());
    for name in [CONNECTION, UPGRADE, SEC_WEBSOCKET_ACCEPT] {
        head.headers_mut().remove(name);
    }
    if poll_fn(|cx| shared.backlog.poll_room(cx)).await.is_none() {
        return;
    }
    let Ok(sender) = reply.send_response(head, false) else {
        return reply.send_reset(Reason::INTERNAL_ERROR);
    };
    let mut stream = TunnelStream {
        shared,
        id,
        receiver,
        received: Bytes::new(),
        sender,
        is_shut: false,
        aborts: Cell::new(false),
    };
    tunnel.run(&mut stream, Bytes::new()).await;
    poll_fn(|cx| stream.poll_written(cx)).await;
}

/// A stream as bytes in both directions. Its windows carry the backpressure.
struct TunnelStream {
    shared: Shared,
    id: u32,
    receiver: RecvStream,
    /// What was read of the stream and not by the reader.
    received: Bytes,
    sender: SendStream<Bytes>,
    is_shut: bool,
    /// Its end is a reset.
    aborts: Cell<bool>,
}

impl TunnelStream {
    /// Ready when the socket has taken what was sent, or there is nobody to take it.
    fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.aborts.get() || !self.is_shut || self.sender.poll_reset(cx).is_ready() {
            return Poll::Ready(());
        }
        self.shared.backlog.poll_written(self.id, cx)
    }
}

impl AsyncRead for TunnelStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.received.is_empty() {
            match ready!(this.receiver.poll_data(cx)) {
                Some(Ok(data)) => this.received = data,
                Some(Err(error)) => return Poll::Ready(Err(io::Error::other(error))),
                None => return Poll::Ready(Ok(())),
            }
        }
        let part = this.received.len().min(buffer.remaining());
        buffer.put_slice(&this.received[..part]);
        this.received.advance(part);
        // The client may send as much again.
        let _ = this.receiver.flow_control().release_capacity(part);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for TunnelStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let gone = || Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        if this.is_shut || this.sender.poll_reset(cx).is_ready() {
            return gone();
        }
        let Some(room) = ready!(this.shared.backlog.poll_room(cx)) else {
            return gone();
        };
        let wanted = data.len().min(room);
        this.sender.reserve_capacity(wanted);
        while this.sender.capacity() == 0 {
            match ready!(this.sender.poll_capacity(cx)) {
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return gone(),
            }
        }
        let part = wanted.min(this.sender.capacity());
        this.shared.backlog.add(this.id, part);
        let sent = this.sender.send_data(Bytes::copy_from_slice(&data[..part]), false);
        Poll::Ready(sent.map(|()| part).map_err(io::Error::other))
    }

    /// The connection's task writes.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.is_shut {
            return Poll::Ready(Ok(()));
        }
        this.is_shut = true;
        this.sender.reserve_capacity(0);
        let ended = this.sender.send_data(Bytes::new(), true);
        Poll::Ready(ended.map_err(io::Error::other))
    }
}

impl Peer for TunnelStream {
    fn abort(&self) {
        self.aborts.set(true);
    }
}

impl Drop for TunnelStream {
    fn drop(&mut self) {
        if self.aborts.get() {
            self.sender.send_reset(Reason::CONNECT_ERROR);
        }
        self.shared.backlog.close(self.id);
    }
}
